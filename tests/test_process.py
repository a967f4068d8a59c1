"""How the processes that decode videos begin: what they get, and how far they may go."""

from __future__ import annotations

import subprocess
import sys

import pytest

from klingflow.media.process import bare_environ, command


def test_a_process_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It decodes what a server sent."""
    monkeypatch.setenv("KLINGFLOW_API_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in bare_environ().values()
    assert "PATH" in bare_environ()


def test_a_folder_from_elsewhere_brings_it_no_module() -> None:
    """Python would first run an `av.py` of the folder that it is called in."""
    python, option, *_, module, word = command("frames", "-c")
    assert (python, option, module, word) == (sys.executable, "-P", "klingflow.media.frames", "-c")


@pytest.mark.skipif(sys.platform != "linux", reason="macOS refuses some limits, Windows has none")
def test_the_system_bounds_it() -> None:
    """Its memory and its time; and it writes nothing."""
    program = (
        "import resource as r; from klingflow.media.process import begin_count, give_way;"
        " give_way(0, 1 << 30); begin_count(5);"
        " print(*[r.getrlimit(n)[0] for n in (r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CORE)],"
        " 5 <= r.getrlimit(r.RLIMIT_CPU)[0] <= 7)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"1073741824", b"0", b"0", b"True"]
