"""What `status` prints: a line for each take and what came of it, the sums, and the money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from klingflow.decide.select import NEW, called
from klingflow.model import Failure, key_of
from klingflow.results.account import together
from klingflow.results.arrived import in_words
from klingflow.terminal import console, doubt_views, pick_views, plan_table
from klingflow.terminal.clock import local
from klingflow.terminal.money import show_money, show_prices, summed, worded
from klingflow.terminal.paint import OF_STATE, Painted, Part
from klingflow.words import _, joined, many, word

_NEW_LISTED = 10  # takes that were never bought, without -v


def show_status(record: Mapping[str, Any], named: str, *, verbose: bool = False) -> None:
    """Print a run manifest as a table. Many takes that were never bought are one line; `verbose`
    lists them, all videos of each take, and a card for each doubt. `named` is the manifest, as a
    shell reads it.
    """
    console.say(_("{name} ({manifest})", name=record["name"], manifest=record["manifest"]))
    _show_takes(record, verbose=verbose)
    _show_totals(record["totals"], map(_state, record["shots"]))
    show_prices(record["money"])
    show_money(record["money"])
    for line in record["ways_out"]:
        console.prose(line)
    if verbose:
        doubt_views.show_cards(record["doubts"], named)
    else:
        doubt_views.show_way_out(len(record["doubts"]), named)


def _show_takes(record: Mapping[str, Any], *, verbose: bool) -> None:
    """Print a line for each take; many of which nothing is to be said are one line."""
    doubts = {doubt["key"]: doubt for doubt in record["doubts"]}
    rows: list[list[Part]] = []
    new: list[str] = []  # takes of which nothing is to be said
    entries = (*record["shots"], *record["orphans"])
    is_long = sum(shot["state"] == NEW for shot in entries) > _NEW_LISTED and not verbose
    for shot in entries:
        key = key_of(shot["id"], shot["take"])
        came = _came_of(shot, doubts.get(key))
        if is_long and shot["state"] == NEW and not came:
            new.append(key)
        else:
            rows.append([Painted(_state(shot), OF_STATE.get(shot["state"])), key, came])
            rows += _versions(shot) if verbose else ()
    console.table(rows)
    if new:
        console.prose(_("new: {named} (-v lists all)", named=plan_table.named(new)), "  ")


def _versions(shot: Mapping[str, Any]) -> Iterator[list[Part]]:
    """Yield the rows of all videos of a take."""
    for one in shot.get("versions", ()):
        yield ["", "", _version(one, shot)]


def _version(version: Mapping[str, Any], shot: Mapping[str, Any]) -> str:
    """Return the line of one video of a take; the file of the one that serves it stands in the
    take's own line.
    """
    here = "" if version["present"] else _(", not here")
    file = "" if version["file"] == shot.get("file") else f"{version['file']}"
    where = joined(", ", filter(None, (file, version["task_id"])))
    return _("attempt {attempt}: {where}{here}", attempt=version["attempt"], where=where, here=here)


def _came_of(shot: Mapping[str, Any], doubt: Mapping[str, Any] | None) -> str:
    """Return the file, or otherwise the task and what is wrong with it. Three columns fit a narrow
    terminal; the JSON holds all.
    """
    told = [_file(shot) or _unfinished(shot, doubt)]
    if "kind" not in shot:
        told.insert(0, _("no longer in the manifest"))
    if was := shot.get("was"):
        told.append(_("was {key}", key=key_of(was["shot"], was["take"])))
    others = len(shot.get("versions", ())) - ("file" in shot)
    if others > 0:
        told.append(many(others, "{number} earlier video", "{number} earlier videos"))
    told += map(in_words, shot.get("media", {}).get("remarks", ()))
    if "pick" in shot:
        note, earlier = shot.get("pick_note", ""), shot.get("pick_of_an_earlier_version", "open")
        told.append(pick_views.said(shot["pick"], note, earlier))
    return joined("; ", filter(None, told))


def _file(shot: Mapping[str, Any]) -> str:
    """Return the file of a take's video, with a word where the disk has it not; "" where there is
    none.
    """
    file = str(shot.get("file") or "")
    absent = {v["file"] for v in shot.get("versions", ()) if not v["present"]}
    return _("{file}, not here", file=file) if file in absent else file


def _unfinished(shot: Mapping[str, Any], doubt: Mapping[str, Any] | None) -> str:
    error = (shot.get("error") or {}).get("message")
    wrong = doubt_views.line_of(doubt) if doubt else error
    answer = shot.get("last_answer")
    asked = (
        _("asked last at {at}: {said}", at=local(answer["at"]), said=answer["said"])
        if answer
        else None
    )
    return joined("; ", filter(None, (shot.get("task_id"), wrong, asked)))


def _state(shot: Mapping[str, Any]) -> str:
    """Return the name of a take's state."""
    if any(map(_is_at_cluster, shot.get("attempts", ()))):
        return _("at the cluster")
    error = shot.get("error")
    failure = error and Failure(error.get("kind", "unknown"), error.get("code", ""), "")
    return word(called(shot["state"], failure).replace("_", " "), "purchase")


def _is_at_cluster(attempt: Mapping[str, Any]) -> bool:
    """True if hosts of a cluster may buy it, or are buying it."""
    return attempt["state"] == "intent" and "cluster" in (attempt.get("evidence") or {})


def _show_totals(totals: Mapping[str, Any], states: Iterable[str]) -> None:
    counted = joined(
        ", ",
        (
            _("{number} {noun}", number=n, noun=state)
            for state, n in sorted(Counter(states).items())
        ),
    )
    console.say(
        _(
            "{takes}: {counted}.",
            takes=many(totals["shots"], "{number} take", "{number} takes"),
            counted=counted or _("nothing bought yet"),
        )
    )
    for tier, sums in totals["by_tier"].items():
        tasks = many(sums["tasks"], "{number} task", "{number} tasks")
        failed = _(", {failed} failed", failed=sums["failed"]) if "failed" in sums else ""
        console.say(
            _(
                "  {tier}: {tasks}, {seconds} s, {sums}{failed}",
                tier=tier,
                tasks=tasks,
                seconds=sums["seconds"],
                sums=summed(sums),
                failed=failed,
            )
        )


def show_all_told(several: Sequence[Mapping[str, Any]]) -> None:
    """Print the money of several films as one sum, each as klingflow.results.account has it;
    nothing where none was spent.
    """
    if told := joined(", ", worded(together(several))):
        console.prose(_("All told: {told}.", told=told))
