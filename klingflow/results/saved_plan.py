"""PURE. A saved plan: what `plan -o` writes and `run --plan` executes once, and what has changed
since it was made.

Nothing is bought by what stands in it: a run makes its own plan of today's manifest and ledger, and
goes on only where both are the same. When a plan was used is the ledger's to know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, get_args

from klingflow.decide.verbs import VERBS
from klingflow.errors import UsageError
from klingflow.manifest.accepts import accepts
from klingflow.manifest.shapes import one_of, record
from klingflow.model import Bound, CapName, Json, PickWord, Plan, Verb
from klingflow.results.plan_data import plan_data
from klingflow.words import _

VERSION: Final = 1

_TEXT: Final = {"type": "string"}
_OPTIONAL: Final = {"type": ["string", "null"]}
_WHOLE: Final = {"type": ["integer", "null"], "minimum": 0}
_FLAG: Final = {"type": "boolean"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_PRICE: Final = {
    "type": ["object", "null"],
    "properties": {"amount": {**_TEXT, "pattern": r"^[0-9]{1,20}([.][0-9]{1,20})?$"}},
    "required": ["amount", "currency"],
    "additionalProperties": _TEXT,
}
_LEFT_OUT: Final = {
    "type": ["object", "null"],
    "properties": {"cap": one_of(*get_args(CapName)), "reason": _TEXT},
    "required": ["cap", "reason"],
}


def _about(schema: Mapping[str, Any], description: str) -> Json:
    return {**schema, "description": description}


_ACTION: Final = record(
    {
        "mark": _about(_TEXT, "As in the table of the plan."),
        "action": _about(one_of(*get_args(Verb)), "What a run does about the take."),
        "key": _about(_TEXT, "The take: alley, alley#2."),
        "id": _about(_OPTIONAL, "Its shot."),
        "take": _WHOLE,
        "reason": _TEXT,
        "left_out": _about(_LEFT_OUT, "Why a cap or the budget keeps it from being bought."),
        "pick": _about(one_of(*get_args(PickWord)), "What the picks file says of the take."),
        "pick_note": _OPTIONAL,
        "predicted_tier": _OPTIONAL,
        "seconds": _WHOLE,
        "price": _about(_PRICE, "What it is expected to cost."),
        "fingerprint": _about(_OPTIONAL, "sha256 of what its body means; null until it is final."),
        "draft": _about(
            _OPTIONAL, "The same of a body that waits for others, as it stands; null once final."
        ),
        "task_id": _OPTIONAL,
    },
    required=("action", "key", "fingerprint", "price"),
    title="An action",
)
_FORECAST: Final = {
    "type": ["object", "null"],
    "properties": {
        "low_s": {"type": "number"},
        "middle_s": {"type": "number"},
        "high_s": {"type": "number"},
        "bound": one_of(*get_args(Bound)),
    },
    "required": ["low_s", "middle_s", "high_s", "bound"],
}
_PLAN: Final = {
    "type": "object",
    "properties": {
        "manifest": _TEXT,
        "name": _TEXT,
        "ledger": _about(_TEXT, "sha256 of the ledger's content that the plan was made by."),
        "actions": {"type": "array", "items": _ACTION},
        "moves": {"type": "array", "items": {"type": "object"}},
        "files": {"type": "array", "items": {"type": "object"}},
        "forecast": _about(
            _FORECAST,
            "How long the run takes: in four cases of five between low_s and high_s, and what it"
            " waits for. null where too little is known.",
        ),
    },
    "required": ["name", "ledger", "actions", "moves", "files"],
    "description": "As `klingflow plan --format json` prints it.",
}
_FILM: Final = record(
    {
        "file": _about(_TEXT, "The manifest, relative to the folder of the saved plan."),
        "plan": _PLAN,
    },
    required=("file", "plan"),
    title="A manifest and its plan",
)
_CAPS: Final = {
    "max_spend": {"type": ["string", "null"], "pattern": r"^[0-9]{1,15}([.][0-9]{1,15})?$"},
    "max_tasks": _WHOLE,
    "max_seconds": _WHOLE,
}
SCHEMA: Final = record(
    {
        "klingflow_plan": {"enum": [VERSION]},
        "id": _about(
            {**_TEXT, "pattern": "^[0-9a-f]{16}$"}, "Its own; the ledger notes it when it is used."
        ),
        "made_at": _about(_TEXT, "UTC, ISO 8601."),
        "gateway": _about(_TEXT, "The gateway's address that the plan was made for."),
        "sandbox": _about(_FLAG, "True for the sandbox's ledger."),
        "select": _about(_TEXTS, "As after -s."),
        "exclude": _about(_TEXTS, "As after --exclude."),
        "rerun": {"type": "array", "items": one_of("changed", "failed", "rejected")},
        "buy_again": _FLAG,
        "profile": _about(_TEXT, "As after --profile; empty for the film itself."),
        "approved": _about(_TEXT, "As after --approved; empty for all shots."),
        "caps": _about(
            record(_CAPS, required=tuple(_CAPS), title="Caps"), "The caps of the command line."
        ),
        "films": {"type": "array", "items": _FILM, "minItems": 1},
    },
    required=(
        *("klingflow_plan", "id", "made_at", "gateway", "sandbox", "select", "exclude", "rerun"),
        *("buy_again", "profile", "approved", "caps", "films"),
    ),
    title="A saved plan",
)


@dataclass(frozen=True, slots=True)
class Words:
    """What the user said when a plan was made, by the names of the options."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    buy_again: bool = False
    sandbox: bool = False
    profile: str = ""
    approved: str = ""
    max_spend: str | None = None
    max_tasks: int | None = None
    max_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A saved plan as it was read. `films` are the plans as data, by their manifests' paths
    relative to the folder of the saved plan.
    """

    id: str
    made_at: str
    gateway: str
    words: Words
    films: Mapping[str, Json]


def as_bytes(
    plans: Mapping[str, Plan], words: Words, *, id: str, made_at: str, gateway: str
) -> bytes:
    """Return a saved plan as a file. `plans` are by their manifests' paths relative to the file's
    folder; `gateway` is the address that the run will have.
    """
    document = {
        "klingflow_plan": VERSION,
        "id": id,
        "made_at": made_at,
        "gateway": gateway,
        "sandbox": words.sandbox,
        "select": list(words.select),
        "exclude": list(words.exclude),
        "rerun": sorted(set(words.rerun)),
        "buy_again": words.buy_again,
        "profile": words.profile,
        "approved": words.approved,
        "caps": {name: getattr(words, name) for name in _CAPS},
        "films": [{"file": file, "plan": plan_data(plan)} for file, plan in plans.items()],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def read(data: bytes, name: str) -> SavedPlan:
    """Return the saved plan in a file's bytes. Raises UsageError, which names the file `name`."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(_("{name} is no saved plan: it is not JSON", name=name)) from error
    if not isinstance(document, dict) or "klingflow_plan" not in document:
        raise UsageError(
            _("{name} is no saved plan; `klingflow plan FILE -o {name}` makes one", name=name)
        )
    if document["klingflow_plan"] != VERSION:
        raise UsageError(
            _("{name} was saved by another version of klingflow: make the plan again", name=name)
        )
    if not accepts(SCHEMA, document):
        raise UsageError(
            _("{name} is no saved plan that klingflow wrote: make the plan again", name=name)
        )
    words = Words(
        select=tuple(document["select"]),
        exclude=tuple(document["exclude"]),
        rerun=tuple(document["rerun"]),
        buy_again=document["buy_again"],
        sandbox=document["sandbox"],
        profile=document["profile"],
        approved=document["approved"],
        **document["caps"],
    )
    films = {film["file"]: film["plan"] for film in document["films"]}
    return SavedPlan(document["id"], document["made_at"], document["gateway"], words, films)


