"""What `resolve` does: of one take by its task's id or a verdict, of many by a verdict, after
asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import anyio

from klingflow.api import resolving
from klingflow.decide.resolve import Verdict
from klingflow.errors import ExitCode, UnapprovedAddress, UsageError
from klingflow.gateway.access import Access
from klingflow.model import Manifest, Purchase
from klingflow.results.account import shares
from klingflow.terminal import console
from klingflow.terminal.manifests import load
from klingflow.terminal.money import worded
from klingflow.terminal.options import Options
from klingflow.terminal.target import access_for, target
from klingflow.words import _, joined, many, word


def resolve_many(file: str, options: Options, verdict: Verdict) -> int:
    """`klingflow resolve -s`."""
    manifest = load(file, options)
    access = access_for([manifest], options)
    said = resolving.resolve_many(
        manifest,
        options.wish,
        access.origin,
        verdict,
        lambda found: _agreed_to_settle(found, verdict, options),
    )
    for line in said:
        console.say(line)
    if not said:
        raise UsageError(_("nothing settled: you said no"))
    return ExitCode.OK


def _agreed_to_settle(found: resolving.Settling, verdict: Verdict, options: Options) -> bool:
    """Show what would be settled, and ask. Raises UsageError where nobody can be asked."""
    sums = joined(", ", worded(shares(found.spending)))
    if not options.quiet:
        rows = [
            [p.key, word(p.state.replace("_", " "), "purchase"), _at_most(p)]
            for p in found.purchases
        ]
        console.table(rows[:_SHOWN])
        if len(rows) > _SHOWN:
            console.say(_("  … and {more} more", more=len(rows) - _SHOWN))
        console.say(
            _(
                "{purchases}: {sums}.",
                purchases=many(len(rows), "{number} purchase", "{number} purchases"),
                sums=sums,
            )
        )
    if options.yes or options.sandbox:
        return True
    if not console.can_ask():
        raise UsageError(_("not a terminal: pass -y to settle these"))
    return console.ask(_VERDICTS[verdict])


_SHOWN = 20
_VERDICTS: Mapping[Verdict, str] = {
    "abandon": _("Let these go? They count as perhaps charged; only --rerun failed buys them."),
    "not_charged": _("Say that these were not charged? Only --rerun failed buys them."),
    "resubmit": _("Say that these were not bought? The next run buys them again."),
}


def _at_most(purchase: Purchase) -> str:
    price = purchase.price
    return (
        _("up to {amount:.2f} {currency}", amount=price.amount, currency=price.currency)
        if price
        else _("price unknown")
    )


def resolve(
    file: str, shot: str, options: Options, task: str | None, verdict: Verdict, force: bool
) -> int:
    """`klingflow resolve`. `task` is the id that was found; without one, `verdict` counts."""
    manifest = load(file, options)
    access = access_for([manifest], options)
    with ExitStack() as stack:
        ask = _asker(stack, manifest, options, access, force) if task is not None else None
        said = resolving.resolve(
            manifest,
            shot,
            options.wish,
            access.origin,
            task=task,
            verdict=verdict,
            ask=ask,
            force=force,
            tell=console.warn,
        )
    for line in said:
        console.say(line)
    return ExitCode.OK


def _asker(
    stack: ExitStack, manifest: Manifest, options: Options, access: Access, force: bool
) -> resolving.Ask | None:
    """Return what asks the gateway, or the sandbox, after a task; None where no key or no address
    is known.

    Raises UnapprovedAddress where the key may not go there, except where `force` does without.
    """
    try:
        base_url, key = target(stack, [manifest], options, access)
    except UsageError as error:
        if isinstance(error, UnapprovedAddress) and not force:
            raise
        return None
    return lambda purchase: anyio.run(resolving.asked, base_url, key, purchase)
