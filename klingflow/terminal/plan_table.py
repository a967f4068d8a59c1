"""The table of a plan: one line for each take, in the width that the terminal has. A reason that
does not fit, or that many takes share, stands once below the table.

Which actions are listed, and the sums, are in plan_views.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from klingflow.decide import elsewhere as others
from klingflow.decide.verbs import LEFT_OUT, VERBS
from klingflow.model import Action, Elsewhere, LeftOut, Price
from klingflow.terminal import paint
from klingflow.terminal.layout import can_show, pad, shortened, showable, width, wrapped
from klingflow.terminal.paint import Painted, Part
from klingflow.words import _, joined

_START = "  "
_GAP = "  "
_SHORT = 30  # columns of a reason that stands beside its take, however many takes share it
_MANY = 3  # takes that share a longer one
_LEAST_TIER = 12  # columns; where there are fewer, the tier is left out
_LEAST_KEY = 8
# Said by the mark: left out where it does not fit.
_OBVIOUS = _("never bought")

# What takes have in common: the mark, and where else they were paid for, or the reason.
_Group = tuple[str, Elsewhere | str]


@dataclass(frozen=True, slots=True)
class Row:
    """One take: what the table says of it. Rows of one `group` have the same reason."""

    mark: Painted
    key: str
    tier: str
    seconds: str
    price: str
    reason: str
    group: _Group


def mark_of(action: Action, *, is_left_out: bool) -> Painted:
    """Return the mark of an action, one column wide in every encoding."""
    if is_left_out:
        return Painted(LEFT_OUT, paint.OF_LABEL["left out"])
    verb = VERBS[action.verb]
    return Painted(verb.mark if can_show(verb.mark) else verb.plain, paint.OF_LABEL[verb.label])


def row_of(action: Action, left_out: LeftOut | None, said: str = "") -> Row:
    """Return what the table says of one action. `said` is what people say of its take."""
    mark = mark_of(action, is_left_out=left_out is not None)
    tier, seconds, price = _about(action)
    reason = _("left out, {reason}", reason=left_out.reason) if left_out else action.reason
    reason += _("; {said}", said=said) if said else ""
    held_by = action.elsewhere if action.verb == "held" else None
    return Row(
        mark=mark,
        key=showable(action.key),
        tier=showable(tier),
        seconds=seconds,
        price=showable(price),
        reason=showable(reason),
        group=(mark.text, held_by or reason),
    )


def _about(action: Action) -> tuple[str, str, str]:
    """Tier, seconds and price of what is bought; the billed tier of what was bought."""
    wanted = action.request
    if VERBS[action.verb].may_buy and wanted:
        return wanted.predicted_tier, f"{wanted.seconds} s", _price(wanted.price)
    billed = action.purchase.billed_tier if action.purchase else None
    return billed or "", "", ""


def _price(price: Price | None) -> str:
    return f"{price.amount:.2f} {price.currency}" if price else _("price unknown")


def lines(rows: Sequence[Row], room: float) -> Iterator[Sequence[Part]]:
    """Yield the lines of the table in `room` columns, then those of the reasons below it."""
    widths = _fitted(rows, room)
    taken = width(_START) + 1 + sum(width(_GAP) + columns for columns in widths.values() if columns)
    left = room - taken - width(_GAP)
    sharing = Counter(row.group for row in rows)
    below: dict[_Group, list[Row]] = {}
    for row in rows:
        is_beside = width(row.reason) <= _room_beside(sharing[row.group], left)
        if not is_beside and row.reason != showable(_OBVIOUS):
            below.setdefault(row.group, []).append(row)
        yield _line(row, widths, row.reason if is_beside else "")
    for group in below.values():
        yield from _below(group, room)


def _room_beside(takes: int, left: float) -> float:
    """Return the columns of a reason that may stand beside its take, if so many share it."""
    return left if takes < _MANY else min(left, _SHORT)


def _fitted(rows: Sequence[Row], room: float) -> dict[str, int]:
    """Return the columns of each part of a row. Long keys and tiers give way, numbers never."""
    widths = {name: _widest(rows, name) for name in ("key", "tier", "seconds", "price")}
    numbers = widths["seconds"] + widths["price"]
    left = room - width(_START) - 1 - 4 * width(_GAP) - numbers
    key, tier = widths["key"], widths["tier"]
    if key + tier <= left:
        return widths
    half = int(left) // 2
    widths["key"] = min(key, max(half, int(left) - tier))
    widths["tier"] = int(left) - widths["key"]
    if widths["tier"] < min(tier, _LEAST_TIER):
        widths["tier"] = 0
        widths["key"] = min(key, max(int(left) + width(_GAP), _LEAST_KEY))
    return widths


def _widest(rows: Sequence[Row], name: str) -> int:
    return max((width(getattr(row, name)) for row in rows), default=0)


def _line(row: Row, widths: Mapping[str, int], reason: str) -> list[Part]:
    cells = [
        pad(shortened(row.key, widths["key"]), widths["key"]),
        pad(shortened(row.tier, widths["tier"]), widths["tier"]) if widths["tier"] else "",
        pad(row.seconds, widths["seconds"], right=True),
        pad(row.price, widths["price"], right=True),
        reason,
    ]
    rest = "".join(_GAP + cell for cell in cells if cell)
    return [_START, row.mark, rest.rstrip()]


def _below(group: Sequence[Row], room: float) -> Iterator[Sequence[Part]]:
    """Yield the reason of one or several takes, in lines of its own."""
    _unused, held_by = group[0].group
    keys = [row.key for row in group]
    reason = group[0].reason
    if isinstance(held_by, Elsewhere):
        reason = others.reason(held_by, *keys)
    head, hang = _("{keys}: ", keys=named(keys)), _START + 3 * " "
    first, *more = wrapped(head + reason, room - width(hang))
    yield [_START, group[0].mark, _GAP + first]
    yield from ([hang + line] for line in more)


def named(keys: Sequence[str]) -> str:
    """Return `a, b and 3 more`."""
    more = len(keys) - others.NAMED
    return joined(", ", keys[: others.NAMED]) + (
        _(" and {more} more", more=more) if more > 0 else ""
    )
