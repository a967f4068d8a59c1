"""What the commands that buy nothing do: validate, render, plan, status, why and refs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from klingflow.api import planning, reporting, saving
from klingflow.api.site import named
from klingflow.decide.plan import buys
from klingflow.errors import Diagnostic, ExitCode, ManifestError
from klingflow.gateway.access import Access
from klingflow.ledger.places import SANDBOX
from klingflow.manifest.request import origins as origins_of
from klingflow.model import Json, Manifest, Plan, Request, Shot
from klingflow.results.plan_data import plan_data
from klingflow.results.references import Listed
from klingflow.terminal import console, plan_views, status_views, views
from klingflow.terminal.bounds import is_zero_unknown, limits_of, words_of
from klingflow.terminal.manifests import for_good, load, load_all, show_warnings
from klingflow.terminal.options import Options
from klingflow.terminal.target import (
    access_for,
    check_endpoint,
    sandbox,
    show_gateway,
    show_question,
)
from klingflow.words import _, joined, many


def validate(files: Sequence[str], options: Options, form: str) -> int:
    """`klingflow validate`."""
    found = _checked(files, options)
    match form:
        case "json":
            data = [console.as_data(d) for d in found.diagnostics]
            console.dump_json({"valid": not found.failed, "diagnostics": data})
        case "github":
            for diagnostic in found.diagnostics:
                console.say(console.github(diagnostic))
        case _:
            _show_diagnostics(found.diagnostics, found.sources, quiet=options.quiet)
            if not options.quiet:
                console.say(_sum_of(found, files))
    return ExitCode.USAGE if found.failed else ExitCode.OK


@dataclass(slots=True)
class _Checked:
    """What was found in manifests: the diagnostics of all, the texts that these are about, by file,
    and the numbers of what the good manifests want.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    shots: int = 0
    takes: int = 0

    @property
    def failed(self) -> bool:
        """True if one of the manifests is not valid."""
        return any(diagnostic.severity == "error" for diagnostic in self.diagnostics)


def _checked(files: Sequence[str], options: Options) -> _Checked:
    found = _Checked()
    for file in files:
        try:
            manifest = load(file, options, strict=True)
        except ManifestError as error:
            found.diagnostics += error.diagnostics
            found.sources |= error.sources
        else:
            found.diagnostics += manifest.warnings
            found.sources |= manifest.sources
            found.shots += len(manifest.ids)
            found.takes += len(manifest.shots)
    return found


def _sum_of(found: _Checked, files: Sequence[str]) -> str:
    """Return the last line of what `validate` prints."""
    what = files[0] if len(files) == 1 else _("{files} files", files=len(files))
    counted = console.counted(found.diagnostics)
    checked = "" if found.failed else _counted(found.shots, found.takes)
    return _("{what}: {counted}{checked}", what=what, counted=counted, checked=checked)


def _counted(shots: int, takes: int) -> str:
    """Return how many shots were checked; the takes, too, where shots have several."""
    several = ""
    if takes != shots:
        several = _(", {takes}", takes=many(takes, "{number} take", "{number} takes"))
    counted = many(shots, "{number} shot", "{number} shots")
    return _(", {shots}{several}", shots=counted, several=several)


def _show_diagnostics(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], *, quiet: bool
) -> None:
    """Show each place once: what a preset says wrong may concern many shots."""
    shown = [d for d in diagnostics if not quiet or d.severity == "error"]
    told = Counter(d[:4] for d in shown)
    for diagnostic in shown:
        more = told.pop(diagnostic[:4], 0) - 1
        if more >= 0:
            said = _("and the same for {more} more", more=more) if more else ""
            console.show_diagnostic(diagnostic, sources, console.say, said)


def render(files: Sequence[str], options: Options, form: str, origins: bool) -> int:
    """`klingflow render`. Of several manifests, each answer names its own."""
    manifests = load_all(files, options)
    wanted = [planning.selected(manifest, options.wish) for manifest in manifests]
    answers: list[dict[str, Json]] = []
    for manifest, keys in zip(manifests, wanted, strict=True):
        named = {"manifest": manifest.path} if len(manifests) > 1 else {}
        answers.append({**named, "shots": [*_rows(manifest, keys, origins)]})
    views.dump_answers(answers, form)
    show_warnings(*manifests)
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


def plan(files: Sequence[str], options: Options, form: str, check: bool) -> int:
    """`klingflow plan`. Several manifests share the caps, as in one run."""
    manifests = load_all(files, options)
    access = access_for(manifests, options)
    limits = limits_of(manifests, options)
    with for_good():
        plans = planning.plans_of_run(
            manifests,
            options.wish,
            limits,
            origin=access.origin,
            zero_is_unknown=is_zero_unknown(options),
        )
    # A forecast is work where shots are many, and a quiet plan does not show it.
    if options.save is not None or form == "json" or not options.quiet:
        plans = planning.with_forecast(plans, limits)
    _save(plans, options, access)
    if form == "json":
        gateway = _gateway_data(access)
        _dump([{**plan_data(made), "gateway": gateway} for made in plans])
    elif not options.quiet:
        show_warnings(*manifests)
        _show_plans(plans, options)
        plan_views.show_forecast(plans[0].forecast, limits)
        show_gateway(access)
        show_question(access)
        _show_saved(options)
    return ExitCode.WOULD_BUY if check and any(map(buys, plans)) else ExitCode.OK


