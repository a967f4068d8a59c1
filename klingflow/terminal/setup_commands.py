"""What the commands around a manifest do: init, schema, doctor and sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klingflow.errors import ExitCode, UsageError
from klingflow.gateway.access import Access
from klingflow.terminal import console
from klingflow.terminal.layout import pad
from klingflow.words import _, cause, joined, many, word

if TYPE_CHECKING:
    from klingflow.api.beginning import Begun
    from klingflow.api.doctor import Finding


def init(folder: str) -> int:
    """`klingflow init`."""
    from klingflow.api.beginning import begin  # for start-up

    target = Path(folder)
    try:
        for begun in begin(target):
            console.say("  ", pad(word(begun.kind), 7), " ", _begun(begun))
    except OSError as error:
        raise UsageError(_("{target}: {error}", target=target, error=cause(error))) from error
    film = shlex.quote(str(target / "film.yaml"))
    console.say()
    console.say(
        _("Try it without a key and without money:  klingflow run {film} --sandbox", film=film)
    )
    return ExitCode.OK


def init_from(source: str, target: str) -> int:
    """`klingflow init --from`."""
    from klingflow.api.beginning import begin  # for start-up
    from klingflow.api.shot_lists import make, missing, said  # for start-up

    made = make(source, target)
    try:
        for begun in begin(made.path.parent, (made.path.name, made.text.encode())):
            console.say("  ", pad(word(begun.kind), 7), " ", _begun(begun))
    except OSError as error:
        raise UsageError(_("{path}: {error}", path=made.path, error=cause(error))) from error
    if made.encoding:
        console.say()
        console.say(
            _(
                "{source} was read as {encoding}; {path} is UTF-8.",
                source=source,
                encoding=made.encoding,
                path=made.path,
            )
        )
    if made.listed.left:
        console.say()
        console.say(_("Not taken, and listed in the manifest:"))
        for left in made.listed.left:
            console.say(_("  {said}", said=said(left)))
    if absent := missing(made):
        paths = joined(", ", (str(made.path.parent / path) for path in absent))
        console.say()
        console.say(_("Not there yet: {paths}", paths=paths))
    film = shlex.quote(str(made.path))
    count = many(len(made.listed.shots), "{number} shot", "{number} shots")
    console.say()
    console.say(
        _(
            "{count}. Look at them without spending:  klingflow run {film} --sandbox",
            count=count,
            film=film,
        )
    )
    return ExitCode.OK


def _begun(begun: Begun) -> str:
    match begun.kind:
        case "added":
            return _("{path}: {lines}", path=begun.path, lines=joined(", ", begun.lines))
        case "kept":
            return _("{path} (it was there)", path=begun.path)
        case "left":
            return _("{path} ({why})", path=begun.path, why=begun.why)
        case _:
            return str(begun.path)


def schema(name: str) -> int:
    """`klingflow schema`."""
    from klingflow.api.schemas import NAMES, generate  # for start-up

    if name not in NAMES:
        raise UsageError(
            _(
                "there is no schema {name!r}; there are {names}",
                name=name,
                names=joined(", ", NAMES),
            )
        )
    console.dump_json(generate(name))
    return ExitCode.OK


def completion(shell: str) -> int:
    """`klingflow completion`."""
    from klingflow.terminal import completing  # for start-up

    console.out(completing.script(shell).rstrip())
    return ExitCode.OK


def doctor(file: str | None, gateway: str | None, refs: bool) -> int:
    """`klingflow doctor`."""
    from klingflow.api.doctor import examine  # for start-up
    from klingflow.terminal import target

    def found(folder: Path) -> Access:
        return target.found(folder, gateway)

    return _show(examine(file, found, target.allowed, refs=refs))


def doctor_of_cluster(account: str | None) -> int:
    """`klingflow doctor --cluster`."""
    from klingflow.api.cluster_doctor import examine  # for start-up

    return _show(examine(account))


def _show(findings: Sequence[Finding]) -> int:
    for finding in findings:
        console.say("  ok  " if finding.ok else "  --  ", finding.text)
        for line in finding.more:
            console.say("      ", line)
    works = all(finding.ok or not finding.needed for finding in findings)
    return ExitCode.OK if works else ExitCode.USAGE


def forget(address: str) -> int:
    """`klingflow doctor --forget`."""
    from klingflow.api import approval  # for start-up

    forgotten = approval.forget(address)
    console.say(
        _(
            "Forgotten: the next command that would send the key to {forgotten} asks again.",
            forgotten=forgotten,
        )
    )
    return ExitCode.OK


def sandbox(options: Mapping[str, Any]) -> int:
    """`klingflow sandbox`."""
    from klingflow.sandbox import faults  # for start-up
    from klingflow.sandbox.options import options_from
    from klingflow.sandbox.server import serve

    if options["list_faults"]:
        console.table([[f"{f.stage}:{f.name}", f.does] for f in faults.CATALOGUE])
        return ExitCode.OK
    serve(
        options_from(options),
        _greet,
        lambda line: console.warn(_("warning: {line}", line=line)),
    )
    return ExitCode.OK


def _greet(address: str) -> None:
    console.say(
        _(
            "The sandbox listens on {address} (Ctrl-C stops it). In another terminal:",
            address=address,
        )
    )
    console.say(
        _(
            "  KLINGFLOW_BASE_URL={address} KLINGFLOW_API_KEY=any klingflow run film.yaml -y",
            address=address,
        )
    )
    console.say(_("What was charged and refunded: {address}/sandbox/ledger", address=address))
