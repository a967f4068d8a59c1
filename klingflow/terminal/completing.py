"""What a shell is told at TAB: commands and options by click, files by their endings, shots and
selections by the manifest that the line names.

Imported only where a shell asks, or for its script. What cannot be read completes to nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from klingflow.decide.select import PICKS, STATE_NAMES
from klingflow.errors import KlingflowError

if TYPE_CHECKING:
    from klingflow.model import Manifest, Shot

# A larger manifest takes longer to read than a person waits for TAB.
_MAX_BYTES: Final = 256 * 1024

# What bash would expand, or run, in a word that it was given: a tag from a stranger may hold
# `$(...)`. bash quotes only the names of files; zsh and fish quote all.
_OBEYED: Final = re.compile(r"""[\s!"$&'()*;<>?\[\\\]`{|}~]""")

# What completes a text at TAB, by what stands before it in the line.
Complete = Callable[[click.Context, str], list[CompletionItem]]

# ---------------------------------------------------------------- what completes


def ending(*endings: str) -> Complete:
    """Return what completes files with one of these endings, and the folders on the way to them."""
    return lambda ctx, incomplete: list(_files(incomplete, endings))


def shots(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return the takes of the manifest that the line names."""
    return _plain(shot.key for shot in _shots(ctx) if shot.key.startswith(incomplete))


def selections(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return what the last term of a selection may be: takes, tags, states and picks."""
    cut = max(incomplete.rfind(" "), incomplete.rfind(",")) + 1
    before, term = incomplete[:cut], incomplete[cut:]
    wanted = _shots(ctx)
    terms = [
        *(shot.key for shot in wanted),
        *(f"tag:{tag}" for shot in wanted for tag in shot.tags),
        *(f"state:{state}" for state in STATE_NAMES),
        *(f"pick:{word}" for word in PICKS),
    ]
    return _plain(before + one for one in terms if one.startswith(term))


def profiles(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return the profiles of the manifest that the line names."""
    manifest = _manifest(ctx)
    names = manifest.profiles if manifest else ()
    return _plain(name for name in names if name.startswith(incomplete))


def schemas(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return the names of the published schemas."""
    from klingflow.api.schemas import NAMES  # here: files complete without it

    return _plain(name for name in NAMES if name.startswith(incomplete))


# By what an argument or an option takes.
Completer = Literal["manifests", "ledgers", "plans", "shots", "selections", "profiles", "schemas"]
COMPLETERS: Final[Mapping[Completer, Complete]] = {
    "manifests": ending(".yaml", ".yml"),
    "ledgers": ending(".yaml", ".yml", ".lock"),
    "plans": ending(".json"),
    "shots": shots,
    "selections": selections,
    "profiles": profiles,
    "schemas": schemas,
}


def _plain(values: Iterable[str]) -> list[CompletionItem]:
    """Return the values, each once. One that is not of one printable line is left out."""
    return [CompletionItem(value) for value in dict.fromkeys(values) if value.isprintable()]


def _shots(ctx: click.Context) -> tuple[Shot, ...]:
    """Return the shots of the manifest that the line names; none where it cannot be read."""
    manifest = _manifest(ctx, profile=ctx.params.get("profile") or "")
    return manifest.shots if manifest else ()


def _manifest(ctx: click.Context, profile: str = "") -> Manifest | None:
    """Return the manifest that the line names; None where it cannot be read quickly."""
    # Where an option lacks its value, click leaves the arguments in `args`.
    several = (*(ctx.params.get("files") or ()), *ctx.args)
    named = ctx.params.get("file") or next(iter(several), None)
    if not named:
        return None
    from klingflow.api.loading import load  # here: files complete without it
    from klingflow.terminal.manifests import variables

    path = Path(named).expanduser()
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:  # a pipe would not end
            return None
        given = variables(ctx.params.get("variables") or ())
        return load(path, variables=given, profile=profile)
    except (KlingflowError, OSError, ValueError):
        return None


def _files(incomplete: str, endings: tuple[str, ...]) -> Iterator[CompletionItem]:
    """Files with one of these endings, any without endings, and folders. Hidden ones only where
    the name begins with a dot.
    """
    folder, slash, name = incomplete.rpartition("/")
    try:
        entries = sorted(Path(folder + slash or ".").expanduser().iterdir())
    except OSError:
        return
    for entry in entries:
        if not _may_be_meant(entry.name, name):
            continue
        value = folder + slash + entry.name
        if entry.is_dir():
            yield CompletionItem(value, "dir", endings=endings)
        elif not endings or entry.name.lower().endswith(endings):
            yield CompletionItem(value, "file", endings=endings)


def _may_be_meant(name: str, typed: str) -> bool:
    """True for a name that begins as typed. A hidden one is meant only where its dot is typed."""
    is_hidden = name.startswith(".") and not typed.startswith(".")
    return name.startswith(typed) and name.isprintable() and not is_hidden


# ---------------------------------------------------------------- how each shell is told


def script(shell: str) -> str:
    """Return the script that makes a shell ask klingflow at TAB."""
    from klingflow.terminal.cli import ASKED_AT_TAB, cli  # here: it imports this module at TAB

    return SHELLS[shell](cli, {}, "klingflow", ASKED_AT_TAB).source()


def register() -> None:
    """Let click tell shells so. Call it before click answers a shell."""
    for shell in SHELLS.values():
        add_completion_class(shell)


class Bash(BashComplete):
    """bash cuts the line at every `:`, `@` and `=`, and replaces only what follows the last: so it
    hands over the line, and gets what is missing. It gets nothing that it would obey.
    """

    source_template: ClassVar[str] = """\
%(complete_func)s() {
    local completion
    COMPREPLY=()
    while IFS= read -r completion; do
        COMPREPLY+=("${completion#*,}")
        if [[ ${completion%%%%,*} != plain ]]; then compopt -o filenames 2>/dev/null; fi
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" \\
        COMP_WORDBREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def source(self) -> str:
        """Return the script, without asking which bash there is: another may read it."""
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = "" if line[-1:].isspace() and not _in_quotes(line) else words.pop()
        return words[1:], incomplete

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        items = [
            item
            for item in _listed(self.get_completions(args, incomplete), incomplete)
            if item.type != "plain" or not _OBEYED.search(item.value, len(incomplete))
        ]
        breaks = "" if _in_quotes(os.environ["COMP_LINE"]) else os.environ["COMP_WORDBREAKS"]
        there = 1 + max((incomplete.rfind(c) for c in breaks), default=-1)
        return "\n".join(f"{item.type},{item.value[there:]}" for item in items)


def _in_quotes(line: str) -> bool:
    """True if the end of the line stands in quotes."""
    quote = ""
    for character in re.sub(r"\\.", "", line):
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
    return bool(quote)


class Zsh(ZshComplete):
    """zsh finds files itself, by their endings."""

    source_template: ClassVar[str] = ZshComplete.source_template.replace(
        "_path_files -f", '_files -g "$key"'
    ).replace("_path_files -/", "_files -/")

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        items = self.get_completions(args, incomplete)
        named = [item for item in items if item.type != "plain"]
        told = [self.format_completion(item) for item in items if item.type == "plain"]
        if named:
            endings = "|".join(ending[1:] for ending in named[0].endings or ())
            told.append(f"file\n{f'*.({endings})' if endings else '*'}\n_")
        return "\n".join(told)


class Fish(FishComplete):
    """fish is told the files; it adds no space after the slash of a folder."""

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        items = _listed(self.get_completions(args, incomplete), incomplete)
        return "\n".join(map(self._told, items))

    def _told(self, item: CompletionItem) -> str:
        value = f"{item.value}/" if item.type == "dir" else item.value
        return self.format_completion(CompletionItem(value, help=item.help))


SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def _listed(items: Iterable[CompletionItem], incomplete: str) -> Iterator[CompletionItem]:
    """Yield the items, where click says only that files are meant with the files."""
    for item in items:
        if item.type == "plain" or item.endings is not None:
            yield item
        else:
            yield from _files(incomplete, ())
