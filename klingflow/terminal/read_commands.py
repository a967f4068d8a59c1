"""What the commands that change nothing do: validate, render, plan, status and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from klingflow.api import planning, reporting
from klingflow.decide.plan import buys
from klingflow.errors import Diagnostic, ExitCode, ManifestError
from klingflow.gateway.access import Access
from klingflow.manifest.request import origins as origins_of
from klingflow.model import Json, Manifest, Request, Shot
from klingflow.results.plan_data import plan_data
from klingflow.terminal import console, views
from klingflow.terminal.manifests import for_good, load, show_warnings
from klingflow.terminal.options import Options
from klingflow.terminal.target import access_for, show_gateway


def validate(files: Sequence[str], options: Options, form: str) -> int:
    """`klingflow validate`."""
    diagnostics: list[Diagnostic] = []
    sources: dict[str, str] = {}
    shots = 0
    for file in files:
        try:
            manifest = load(file, options)
        except ManifestError as error:
            diagnostics += error.diagnostics
            sources |= error.sources
        else:
            diagnostics += manifest.warnings
            sources |= manifest.sources
            shots += len(manifest.shots)
    failed = any(d.severity == "error" for d in diagnostics)
    match form:
        case "json":
            data = [console.as_data(d) for d in diagnostics]
            console.dump_json({"valid": not failed, "diagnostics": data})
        case "github":
            for diagnostic in diagnostics:
                console.say(console.github(diagnostic))
        case _:
            _show_diagnostics(diagnostics, sources, quiet=options.quiet)
            if not options.quiet:
                what = files[0] if len(files) == 1 else f"{len(files)} files"
                checked = "" if failed else f", {console.many(shots, 'shot')}"
                console.say(f"{what}: {console.counted(diagnostics)}{checked}")
    return ExitCode.USAGE if failed else ExitCode.OK


def _show_diagnostics(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], *, quiet: bool
) -> None:
    for diagnostic in diagnostics:
        if not quiet or diagnostic.severity == "error":
            console.say(console.excerpted(diagnostic, sources))


def render(file: str, options: Options, form: str, origins: bool) -> int:
    """`klingflow render`."""
    manifest = load(file, options)
    wanted = planning.selected(manifest, options.wish)
    views.dump_rows(list(_rows(manifest, wanted, origins)), form)
    show_warnings(manifest)
    return ExitCode.OK


def _rows(manifest: Manifest, wanted: Set[str] | None, origins: bool) -> Iterator[dict[str, Json]]:
    for shot, request in manifest:
        if wanted is None or shot.key in wanted:
            row = _row(shot, request)
            if origins:
                row["origins"] = _origins(shot)
            yield row


def _row(shot: Shot, request: Request) -> dict[str, Json]:
    return {
        "id": shot.id,
        "take": shot.take,
        "kind": shot.kind,
        "body": request.body,
        "fingerprint": request.fingerprint,
        "predicted_tier": request.predicted_tier,
    }


def _origins(shot: Shot) -> dict[str, Json]:
    places = origins_of(shot, shot.kind)
    return {pointer: str(mark) for pointer, (_, mark) in places.items()}


def plan(file: str, options: Options, form: str, check: bool) -> int:
    """`klingflow plan`."""
    manifest = load(file, options)
    access = access_for([manifest], options)
    with for_good():
        made = planning.plan(manifest, options.wish, origin=access.origin)
    if form == "json":
        console.dump_json({**plan_data(made), "gateway": _gateway_data(access)})
    elif not options.quiet:
        show_warnings(manifest)
        views.show_problems(made.problems)
        views.show_plan(made, verbose=options.verbose)
        show_gateway(access)
    return ExitCode.WOULD_BUY if check and buys(made) else ExitCode.OK


def _gateway_data(access: Access) -> dict[str, Json] | None:
    """Return the gateway for `--format json`: the address, and where address and key come from."""
    if not access.base_url:
        return None
    key_from = str(access.key_from) if access.key_from else None
    return {
        "address": access.origin,
        "address_from": str(access.base_url_from),
        "key_from": key_from,
    }


def status(file: str, options: Options, form: str) -> int:
    """`klingflow status`."""
    record = reporting.status(load(file, options), options.wish)
    if form == "json":
        console.dump_json(record)
    else:
        views.show_worded(record["problems"])
        views.show_status(record, verbose=options.verbose)
    return ExitCode.OK


def why(file: str, shot: str, options: Options, form: str) -> int:
    """`klingflow why`."""
    answer = reporting.why(load(file, options), shot, options.wish)
    if form == "json":
        console.dump_json(answer)
    else:
        views.show_why(answer)
    return ExitCode.OK
