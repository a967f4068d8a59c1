"""`klingflow lock fork` and `lock forget`: what they do, show and return."""

from __future__ import annotations

from klingflow.api import films, lineages, nearby
from klingflow.api.site import Wish, site_of
from klingflow.errors import ExitCode, UsageError
from klingflow.ledger.places import Site
from klingflow.terminal import console


def fork(file: str, profile: str = "") -> int:
    """`klingflow lock fork`."""
    site = _site(file, profile)
    films.check_profile(site)
    done = lineages.fork(site)
    purchases = console.many(done.purchases, "purchase")
    console.say(
        f"{site.paths.lock}: a film of its own from now on, with {purchases}."
        f" Its lineage is {done.lineage}."
    )
    for other in done.others:
        console.say(f"  What {other} buys is not known here any more, nor this there.")
    return ExitCode.OK


def forget(file: str, yes: bool, profile: str = "") -> int:
    """`klingflow lock forget`."""
    site = _site(file, profile)
    found, done = lineages.forget(site, lambda found: _agreed(found, yes))
    if not found.places:
        console.say(f"{site.paths.lock}: the black box holds nothing of this film.")
    elif done:
        console.say("Forgotten. The lock is as it was.")
    else:
        raise UsageError("nothing was forgotten: you said no")
    return ExitCode.OK


def _site(file: str, profile: str) -> Site:
    """Return the site, which must be there: a mistyped path must not create a ledger. Raises
    UsageError.
    """
    site = site_of(file, Wish(), profile=profile)
    if not (site.manifest.exists() or site.paths.lock.exists()):
        raise UsageError(f"{file}: {nearby.missing(file, also=', and no ledger of one')}")
    return site


def _agreed(found: lineages.Remembered, yes: bool) -> bool:
    for manifest, count in found.places:
        console.say(
            f"  forget   {console.many(count, 'purchase')} of {manifest or 'another place'}"
        )
    if found.lost:
        lost = console.many(found.lost, "purchase")
        console.say(
            f"{lost} that the lock does not hold will be known nowhere, and their"
            " shots bought again."
        )
    if yes:
        return True
    if not console.can_ask():
        raise UsageError("not a terminal: pass -y to forget these")
    return console.ask("Forget these?")