# ---------------------------------------------------------------- what has changed


def changes(saved: SavedPlan, plans: Sequence[Plan], gateway: str) -> list[str]:
    """Return what keeps a saved plan from being today's plans, in words; nothing if they are the
    same. `gateway` is the address of today's run.
    """
    if len(plans) != len(saved.films):
        return [
            _(
                "manifests in the plan: {films}, in this run: {plans}",
                films=len(saved.films),
                plans=len(plans),
            )
        ]
    found = []
    if saved.gateway != gateway:
        found.append(
            _(
                "the gateway is {gateway}; it was {saved_gateway}",
                gateway=gateway,
                saved_gateway=saved.gateway,
            )
        )
    for then, plan in zip(saved.films.values(), plans, strict=True):
        found += _of_a_film(then, plan_data(plan))
    return found


def _of_a_film(then: Json, now: Json) -> Iterator[str]:
    if then["name"] != now["name"]:
        yield _("the film is {name}; it was {then_name}", name=now["name"], then_name=then["name"])
    actions = [*_of_actions(then["actions"], now["actions"])]
    yield from actions
    if then["moves"] != now["moves"]:
        yield _("{name}: other purchases move", name=now["name"])
    if then["files"] != now["files"]:
        yield _("{name}: other files are renamed", name=now["name"])
    if then["ledger"] != now["ledger"]:
        yield _("{name}: the ledger has changed since", name=now["name"])


def _of_actions(then: Sequence[Json], now: Sequence[Json]) -> Iterator[str]:
    before = {action["key"]: action for action in then}
    after = {action["key"]: action for action in now}
    yield from (_("{key} is new in the plan", key=key) for key in after if key not in before)
    yield from (_("{key} is no longer in the plan", key=key) for key in before if key not in after)
    for key, action in after.items():
        if key in before and (said := _of_an_action(before[key], action)):
            yield _("{key}: {said}", key=key, said=said)


def _of_an_action(then: Json, now: Json) -> str | None:
    """Return the first difference that explains the others; None if there is none.

    What a take would cost matters only where it may be bought.
    """
    compared = _COMPARED | _OF_A_PURCHASE if VERBS[now["action"]].may_buy else _COMPARED
    for name, words in compared.items():
        if then.get(name) != now[name]:
            return words(then.get(name), now[name])
    return None


def _price(price: Json) -> str:
    return f"{Decimal(price['amount']):.2f} {price['currency']}" if price else _("unknown")


def _cap(left_out: Json) -> str:
    return _("left out ({cap})", cap=left_out["cap"]) if left_out else _("not left out")


# What two actions of one take must agree in; what explains most comes first.
_COMPARED: Final[dict[str, Callable[[Json, Json], str]]] = {
    "fingerprint": lambda then, now: _("its body has changed"),
    "draft": lambda then, now: _("its body has changed"),
    "action": lambda then, now: _("{now} now; it was {then}", now=now, then=then),
    "task_id": lambda then, now: _("its task is {now}; it was {then}", now=now, then=then),
    "left_out": lambda then, now: _(
        "{cap} now; it was {cap_then}", cap=_cap(now), cap_then=_cap(then)
    ),
}
_OF_A_PURCHASE: Final[dict[str, Callable[[Json, Json], str]]] = {
    "price": lambda then, now: _(
        "its price is {price}; it was {price_then}", price=_price(now), price_then=_price(then)
    ),
    "predicted_tier": lambda then, now: _(
        "its predicted tier is {now}; it was {then}", now=now, then=then
    ),
    "seconds": lambda then, now: _("it has {now} s; it had {then} s", now=now, then=then),
}
