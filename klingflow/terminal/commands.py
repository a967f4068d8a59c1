"""What each command does: load, plan, act, show, and the exit code that says how it went."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from klingflow.api import loading, planning, reporting, resolving, running, site
from klingflow.errors import Diagnostic, ExitCode, ManifestError, UsageError
from klingflow.ledger.places import manifest_file
from klingflow.model import Json, Limits, Manifest, Plan
from klingflow.terminal import console, progress, views


@dataclass(frozen=True, slots=True)
class Options:
    """What commands share, as given; each takes some of it."""

    variables: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    max_running: int | None = None
    submit: str | None = None
    max_spend: str | None = None
    max_tasks: int | None = None
    max_seconds: int | None = None
    dry_run: bool = False
    fail_fast: bool = False
    yes: bool = False
    sandbox: bool = False
    no_black_box: bool = False
    no_progress: bool = False
    log: str | None = None
    quiet: bool = False
    verbose: bool = False

    @property
    def wish(self) -> site.Wish:
        """What of the manifests is meant."""
        return site.Wish(
            self.select, self.exclude, frozenset(self.rerun), self.sandbox, not self.no_black_box
        )


# ------------------------------------------------------------ without a ledger


def init(folder: str) -> int:
    """`klingflow init`."""
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in ("film.yaml", "prices.yaml", "gitattributes", "env.example"):
            path = target / (name if name.endswith(".yaml") else f".{name}")
            if path.exists():
                console.say(f"  kept    {path} (it was there)")
                continue
            path.write_bytes(resources.files("klingflow").joinpath("starter", name).read_bytes())
            console.say(f"  wrote   {path}")
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror or error}") from error
    film = target / "film.yaml"
    console.say(f"\nTry it without a key and without money:  klingflow run {film} --sandbox")
    return ExitCode.OK


def validate(files: Sequence[str], variables: Sequence[str], form: str, quiet: bool) -> int:
    """`klingflow validate`."""
    diagnostics: list[Diagnostic] = []
    sources: dict[str, str] = {}
    shots = 0
    for file in files:
        try:
            manifest = loading.load(file, variables=_variables(variables))
        except ManifestError as error:
            diagnostics += error.diagnostics
            sources |= error.sources
        else:
            diagnostics += manifest.warnings
            sources |= manifest.sources
            shots += len(manifest.shots)
    failed = any(d.severity == "error" for d in diagnostics)
    if form == "json":
        console.dump_json(
            {"valid": not failed, "diagnostics": [console.as_data(d) for d in diagnostics]}
        )
    elif form == "github":
        for diagnostic in diagnostics:
            console.say(console.github(diagnostic))
    else:
        for diagnostic in diagnostics:
            if not quiet or diagnostic.severity == "error":
                console.say(console.excerpted(diagnostic, sources))
        if not quiet:
            console.say(
                f"{_files(files)}: {console.counted(diagnostics)}"
                + ("" if failed else f", {_shots(shots)}")
            )
    return ExitCode.USAGE if failed else ExitCode.OK


def render(file: str, options: Options, form: str, origins: bool) -> int:
    """`klingflow render`."""
    from klingflow.manifest.request import origins as origins_of

    manifest = loading.load(file, variables=_variables(options.variables))
    wanted = planning.selected(manifest, options.wish)
    rows = []
    for shot, request in manifest:
        if wanted is not None and shot.key not in wanted:
            continue
        row: dict[str, Json] = {
            "id": shot.id,
            "take": shot.take,
            "kind": shot.kind,
            "body": request.body,
            "fingerprint": request.fingerprint,
            "predicted_tier": request.predicted_tier,
        }
        if origins:
            row["origins"] = {
                pointer: str(mark) for pointer, (_, mark) in origins_of(shot, shot.kind).items()
            }
        rows.append(row)
    views.dump_rows(rows, form)
    _show_warnings(manifest)
    return ExitCode.OK


def schema(name: str) -> int:
    """`klingflow schema`."""
    from klingflow.manifest.schema import NAMES, generate

    if name not in NAMES:
        raise UsageError(f"there is no schema {name!r}; there are {', '.join(NAMES)}")
    console.dump_json(generate(name))
    return ExitCode.OK


def sandbox(options: Mapping[str, Any]) -> int:
    """`klingflow sandbox`."""
    from klingflow.sandbox import faults
    from klingflow.sandbox.options import options_from
    from klingflow.sandbox.server import serve

    if options["list_faults"]:
        console.table([[f"{f.stage}:{f.name}", f.does] for f in faults.CATALOGUE])
        return ExitCode.OK
    serve(options_from(options), lambda address: console.say(_sandbox_greeting(address)))
    return ExitCode.OK


def _sandbox_greeting(address: str) -> str:
    return (
        f"The sandbox listens on {address} (Ctrl-C stops it). In another terminal:\n"
        f"  KLINGFLOW_BASE_URL={address} KLINGFLOW_API_KEY=any klingflow run film.yaml -y\n"
        f"What was charged and refunded: {address}/sandbox/ledger"
    )


# ------------------------------------------------------------ the ledger, read only


def plan(file: str, options: Options, form: str, check: bool) -> int:
    """`klingflow plan`."""
    from klingflow.decide.plan import buys

    manifest = loading.load(file, variables=_variables(options.variables))
    made = planning.plan(manifest, options.wish, origin=_origin([manifest], options.sandbox))
    if form == "json":
        console.dump_json(views.plan_data(made))
    elif not options.quiet:
        _show_warnings(manifest)
        views.show_problems(made.problems)
        views.show_plan(made)
    return ExitCode.WOULD_BUY if check and buys(made) else ExitCode.OK


def status(file: str, options: Options, form: str) -> int:
    """`klingflow status`."""
    manifest = loading.load(file, variables=_variables(options.variables))
    record = reporting.status(manifest, options.wish)
    if form == "json":
        console.dump_json(record)
    else:
        views.show_worded(record["problems"])
        views.show_status(record)
    return ExitCode.OK


def why(file: str, shot: str, options: Options, form: str) -> int:
    """`klingflow why`."""
    manifest = loading.load(file, variables=_variables(options.variables))
    answer = reporting.why(manifest, shot, options.wish)
    if form == "json":
        console.dump_json(answer)
    else:
        views.show_why(answer)
    return ExitCode.OK


def doctor(file: str | None) -> int:
    """`klingflow doctor`."""
    from klingflow.api.doctor import examine

    findings = examine(file)
    for finding in findings:
        console.say(f"  {'ok ' if finding.ok else '-- '} {finding.text}")
    return ExitCode.OK if all(f.ok or not f.needed for f in findings) else ExitCode.USAGE


# ------------------------------------------------------------ the ledger, written


def resolve(
    file: str, shot: str, options: Options, task: str | None, verdict: str, force: bool
) -> int:
    """`klingflow resolve`. `task` is the id that was found; without one, `verdict` is abandon or
    resubmit.
    """
    manifest = loading.load(file, variables=_variables(options.variables))
    wish, origin = options.wish, _origin([manifest], options.sandbox)
    with ExitStack() as stack:
        ask = _asker(stack, manifest, options) if task is not None else None
        said = resolving.resolve(
            manifest, shot, wish, origin, task=task, verdict=verdict, ask=ask, force=force
        )
    for line in said:
        console.say(line)
    return ExitCode.OK


def _asker(stack: ExitStack, manifest: Manifest, options: Options) -> resolving.Ask | None:
    """Who asks the gateway, or the sandbox, after a task; nobody where no key or no address is
    known.
    """
    import anyio

    try:
        base_url, key = _target(stack, [manifest], options)
    except UsageError:
        return None
    return lambda task_id: anyio.run(resolving.asked, base_url, key, task_id)


def fetch(file: str, options: Options) -> int:
    """`klingflow fetch`."""
    return _go([file], options, buying=False)


def run(files: Sequence[str], options: Options) -> int:
    """`klingflow run`."""
    return _go(files, options, buying=True)


def _go(files: Sequence[str], options: Options, *, buying: bool) -> int:
    manifests = _load_all(files, options.variables)
    limits = _limits(manifests, options)
    if options.dry_run:
        for manifest in manifests:
            made = planning.plan(manifest, options.wish, origin=_origin(manifests, options.sandbox))
            _show_warnings(manifest)
            views.show_problems(made.problems)
            views.show_plan(made)
        return ExitCode.OK
    with ExitStack() as stack:
        base_url, key = _target(stack, manifests, options)
        origin = _normal(base_url)
        jobs = [stack.enter_context(running.open_job(m, options.wish, origin)) for m in manifests]
        for job in jobs:
            if not options.quiet:
                _show_warnings(job.plan.manifest)
                views.show_problems(job.ledger.book.problems)
        plans = [job.plan for job in jobs]
        if buying and not _agreed(plans, limits, options):
            return ExitCode.OK
        with progress.watching(
            plans,
            log=options.log,
            quiet=options.quiet,
            verbose=options.verbose,
            plain=options.no_progress,
        ) as watch:
            result = running.run_jobs(
                jobs,
                base_url,
                key,
                limits,
                emit=watch.emit,
                buying=buying,
                fail_fast=options.fail_fast,
                abort=watch.abort,
            )
        for line in watch.lost:
            console.warn(line)
        views.show_result(result, [job.ledger.book for job in jobs], quiet=options.quiet)
    return result.exit_code


def _agreed(plans: Sequence[Plan], limits: Limits, options: Options) -> bool:
    """Whether the user wants to spend what the plans cost. Raises UsageError where nobody can be
    asked.
    """
    from klingflow.decide.plan import buys, cost

    number = sum(len(buys(made)) for made in plans)
    free = all(not unknown and not any(amounts.values()) for amounts, unknown in map(cost, plans))
    if options.sandbox or options.yes or free:
        return True
    capped = (limits.max_spend, limits.max_tasks, limits.max_seconds) != (None, None, None)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if capped:
            return True
        raise UsageError(
            f"{number} to buy, and nobody to ask: say -y, or set a cap such as --max-spend (see klingflow plan)"
        )
    for made in plans:
        views.show_plan(made)
    import click

    return click.confirm("Buy this?", default=False, err=True)


# ------------------------------------------------------------ what commands share


def _load_all(files: Sequence[str], variables: Sequence[str]) -> list[Manifest]:
    """Every manifest, or one ManifestError with the mistakes of all."""
    manifests: list[Manifest] = []
    diagnostics: list[Diagnostic] = []
    sources: dict[str, str] = {}
    if len({Path(f).resolve() for f in files}) < len(files):
        raise UsageError("the same manifest is named twice")
    for file in files:
        try:
            manifests.append(loading.load(file, variables=_variables(variables)))
        except ManifestError as error:
            diagnostics += error.diagnostics
            sources |= error.sources
    if diagnostics:
        raise ManifestError(diagnostics, sources)
    return manifests


def _variables(assignments: Sequence[str]) -> dict[str, Json]:
    """`--var k=v`: a value is read as a YAML scalar would be."""
    from klingflow.manifest.source import parse

    found: dict[str, Json] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--var {assignment!r}: write it as name=value")
        try:
            value = parse(text, f"--var {name.strip()}").value
        except ManifestError:
            value = text
        found[name.strip()] = (
            value if isinstance(value, (str, int, float, bool)) or value is None else text
        )
    return found


def _limits(manifests: Sequence[Manifest], options: Options) -> Limits:
    """The strictest of the manifests' limits, under the command line's. Raises UsageError."""
    from klingflow.manifest.limits import tightest, under_flags  # for start-up

    try:
        return under_flags(tightest([m.limits for m in manifests]), asdict(options))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _folder(manifests: Sequence[Manifest]) -> Path:
    return manifest_file(manifests[0].path).parent


def _normal(base_url: str) -> str:
    from klingflow.gateway.origin import normal_base

    return normal_base(base_url)


def _origin(manifests: Sequence[Manifest], in_sandbox: bool) -> str:
    """The origin that a run would have; empty where no address is known, which read-only commands
    do not need.
    """
    from klingflow.gateway import key

    if in_sandbox:
        return ""
    found = key.settings(_folder(manifests)).get(key.BASE_URL) or manifests[0].gateway.base_url
    return _normal(found) if found else ""


def _target(stack: ExitStack, manifests: Sequence[Manifest], options: Options) -> tuple[str, str]:
    """(base URL, key), of a sandbox started for this run or of the gateway. Raises UsageError."""
    if options.sandbox:
        from klingflow.sandbox.child import start
        from klingflow.sandbox.options import Options

        state = site.site_of(manifests[0].path, options.wish).server
        state.parent.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(start(Options(state=str(state)))).base_url, "sandbox"
    from klingflow.gateway import key
    from klingflow.gateway.origin import in_clear_warning

    found = key.settings(_folder(manifests))
    addresses = {m.gateway.base_url for m in manifests if m.gateway.base_url}
    if key.BASE_URL in found:
        addresses = {found[key.BASE_URL]}
    if not addresses:
        raise UsageError(
            f"no gateway: set {key.BASE_URL} or the manifest's gateway.base_url, or try it with --sandbox"
        )
    if len(addresses) > 1:
        raise UsageError(
            f"these manifests name different gateways; run them apart, or set {key.BASE_URL}"
        )
    if key.KEY not in found:
        raise UsageError(
            f"no key: set {key.KEY} in the environment or in .env, or try it with --sandbox"
        )
    address = addresses.pop()
    for path in key.exposed(_folder(manifests)):
        console.warn(f"warning: {key.said_of_exposed(path)}")
    if warning := in_clear_warning(address):
        console.warn(f"warning: {warning}")
    return address, found[key.KEY]


def _show_warnings(manifest: Manifest) -> None:
    for warning in manifest.warnings:
        console.warn(console.excerpted(warning, manifest.sources))


def _files(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{len(files)} files"


def _shots(number: int) -> str:
    return f"{number} shot{'' if number == 1 else 's'}"
