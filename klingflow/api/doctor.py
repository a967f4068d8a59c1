"""`klingflow doctor`: what may be wrong with this installation, the key, the address and a
manifest's folder.

It asks the gateway after a task that does not exist, which cannot cost anything; where the answer
leaves open whether the address is right, also whether the route of creates takes a POST.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import anyio

from klingflow import __version__
from klingflow.api import approval, ignored, loading
from klingflow.api.connecting import connect
from klingflow.api.films import other_ledgers
from klingflow.api.site import Wish, site_for, site_of
from klingflow.errors import KlingflowError
from klingflow.gateway.access import Access
from klingflow.gateway.env_file import BASE_URL, KEY, exposed, said_of_exposed
from klingflow.gateway.fitting import (
    has_an_error,
    is_about_no_task,
    leaves_open,
    seen,
    takes_a_post,
)
from klingflow.gateway.origin import in_clear_warning, taken_for
from klingflow.gateway.outcomes import Answer, Blind
from klingflow.gateway.query_replies import read_query
from klingflow.ledger import gathered, store
from klingflow.ledger.boxes import spots_in
from klingflow.ledger.moments import in_utc
from klingflow.ledger.problems import worded
from klingflow.model import Manifest, Purchase
from klingflow.results.versions import replaced
from klingflow.words import _, joined, many, word

_NO_TASK = "klingflow-doctor-asks-for-no-task"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined. `needed`: a run cannot do without it. `more` are lines below it."""

    ok: bool
    text: str
    needed: bool = True
    more: tuple[str, ...] = ()


def examine(
    file: str | None,
    found: Callable[[Path], Access],
    allowed: Callable[[Access], bool],
    *,
    refs: bool = False,
) -> list[Finding]:
    """Return everything worth knowing, in the order in which to mend it.

    `found` returns what the user has set, for a manifest in a folder, and may raise UsageError.
    `allowed` says whether the key may go to an address, after asking the user. `refs` asks for each
    remote address of the manifest, too.
    """
    folder = Path(file).parent if file else Path()
    findings = [
        Finding(
            True,
            _(
                "klingflow {version}, Python {split}",
                version=__version__,
                split=sys.version.split()[0],
            ),
        ),
        _media(),
        *_env_files(folder),
    ]
    named: str | None = None
    if file:
        manifest, about = _manifest(file)
        findings.append(about)
        if manifest is not None:
            named = manifest.gateway.base_url
            findings += _references(manifest) if refs else ()
            findings += [*_ledger(file), *_drafts(file, manifest)]
            findings += [*_folder(folder), *_kept_by_git(file, manifest)]
    findings += _approved()
    try:
        findings += _gateway(found(folder).naming({file or "": named}), allowed)
    except KlingflowError as error:
        findings.append(Finding(False, str(error)))
    return findings


def _approved() -> Iterator[Finding]:
    """Yield the addresses to which the key, or local files, may go although they came from
    elsewhere.
    """
    for address, said in approval.approved().items():
        text = _(
            "{address} may have the key, since your yes of {at}; klingflow doctor"
            " --forget {address} takes it back",
            address=address,
            at=said.at[:10],
        )
        yield Finding(True, text, needed=False)
    for address, said in approval.approved("endpoint").items():
        text = _(
            "{address} may have local files, since your yes of {at}; klingflow doctor"
            " --forget {address} takes it back",
            address=address,
            at=said.at[:10],
        )
        yield Finding(True, text, needed=False)


def _media() -> Finding:
    if find_spec("av") and find_spec("PIL"):
        said = _("the media extra is installed: videos are looked at, and can be cut")
        return Finding(True, said, needed=False)
    said = _("no media extra: no video is looked at or cut (pip install 'klingflow[media]')")
    return Finding(False, said, needed=False)


def _env_files(folder: Path) -> Iterator[Finding]:
    for path in exposed(folder):
        yield Finding(False, said_of_exposed(path), needed=False)


