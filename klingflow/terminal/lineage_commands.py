"""`klingflow lock fork` and `lock forget`: what they do, show and return."""

from __future__ import annotations

from klingflow.api import films, lineages, nearby
from klingflow.api.site import Wish, site_of
from klingflow.errors import ExitCode, UsageError
from klingflow.ledger.places import Site
from klingflow.terminal import console
from klingflow.words import _, many


def fork(file: str, profile: str = "") -> int:
    """`klingflow lock fork`."""
    site = _site(file, profile)
    films.check_profile(site)
    done = lineages.fork(site)
    purchases = many(done.purchases, "{number} purchase", "{number} purchases")
    console.say(
        _(
            "{lock}: a film of its own from now on, with {purchases}. Its lineage is {lineage}.",
            lock=site.paths.lock,
            purchases=purchases,
            lineage=done.lineage,
        )
    )
    for other in done.others:
        console.say(
            _("  What {other} buys is not known here any more, nor this there.", other=other)
        )
    return ExitCode.OK


def forget(file: str, yes: bool, profile: str = "") -> int:
    """`klingflow lock forget`."""
    site = _site(file, profile)
    found, done = lineages.forget(site, lambda found: _agreed(found, yes))
    if not found.places:
        console.say(_("{lock}: the black box holds nothing of this film.", lock=site.paths.lock))
    elif done:
        console.say(_("Forgotten. The lock is as it was."))
    else:
        raise UsageError(_("nothing was forgotten: you said no"))
    return ExitCode.OK


def _site(file: str, profile: str) -> Site:
    """Return the site, which must be there: a mistyped path must not create a ledger. Raises
    UsageError.
    """
    site = site_of(file, Wish(), profile=profile)
    if not (site.manifest.exists() or site.paths.lock.exists()):
        raise UsageError(
            _(
                "{file}: {missing}",
                file=file,
                missing=nearby.missing(file, also=_(", and no ledger of one")),
            )
        )
    return site


def _agreed(found: lineages.Remembered, yes: bool) -> bool:
    for manifest, count in found.places:
        console.say(
            _(
                "  forget   {purchases} of {manifest}",
                purchases=many(count, "{number} purchase", "{number} purchases"),
                manifest=manifest or _("another place"),
            )
        )
    if found.lost:
        lost = many(found.lost, "{number} purchase", "{number} purchases")
        console.say(
            _(
                "{lost} that the lock does not hold will be known nowhere, and their"
                " shots bought again.",
                lost=lost,
            )
        )
    if yes:
        return True
    if not console.can_ask():
        raise UsageError(_("not a terminal: pass -y to forget these"))
    return console.ask(_("Forget these?"))
