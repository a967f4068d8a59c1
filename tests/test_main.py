"""The entry point: Ctrl-C ends it in good order before the command line is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

_INTERRUPTED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.{handler})
sys.meta_path.insert(0, Finder())
sys.argv = ["klingflow", "--version"]
runpy.run_module("klingflow", run_name="__main__")
"""


def interrupted(module: str, handler: str = "default_int_handler") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `klingflow --version` where Ctrl-C comes as a module is
    looked for.
    """
    script = _INTERRUPTED.format(module=module, handler=handler)
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize(
    "module", ["klingflow.errors", "klingflow.terminal.cli", "click", "klingflow.runner.signals"]
)
def test_ctrl_c_during_an_import_ends_with_130_and_no_trace(module: str) -> None:
    """In its first tenth of a second the process only imports, and nothing has begun."""
    assert interrupted(module) == (130, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_ctrl_c_stays_ignored_where_it_was() -> None:
    """A shell starts what stands before `&` in a script so."""
    code, said, _ = interrupted("click", "SIG_IGN")
    assert code == 0 and said.startswith("klingflow, version ")


def test_the_process_ends_without_python_s_own_end() -> None:
    """There, a thread of another library that still hands over an answer would abort it."""
    script = (
        "import atexit, sys\n"
        "from klingflow.__main__ import main\n"
        "atexit.register(print, 'Python ended')\n"
        "sys.argv = ['klingflow', '--version']\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, "Python ended" in ended.stdout) == (0, False)
    assert ended.stdout.startswith("klingflow, version ")