def _manifest(file: str) -> tuple[Manifest | None, Finding]:
    try:
        manifest = loading.load(file)
    except KlingflowError as error:
        said = _("{file} is not valid: klingflow validate {file} says why", file=file)
        return None, Finding(False, said, more=error.lines)
    shots, takes = len(manifest.ids), len(manifest.shots)
    several = (
        _(", {takes}", takes=many(takes, "{number} take", "{number} takes"))
        if takes != shots
        else ""
    )
    return manifest, Finding(
        True,
        _(
            "{file}: {shots}{several}",
            file=file,
            shots=many(shots, "{number} shot", "{number} shots"),
            several=several,
        ),
    )


def _references(manifest: Manifest) -> Iterator[Finding]:
    """Ask for each remote address as the gateway would."""
    from klingflow.api.references import check  # here: only who asks for it needs it

    found: dict[str, str | None] = {}
    failed = check(manifest, found.__setitem__)
    for address, why in found.items():
        if why is not None:
            yield Finding(
                False, _("the gateway cannot read {address}: {why}", address=address, why=why)
            )
    if found and not failed:
        yield Finding(
            True,
            _(
                "{addresses} of images and videos can be read",
                addresses=many(len(found), "{number} address", "{number} addresses"),
            ),
        )


def _drafts(file: str, manifest: Manifest) -> Iterator[Finding]:
    """Yield the ledgers of the film's drafts that are there."""
    try:
        site = site_for(manifest, Wish(black_box=False))
    except KlingflowError:  # which is said of the ledger itself
        return
    try:
        there = [*other_ledgers(site, manifest.profiles)]
    except KlingflowError as error:
        yield Finding(False, str(error))
        return
    for paths in there:
        yield from _ledger(file, paths.profile)


def _ledger(file: str, profile: str = "") -> Iterator[Finding]:
    try:
        site = site_of(file, Wish(black_box=False), profile=profile)
        paths, book = site.paths, store.read(site.paths)
    except KlingflowError as error:
        yield Finding(False, str(error))
        return
    bought, wrong = len(book.purchases), len(book.problems)
    said = _(
        "{lock}: {purchases}, {problems}",
        lock=paths.lock,
        purchases=many(bought, "{number} purchase", "{number} purchases"),
        problems=many(wrong, "{number} problem", "{number} problems"),
    )
    yield Finding(not book.problems, said)
    for problem in book.problems:
        yield Finding(False, worded(problem), needed=False)
    yield from _earlier(site.folder, replaced(book.purchases.values()))
    yield from () if profile else _frames(site.frames)
    yield from _copies(file, profile)


def _copies(file: str, profile: str) -> Iterator[Finding]:
    """Yield the places of this film that the black box knows."""
    try:
        paths = site_of(file, Wish(), profile=profile).paths
        place = paths.box
        lineages = gathered.lineages_of(paths) if place else frozenset()
        spots = [s for lineage in sorted(lineages) if place for s in spots_in(place.box(lineage))]
    except (KlingflowError, OSError) as error:
        yield Finding(False, str(error), needed=False)
        return
    for spot in spots if len(spots) > 1 else ():
        what = _("shares what it knows") if spot.member else _("apart: --same-film there joins it")
        where = _("{manifest} since {since}", manifest=spot.manifest, since=in_utc(spot.since))
        text = _("the black box knows this film at {where} ({what})", where=where, what=what)
        yield Finding(True, text, needed=False)


def _earlier(folder: Path, purchases: Iterable[Purchase]) -> Iterator[Finding]:
    """Yield the room that videos take which others replaced."""
    sizes: dict[Path, int] = {}
    for purchase in purchases:
        with suppress(OSError):
            path = folder / (purchase.output or "")
            sizes[path] = path.stat().st_size
    if sizes:
        where = joined(", ", sorted({str(path.parent) for path in sizes}))
        one = len(sizes) == 1
        takes = (
            _("one earlier video takes")
            if one
            else _("{sizes} earlier videos take", sizes=len(sizes))
        )
        needed = _("no shot needs {one} now", one=_("it") if one else _("them"))
        said = _(
            "{takes} {values:.1f} MB in {where}; {needed}",
            takes=takes,
            values=sum(sizes.values()) / 1e6,
            where=where,
            needed=needed,
        )
        yield Finding(True, said, needed=False)


