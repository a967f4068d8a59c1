"""PURE. What the page of a film shows: its takes in the manifest's order, and sums of money by
scene, by tier and by day.

It adds to the record of a run what only a plan knows: what differs from the manifest, and which
images and videos a take was made from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from klingflow.decide.spending import spending
from klingflow.manifest.addresses import addresses
from klingflow.model import Action, Json, Manifest, Pending, Plan, Purchase, Request, key_of
from klingflow.results.account import shares
from klingflow.results.timeline import spoken
from klingflow.results.why import explain

# Fields of a take's record that a page does not show.
_LEFT_OUT = frozenset({"attempts", "sha256", "was"})


def gallery(
    record: Mapping[str, Json],
    plan: Plan,
    purchases: Sequence[Purchase],
    day: Callable[[str], str],
) -> dict[str, Json]:
    """Return the page's data as JSON.

    `record` is what `status` says of the film, `plan` what a run would do now, `purchases` are
    those of the ledger. `day` gives the reader's day of a time of the ledger.
    """
    actions = {action.key: action for action in plan.actions}
    takes = [_take(entry, actions) for entry in record["shots"]]
    gone = [{**_take(entry, actions), "gone": True} for entry in record["orphans"]]
    return {
        "name": record["name"],
        "manifest": record["manifest"],
        "generated_at": record["generated_at"],
        "gateway": record["gateway"],
        "takes": takes + gone,
        "by_tier": record["totals"]["by_tier"],
        "by_scene": _by_scene(plan.manifest, purchases),
        "by_day": _sums(plan.manifest, purchases, lambda p: day(p.times.get("intent", ""))),
        "money": record["money"],
        "problems": record["problems"],
    }


def _take(entry: Mapping[str, Json], actions: Mapping[str, Action]) -> dict[str, Json]:
    """Return the record of one take, without what a page does not show and with what a plan
    knows.
    """
    kept = {name: value for name, value in entry.items() if name not in _LEFT_OUT}
    last: Mapping[str, Json] = next(reversed(entry["attempts"]), {})
    key = key_of(entry["id"], entry["take"])
    action = actions.get(key)
    told = {**kept, "key": key, "uid": _shown(entry) or last.get("uid")}
    if lines := spoken(told.pop("dialogue", None)):  # scripts take it for a list
        told["dialogue"] = [*lines]
    if action is None:
        return told
    told |= {"verb": action.verb, "reason": action.reason}
    if action.shot is None or action.request is None:
        return told
    differs = explain(action.shot, action.request, action.purchase)
    return {
        **told,
        "references": _references(action.request),
        "changes": differs["changes"],
    }


def _shown(entry: Mapping[str, Json]) -> str | None:
    """Return the uid of the purchase whose video the record names."""
    named = [one["uid"] for one in entry["versions"] if one["file"] == entry.get("file")]
    return next(reversed(named), None)


def _references(request: Request) -> list[dict[str, Json]]:
    """Return each image and video of a body: the path of a local file, or an address."""
    found: list[dict[str, Json]] = []
    for path, value in addresses(request.body):
        kind = "video" if "video_url" in path else "image"
        if type(value) is dict and "file" in value:
            found.append({"kind": kind, "file": value["file"], "sha256": value.get("sha256")})
        elif isinstance(value, str) and not isinstance(value, Pending):
            found.append({"kind": kind, "address": value})
    return found


def _by_scene(manifest: Manifest, purchases: Iterable[Purchase]) -> list[dict[str, Json]]:
    """Return sums by scene, in the manifest's order. The last, "", is for shots without a scene and
    for shots that are gone.
    """
    scenes = {shot.id: str(shot.about.get("scene", "")) for shot in manifest.shots}
    order = [*filter(None, dict.fromkeys(scenes.values())), ""]
    sums = _sums(manifest, purchases, lambda purchase: scenes.get(purchase.shot, ""))
    return sorted(sums, key=lambda one: order.index(one["name"]))


def _sums(
    manifest: Manifest, purchases: Iterable[Purchase], heading: Callable[[Purchase], Hashable]
) -> list[dict[str, Json]]:
    """Return sums of purchases by heading, in the order in which headings first occur."""
    parts: defaultdict[Hashable, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        parts[heading(purchase)].append(purchase)
    return [
        {"name": name, "shares": shares(spending([part], manifest.prices))}
        for name, part in parts.items()
    ]