def _save(plans: Sequence[Plan], options: Options, access: Access) -> None:
    """Save the plans where `-o` names a file."""
    if options.save is not None:
        origin = SANDBOX if options.sandbox else access.origin
        saving.save(options.save, plans, words_of(options), origin)


def _show_saved(options: Options) -> None:
    """Say where the plan was saved, and how it is run."""
    if options.save is not None:
        gateway = ["--gateway", options.gateway] if options.gateway else []
        again = shlex.join(["klingflow", "run", "--plan", options.save, *gateway])
        console.prose(_("Saved: {path}. `{again}` buys it, once.", path=options.save, again=again))


def _show_plans(plans: Sequence[Plan], options: Options) -> None:
    for made in plans:
        views.show_problems(made.problems)
        plan_views.show_plan(made, named(made.manifest, options.wish), verbose=options.verbose)
    if len(plans) > 1 and any(map(buys, plans)):
        console.prose(_("All told to buy: {purchases}", purchases=plan_views.purchases(plans)))


def _dump(answers: Sequence[Json]) -> None:
    """Print what was found of one manifest, or the list of what was found of several."""
    console.dump_json(answers[0] if len(answers) == 1 else answers)


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


def status(files: Sequence[str], options: Options, form: str) -> int:
    """`klingflow status`."""
    manifests = load_all(files, options)
    records = [reporting.status(manifest, options.wish) for manifest in manifests]
    if form == "json":
        _dump(records)
        return ExitCode.OK
    for manifest, record in zip(manifests, records, strict=True):
        views.show_worded(record["problems"])
        for doubt in record["picks_astray"]:
            console.warn(doubt)
        status_views.show_status(record, named(manifest, options.wish), verbose=options.verbose)
        if reporting.only_tried(manifest, record, options.wish):
            trial = named(manifest, replace(options.wish, sandbox=True))
            console.prose(_("What the sandbox did: klingflow status {trial}", trial=trial))
    if len(records) > 1:
        status_views.show_all_told([record["money"]["shares"] for record in records])
    return ExitCode.OK


def why(file: str, shot: str, options: Options, form: str) -> int:
    """`klingflow why`."""
    answer = reporting.why(load(file, options), shot, options.wish)
    if form == "json":
        console.dump_json(answer)
    else:
        views.show_why(answer)
    return ExitCode.OK


def refs(file: str, options: Options, form: str, *, push: bool, check: bool) -> int:
    """`klingflow refs`."""
    from klingflow.api import references  # for start-up: it imports HTTP

    manifest = load(file, options)
    show_warnings(manifest)
    failed = _pushed(manifest, options) if push else 0
    if check:
        failed += references.check(manifest, _tell(_("can be read:"), _("can NOT be read:")))
    found = references.references(manifest, options.wish)
    if form == "json":
        console.dump_json({"references": [one.as_json() for one in found]})
    elif not (push or check):
        _show_references(found, file)
    elif not any(_is_asked(one, push=push, check=check) for one in found):
        _show_nothing_asked(file, push=push)
    return ExitCode.FAILED if failed else ExitCode.OK


def _show_references(found: Sequence[Listed], file: str) -> None:
    console.table([_reference(one) for one in found])
    counted = many(len(found), "{number} reference", "{number} references")
    console.say(_("{file}: {references}", file=file, references=counted))


def _show_nothing_asked(file: str, *, push: bool) -> None:
    """Say that `--push`, otherwise `--check`, had nothing to do."""
    if push:
        console.say(_("{file}: no reference to upload", file=file))
    else:
        console.say(_("{file}: no reference to ask for", file=file))


def _pushed(manifest: Manifest, options: Options) -> int:
    """Upload the references. Return how many could not be uploaded."""
    from klingflow.api import references  # for start-up: it imports HTTP

    if not options.sandbox:
        check_endpoint(manifest)
    with ExitStack() as stack:
        at = sandbox(stack, manifest, options) if options.sandbox else ""
        tell = _tell(_("uploaded"), _("NOT uploaded"))
        return references.push(manifest, tell, options.wish, at)


def _tell(done: str, failed: str) -> Callable[[str, str | None], None]:
    """Return what says of each reference how it went."""

    def tell(name: str, why: str | None) -> None:
        if why is None:
            console.say(_("{done} {name}", done=done, name=name))
        else:
            console.warn(_("{failed} {name}: {why}", failed=failed, name=name, why=why))

    return tell


_SHOTS_SHOWN = 4


def _is_asked(one: Listed, *, push: bool, check: bool) -> bool:
    """True if `--push` or `--check` does something about a reference, and so says something."""
    is_here = one.size_bytes is not None and one.sha256 is not None  # a frame goes with a run
    return check if one.state == "remote" else push and is_here


def _reference(one: Listed) -> list[str]:
    shots = joined(", ", one.shots[:_SHOTS_SHOWN])
    more = len(one.shots) - _SHOTS_SHOWN
    return [
        one.state,
        one.name,
        _size(one.size_bytes),
        shots + (_(" and {more} more", more=more) if more > 0 else ""),
    ]


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    is_small = size_bytes < 1_000_000
    return (
        f"{-(-size_bytes // 1000)} kB"
        if is_small
        else _("{size_bytes:.1f} MB", size_bytes=size_bytes / 1e6)
    )