def _frames(folder: Path) -> Iterator[Finding]:
    """Yield the room that frames take which were taken out of videos, for shots that begin with
    them.
    """
    sizes = [size for path in folder.glob("*/*.png") if (size := _size(path))]
    if sizes:
        taken = (
            _("one kept frame takes")
            if len(sizes) == 1
            else _("{sizes} kept frames take", sizes=len(sizes))
        )
        said = _(
            "{taken} {sizes:.1f} MB in {folder}; what is deleted is taken again",
            taken=taken,
            sizes=sum(sizes) / 1e6,
            folder=folder,
        )
        yield Finding(True, said, needed=False)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _folder(folder: Path) -> Iterator[Finding]:
    if not os.access(folder, os.W_OK):
        yield Finding(
            False,
            _("{folder} cannot be written: the ledger and the videos go there", folder=folder),
        )


def _kept_by_git(file: str, manifest: Manifest) -> Iterator[Finding]:
    """Yield what git keeps that it should not, and what it does not keep."""
    lock = f"{Path(file).stem}.lock"
    outputs = [shot.output for shot in manifest.shots[:1]]
    for said in ignored.said_of(Path(file).parent, lock, *outputs):
        yield Finding(False, said, needed=False)


def _gateway(access: Access, allowed: Callable[[Access], bool]) -> Iterator[Finding]:
    """Ask the gateway, if the key may go there. Raises UsageError."""
    aside = _("(not needed with --sandbox)")
    if access.key is None:
        yield Finding(
            False,
            _("no key: set {key} in the environment or in .env {aside}", key=KEY, aside=aside),
        )
    if access.base_url is None:
        yield Finding(
            False,
            _(
                "no gateway: set {base_url} or gateway.base_url {aside}",
                base_url=BASE_URL,
                aside=aside,
            ),
        )
    if access.key is None or access.base_url is None:
        return
    if said := taken_for(access.base_url):
        yield Finding(True, said, needed=False)
    if warning := in_clear_warning(access.base_url):
        yield Finding(False, warning, needed=False)
    if not allowed(access):
        raise approval.refusal(access)
    answer, looked = anyio.run(_ask, access.base_url, access.key)
    if looked is None:
        yield _verdict(access.origin, answer)
    else:
        yield _of_the_route(access.origin, answer, looked)


async def _ask(address: str, key: str) -> tuple[Answer, Answer | None]:
    """Return the answer about a task that does not exist; and where it leaves open whether the
    route exists, what that route says to a GET.
    """
    async with connect(address, key) as gateway:
        answer = await gateway.query(_NO_TASK)
        outcome = read_query(answer, task_id=_NO_TASK)
        is_open = leaves_open(answer) and not is_about_no_task(outcome, _NO_TASK)
        return answer, await gateway.look() if is_open else None


def _verdict(address: str, answer: Answer) -> Finding:
    """Content only with an answer about the very task: many servers answer at any address."""
    outcome = read_query(answer, task_id=_NO_TASK)
    if is_about_no_task(outcome, _NO_TASK):
        return Finding(True, _("{address} answers, and takes the key", address=address))
    if isinstance(outcome, Blind) and has_an_error(answer):
        failure = outcome.failure
        return Finding(
            False,
            _(
                "{address} refuses the key ({kind}): {message}",
                address=address,
                kind=word(failure.kind),
                message=failure.message,
            ),
        )
    said = _(
        "{address} does not answer as a gateway of videos: {seen}",
        address=address,
        seen=seen(answer),
    )
    return Finding(False, _("{said}; is it the right address?", said=said))


def _of_the_route(address: str, answer: Answer, looked: Answer) -> Finding:
    """Return what a 404 means that names neither task nor route, by what the route of creates
    answers to a GET.
    """
    if takes_a_post(looked):
        said = _(
            "{address} takes orders of videos; whether it takes the key only a create shows",
            address=address,
        )
        return Finding(True, said)
    said = _(
        "{address} does not say whether the task or the route is unknown: {seen}",
        address=address,
        seen=seen(answer),
    )
    return Finding(
        False, _("{said}; is it the right address? If so, a run works all the same", said=said)
    )
