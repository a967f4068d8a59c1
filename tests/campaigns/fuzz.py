"""A process that feeds one target with changed texts: `python -m tests.campaigns.fuzz TARGET SEED
COUNT`.

It may take 500 MB and two seconds of its processor for each text, and prints what came of it as
JSON. With `--guided SECONDS` atheris looks for the texts, by the lines of klingflow that they
reach.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from random import Random
from types import FrameType

from tests.campaigns.inputs import TARGETS, changed

LIMIT_S = 2.0
LIMIT_BYTES = 500 << 20


class Hang(BaseException):
    """A text took longer than LIMIT_S."""


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise Hang


def run(target: str, seed: int, count: int) -> dict[str, object]:
    """Feed `count` texts. What went wrong is told by kind, each with its text and its traceback."""
    function, corpus = TARGETS[target]
    chance = Random(f"{target} {seed}")
    wrong: dict[str, list[tuple[str, str]]] = {"crashes": [], "hangs": []}
    slowest = 0.0
    signal.signal(signal.SIGPROF, _too_long)
    for _ in range(count):
        text = changed(chance.choice(corpus), corpus, chance).encode("utf-8", "replace").decode()
        faulthandler.dump_traceback_later(60, exit=True)  # of what hears no signal
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        try:
            function(text)
        except Hang:
            wrong["hangs"].append((text, traceback.format_exc()))
        except Exception:  # whatever it is, it is what is looked for
            wrong["crashes"].append((text, traceback.format_exc()))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - begun)
    faulthandler.cancel_dump_traceback_later()
    return {"tried": count, **wrong, "slowest_s": slowest}


def guided(target: str, seed: int, seconds: int, folder: Path) -> None:
    """Let atheris look, with what it keeps in `folder`. Ends the process, with 0 where nothing was
    found.
    """
    import atheris

    with atheris.instrument_imports(include=["klingflow"]):
        for name in [n for n in sys.modules if n.split(".")[0] in ("klingflow", "tests")]:
            del sys.modules[name]
        from tests.campaigns.inputs import TARGETS as instrumented
    function, corpus = instrumented[target]
    for number, text in enumerate(corpus):
        (folder / f"sample-{number}").write_bytes(text.encode("utf-8", "surrogatepass"))
    flags = [
        f"-max_total_time={seconds}",
        f"-seed={seed + 1}",
        "-timeout=20",
        f"-rss_limit_mb={2 * (LIMIT_BYTES >> 20)}",
    ]
    # What is watched by atheris takes about as much again.
    flags += [
        f"-rss_limit_mb={2 * (LIMIT_BYTES >> 20)}",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/found-",
    ]
    atheris.Setup(
        [sys.argv[0], *flags, str(folder)], lambda data: function(data.decode("utf-8", "replace"))
    )
    atheris.Fuzz()


def main(arguments: list[str]) -> None:
    """See the module's docstring."""
    target, seed, amount = arguments[0], int(arguments[1]), int(arguments[2])
    if "--guided" in arguments:
        guided(target, seed, amount, Path(arguments[-1]))
        return
    _, ceiling = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, ceiling))
    print(json.dumps(run(target, seed, amount)))


if __name__ == "__main__":
    main(sys.argv[1:])
