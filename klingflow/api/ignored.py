"""What git keeps, ignores and merges beside a manifest: the ledger is to be kept and merged by
union, the key and the videos are not to be kept.

Git is asked, because its rules may stand in many files. Nothing that the folder's own git settings
name is started, and git does not see the key.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from klingflow.gateway.env_file import KEY
from klingflow.words import _, joined

_TIMEOUT_S = 10.0
# A folder from elsewhere may bring settings that name a program.
_STARTS_NOTHING = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
# It may also lack an object of the index, which git would ask of a remote by a program that the
# settings name: no protocol is allowed (git, "GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH").
_ASKS_NOBODY = {"GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
_FACTS = 4  # that git gives of one path: file, line and pattern of the rule, and the path
_OF_ATTRIBUTE = 3  # that git gives of one path: the path, the attribute, its value
# What two branches both write, and the lines of `.gitattributes` that have git keep those of both.
_MERGED = (".lock", ".pruned.jsonl", ".picks.yaml")


@dataclass(frozen=True, slots=True)
class Rule:
    """The line of a git file by which a path is ignored."""

    file: str
    line: str
    pattern: str

    def __str__(self) -> str:
        return _("{file}:{line} ({pattern})", file=self.file, line=self.line, pattern=self.pattern)


def rules(folder: Path, paths: Sequence[str]) -> list[Rule | None] | None:
    """By what git ignores each of the `paths` in a folder; None for one that git keeps. None
    without git, or outside a work tree.
    """
    asked = "\0".join(paths)
    said = _git(folder, "check-ignore", "-z", "-v", "-n", "--stdin", given=asked)
    if said is None:
        return None
    facts = said.split("\0")[:-1]
    if len(facts) != _FACTS * len(paths):
        return None
    return [_rule(*facts[at : at + 3]) for at in range(0, len(facts), _FACTS)]


def unmerged(folder: Path, paths: Sequence[str]) -> list[str]:
    """Return those of the `paths` in a folder that git does not merge by keeping the lines of
    both sides; none without git, or outside a work tree, where nothing is merged.
    """
    said = _git(folder, "check-attr", "-z", "merge", "--", *paths)
    facts = (said or "").split("\0")[:-1]
    rows = [facts[at : at + _OF_ATTRIBUTE] for at in range(0, len(facts), _OF_ATTRIBUTE)]
    return [path for path, _, value in rows if value != "union"]


def is_tracked(folder: Path, path: str) -> bool:
    """True if git has the file."""
    return bool(_git(folder, "ls-files", "-z", "--", path))


def committed(folder: Path, path: str) -> str | None:
    """Return what the last commit has of a file, "" where it has none. None without git, outside a
    work tree, and for a file that git ignores: nobody can commit it there.
    """
    found = rules(folder, (path,))
    if found is None or found[0] is not None:
        return None
    return _git(folder, "cat-file", "blob", f"HEAD:./{path}") or ""


def _rule(file: str, line: str, pattern: str) -> Rule | None:
    is_ignored = pattern and not pattern.startswith("!")
    return Rule(file, line, pattern) if is_ignored else None


def _git(folder: Path, *arguments: str, given: str = "") -> str | None:
    """Return what git says; None where it is not there or cannot say it."""
    program = _program(folder)
    if program is None:
        return None
    environ = {name: value for name, value in os.environ.items() if name != KEY}
    try:
        done = subprocess.run(
            [program, *_STARTS_NOTHING, "-C", str(folder), *arguments],
            input=given.encode(),
            capture_output=True,
            env={**environ, **_ASKS_NOBODY},
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # 1 says that none of the paths is ignored.
    return done.stdout.decode("utf-8", "replace") if done.returncode in (0, 1) else None


def _program(folder: Path) -> str | None:
    """Return the path of git; never one in the folder or in the working folder, which Windows would
    take first.
    """
    found = shutil.which("git")
    if found is None:
        return None
    home = Path(found).resolve().parent
    return None if home in (folder.resolve(), Path.cwd()) else found


def said_of(folder: Path, lock: str, output: str) -> Iterator[str]:
    """Yield what is wrong with what git keeps of a film, each with what to do. `lock` and `output`
    are paths in the folder, with forward slashes.
    """
    yield from _said_of_merging(folder, lock.removesuffix(".lock"))
    first, slash, _unused = output.partition("/")
    videos = f"{first}/" if slash else "*.mp4"
    found = rules(folder, (lock, ".env", output))
    if found is None:
        return
    of_lock, of_key, of_video = found
    if of_lock is not None:
        yield _(
            "git ignores {lock} by {of_lock}: what was bought would be known on this machine"
            " alone; take that line out, or add the line !{lock} below it",
            lock=lock,
            of_lock=of_lock,
        )
    if is_tracked(folder, ".env"):
        yield _(
            "git has .env, and with it the key: git rm --cached .env, add the line .env to"
            " .gitignore, and get another key if this one was pushed"
        )
    elif of_key is None:
        yield _(
            "git does not ignore .env, so the key would be committed: add the line .env to"
            " .gitignore"
        )
    if of_video is None:
        yield _(
            "git does not ignore {videos}, so videos would be committed: add the line {videos} to"
            " .gitignore",
            videos=videos,
        )


def _said_of_merging(folder: Path, stem: str) -> Iterator[str]:
    found = unmerged(folder, [stem + suffix for suffix in _MERGED])
    if found:
        lines = joined(
            ", ", (_("*{path} merge=union", path=path.removeprefix(stem)) for path in found)
        )
        yield _(
            "git does not keep both sides' lines of {found}, so two branches that buy"
            " would conflict: add to .gitattributes: {lines}",
            found=joined(", ", found),
            lines=lines,
        )
