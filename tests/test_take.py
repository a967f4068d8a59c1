"""One take: what was bought is kept, what is in doubt is held, and only the rest is bought."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.plan import make_plan
from klingflow.decide.take import (
    AT_CLUSTER,
    CALLS_FOR,
    LOST,
)
from klingflow.ledger.book import Book, superseded
from klingflow.ledger.handed_over import handed_over
from klingflow.ledger.lifecycle import IN_DOUBT, STATES, advance
from klingflow.model import (
    Action,
    Event,
    Failure,
    FileFact,
    Json,
    Purchase,
    Verb,
)
from klingflow.words import filled
from tests.planned import (
    OTHER,
    THERE,
    failed,
    manifest,
    moved,
    pending,
    plan,
    request,
    shot,
    verbs,
)
from tests.purchases import AT, ORIGIN, done, intent, submitted, succeeded

GONE: dict[str, FileFact] = {}

ASKED: dict[str, Json] = {"last_answer": {"at": "2026-01-01T08:00:00.000Z", "said": "processing"}}
WRONG = {"outputs/film/a.mp4": FileFact(10, "bb")}

CASES: list[tuple[str, list[Purchase], dict[str, FileFact], str, str]] = [
    ("nothing", [], THERE, "", "create"),
    ("rejected", [moved(intent("a"), "refused")], GONE, "", "create"),
    ("not sent", [moved(intent("a"), "unsent")], GONE, "", "create"),
    ("intent", [intent("a")], GONE, "failed changed", "in_doubt"),
    ("in doubt", [moved(intent("a"), "doubted")], GONE, "failed changed", "in_doubt"),
    (
        "in doubt, other body",
        [moved(intent("a", fingerprint=OTHER), "doubted")],
        GONE,
        "changed",
        "in_doubt",
    ),
    (
        "in doubt beside done",
        [done("a"), moved(intent("a", attempt=2), "doubted")],
        THERE,
        "",
        "in_doubt",
    ),
    ("submitted", [submitted("a")], GONE, "failed changed", "resume"),
    ("submitted, other body", [submitted("a", fingerprint=OTHER)], GONE, "changed", "resume"),
    ("parked", [moved(submitted("a"), "parked")], GONE, "failed", "resume"),
    ("succeeded", [succeeded("a")], GONE, "failed changed", "download"),
    ("done", [done("a")], THERE, "failed changed", "keep"),
    ("done, no file", [done("a")], GONE, "failed changed", "download"),
    ("done, wrong file", [done("a")], WRONG, "failed changed", "download"),
    ("done, other body", [done("a", fingerprint=OTHER)], THERE, "", "changed"),
    ("done, other body, failed", [done("a", fingerprint=OTHER)], THERE, "failed", "changed"),
    ("done, other body, rerun", [done("a", fingerprint=OTHER)], THERE, "changed", "create"),
    ("done, other body, no file", [done("a", fingerprint=OTHER)], GONE, "", "download"),
    ("done, other body, no file, rerun", [done("a", fingerprint=OTHER)], GONE, "changed", "create"),
    ("failed", [failed()], GONE, "changed", "failed"),
    ("failed, rerun", [failed()], GONE, "failed", "create"),
    ("failed, other body", [failed(fingerprint=OTHER)], GONE, "", "create"),
    (
        "abandoned, other body",
        [moved(intent("a", fingerprint=OTHER), "doubted", "abandoned")],
        GONE,
        "",
        "create",
    ),
    (
        "failed, another failed since",
        [failed(), failed(attempt=2, fingerprint=OTHER)],
        GONE,
        "",
        "failed",
    ),
    (
        "failed, another bought since",
        [failed(), done("a", attempt=2, fingerprint=OTHER)],
        THERE,
        "",
        "changed",
    ),
    ("failed, other body, rerun", [failed(fingerprint=OTHER)], GONE, "changed", "create"),
    (
        "failed, then refused",
        [failed(), moved(intent("a", attempt=2), "refused")],
        GONE,
        "",
        "failed",
    ),
    ("abandoned", [moved(intent("a"), "doubted", "abandoned")], GONE, "", "failed"),
    ("abandoned, rerun", [moved(intent("a"), "doubted", "abandoned")], GONE, "failed", "create"),
    ("resubmitted", [moved(intent("a"), "doubted", "resubmitted")], GONE, "", "create"),
    (
        "found after all",
        [moved(intent("a"), "doubted", "resubmitted", "found", task_id="t")],
        GONE,
        "",
        "resume",
    ),
    ("parked, resubmitted", [moved(submitted("a"), "parked", "resubmitted")], GONE, "", "create"),
    (
        "permission used up",
        [moved(intent("a"), "doubted", "resubmitted"), submitted("a", attempt=2)],
        GONE,
        "",
        "resume",
    ),
    ("undelivered", [moved(done("a"), "undelivered")], GONE, "", "download"),
    ("undelivered, rerun", [moved(succeeded("a"), "undelivered")], GONE, "failed", "create"),
    ("an older one serves", [done("a"), failed(attempt=2)], THERE, "failed", "keep"),
    (
        "an older body again",
        [done("a"), done("a", attempt=2, fingerprint=OTHER)],
        THERE,
        "changed",
        "keep",
    ),
    (
        "damaged line",
        [replace(intent("a"), state="in_doubt", fingerprint="", origin="")],
        GONE,
        "failed",
        "in_doubt",
    ),
]


@pytest.mark.parametrize(
    ("bought", "files", "rerun", "verb"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_what_a_take_calls_for(
    bought: list[Purchase], files: dict[str, FileFact], rerun: str, verb: str
) -> None:
    made = plan(bought, rerun=rerun, files=files)
    assert verbs(made) == [verb]
    assert made.actions[0].reason


@pytest.mark.parametrize("purchase", [submitted("a"), succeeded("a"), done("a")])
def test_what_another_gateway_has_is_held(purchase: Purchase) -> None:
    assert verbs(plan([purchase], origin="https://elsewhere.example.com", files=GONE)) == ["held"]
    assert verbs(plan([purchase], origin="", files=GONE)) != ["held"]


@pytest.mark.parametrize(
    ("origin", "verb"), [(ORIGIN, "download"), ("https://elsewhere.example.com", "create")]
)
def test_what_was_given_up_elsewhere_comes_where_it_is(origin: str, verb: str) -> None:
    assert verbs(plan([moved(succeeded("a"), "resubmitted")], origin=origin, files=GONE)) == [verb]


@pytest.mark.parametrize(
    ("next_one", "verb"),
    [(failed(attempt=2), "failed"), (moved(intent("a", attempt=2), "doubted"), "in_doubt")],
    ids=["failed", "in doubt"],
)
@pytest.mark.parametrize(
    "given_up", [succeeded("a"), done("a"), moved(succeeded("a"), "undelivered")]
)
def test_a_permission_is_used_up_by_the_next_purchase(
    given_up: Purchase, next_one: Purchase, verb: str
) -> None:
    """Whatever became of it; only a refusal, which bought nothing, leaves it."""
    book = [moved(given_up, "resubmitted")]
    refused = moved(intent("a", attempt=2), "refused")
    elsewhere = "https://elsewhere.example.com"
    assert verbs(plan([*book, refused], origin=elsewhere, files=GONE)) == ["create"]
    assert verbs(plan([*book, next_one], origin=elsewhere, files=GONE)) == [verb]


def test_of_two_refusals_the_one_entered_later_explains_though_the_clock_went_back() -> None:
    old, new = (moved(intent("a", uid=uid), "refused") for uid in ("2026-b", "2026-a"))
    assert superseded([old, new]) == {old.uid}
    assert Book([old, new]).latest("a", 1) == new
    assert superseded([submitted("a"), old]) == {old.uid}


def test_a_file_that_is_here_is_kept_whichever_gateway_made_it() -> None:
    assert verbs(plan([done("a")], origin="https://elsewhere.example.com")) == ["keep"]


def test_a_purchase_that_knows_no_file_gets_the_manifests() -> None:
    """One known from a damaged line only, whose task was found."""
    made = plan([replace(submitted("a"), output=None)])
    assert made.actions[0].purchase and made.actions[0].purchase.output == "outputs/film/a.mp4"


def test_a_dependant_that_is_bought_is_kept_while_its_source_is_unknown() -> None:
    bought = replace(done("b", fingerprint=OTHER), output="outputs/film/a.mp4")
    assert verbs(plan([bought], shot("a"), pending("b", "a"))) == ["create", "keep"]
    assert verbs(plan([bought], shot("a"), pending("b", "a"), rerun="changed")) == [
        "create",
        "waits",
    ]
    running = submitted("b", fingerprint=OTHER)
    assert verbs(plan([running], shot("a"), pending("b", "a"), rerun="changed")) == [
        "create",
        "resume",
    ]


@pytest.mark.parametrize(
    ("event", "error", "reason"),
    [
        (
            "unsent",
            Failure("not_sent", "not_sent", "no connection (refused)"),
            "not sent: no connection (refused)",
        ),
        ("unsent", None, "not sent"),
        ("refused", Failure("limited", "429", "too many"), "refused: too many"),
    ],
)
def test_a_try_that_never_left_was_not_refused(
    event: Event, error: Failure | None, reason: str
) -> None:
    (action,) = plan([advance(intent("a"), event, AT, error=error)]).actions
    assert (action.verb, action.reason) == ("create", f"never bought; the last try was {reason}")


REASONS: list[tuple[list[Purchase], dict[str, FileFact], str, Verb, str]] = [
    ([], GONE, "", "create", "never bought"),
    (
        [moved(intent("a"), "doubted", error=Failure("unknown", "in_doubt", "no answer in time"))],
        GONE,
        "",
        "in_doubt",
        "perhaps bought: no answer in time; held until `klingflow resolve` settles it",
    ),
    (
        [replace(intent("a"), times={})],
        GONE,
        "",
        "in_doubt",
        "perhaps bought; held until `klingflow resolve` settles it",
    ),
    ([done("a")], THERE, "", "keep", "bought, and its file is here"),
    (
        [done("a", fingerprint=OTHER)],
        THERE,
        "",
        "changed",
        "changed since it was bought, and kept; --rerun changed buys it again",
    ),
    (
        [advance(succeeded("a"), "undelivered", AT, error=Failure("unknown", "x", "HTTP 404"))],
        GONE,
        "",
        "download",
        "task_a is finished, its file is missing or damaged; the last download failed: HTTP 404",
    ),
    ([submitted("a")], GONE, "", "resume", "task_a is not finished"),
    (
        [replace(moved(submitted("a"), "parked"), evidence=ASKED)],
        GONE,
        "",
        "resume",
        "task_a is not finished; its last answer, 2026-01-01 08:00:00 UTC: processing",
    ),
    (
        [submitted("a", fingerprint=OTHER)],
        GONE,
        "",
        "resume",
        "task_a is not finished; the manifest has changed since",
    ),
    (
        [succeeded("a")],
        GONE,
        "",
        "download",
        "task_a is finished, its file is missing or damaged",
    ),
    ([failed()], GONE, "", "failed", "failed: too busy; --rerun failed buys it again"),
    (
        [replace(failed(), error=Failure("moderation", "1301", "sensitive"))],
        GONE,
        "",
        "failed",
        "failed: sensitive; edit the shot and run again (--rerun failed buys it as it is)",
    ),
    (
        [failed(fingerprint=OTHER)],
        GONE,
        "",
        "create",
        "failed for another body: too busy; this one was never bought",
    ),
    (
        [replace(submitted("a"), origin="https://elsewhere")],
        GONE,
        "",
        "held",
        "bought at https://elsewhere: run with --gateway https://elsewhere, or resolve it",
    ),
    (
        [failed()],
        GONE,
        "failed",
        "create",
        "failed: too busy; bought again by --rerun failed",
    ),
    (
        [moved(succeeded("a"), "undelivered")],
        GONE,
        "failed",
        "create",
        "its video cannot be had; bought again by --rerun failed",
    ),
    (
        [done("a", fingerprint=OTHER)],
        THERE,
        "changed",
        "create",
        "changed since it was bought; bought again by --rerun changed",
    ),
    (
        [moved(intent("a"), "doubted", "resubmitted")],
        GONE,
        "",
        "create",
        "to be bought once more, by `resolve --resubmit`",
    ),
]


@pytest.mark.parametrize(("bought", "files", "rerun", "verb", "reason"), REASONS)
def test_an_action_is_whole_and_says_why(
    bought: list[Purchase], files: dict[str, FileFact], rerun: str, verb: Verb, reason: str
) -> None:
    """With the shot, the request and the purchase that it stands on."""
    (action,) = plan(bought, rerun=rerun, files=files).actions
    purchase = bought[-1] if bought else None
    assert action == Action(verb, "a", reason, shot("a"), request(), purchase)


def test_what_may_have_to_be_bought_again_says_so() -> None:
    """Its body depends on what is bought again before it."""
    b = replace(done("b", fingerprint=OTHER), output="outputs/film/a.mp4")
    wanted = pending("b", "a")
    action = plan([b], shot("a"), wanted, rerun="changed").actions[1]
    reason = "waits for a, and may have to be bought again"
    assert action == Action("waits", "b", reason, *wanted, b)


ORPHANS: dict[str, tuple[list[Purchase], Verb, str]] = {
    "kept": (
        [done("z", fingerprint=OTHER), done("z", attempt=2, fingerprint=OTHER)],
        "orphan",
        "not in the manifest; done, and kept",
    ),
    "running": (
        [submitted("z", fingerprint=OTHER)],
        "resume",
        "task_z is not finished; no longer in the manifest",
    ),
    "parked": (
        [moved(submitted("z", fingerprint=OTHER), "parked")],
        "resume",
        "task_z is not finished; no longer in the manifest",
    ),
    "finished": (
        [succeeded("z", fingerprint=OTHER)],
        "download",
        "task_z is finished, its file is missing or damaged; no longer in the manifest",
    ),
    "given up": (
        [moved(succeeded("z", fingerprint=OTHER), "resubmitted")],
        "download",
        "task_z is finished, its file is missing or damaged; no longer in the manifest",
    ),
    "in doubt": (
        [done("z", fingerprint=OTHER), moved(intent("z", attempt=2, fingerprint=OTHER), "doubted")],
        "in_doubt",
        "perhaps bought; held until `klingflow resolve` settles it; no longer in the manifest",
    ),
}


@pytest.mark.parametrize(("bought", "verb", "reason"), ORPHANS.values(), ids=ORPHANS)
def test_an_orphan_is_shown_once_by_what_is_still_to_be_done_about_it(
    bought: list[Purchase], verb: Verb, reason: str
) -> None:
    """What is unfinished is polled and downloaded like any other, and a doubt is a doubt."""
    (action,) = plan([*bought, done("a")]).actions[1:]
    assert action == Action(verb, "z", reason, None, None, bought[-1])


def test_an_orphan_of_another_gateway_is_held() -> None:
    made = plan([submitted("z", fingerprint=OTHER)], origin="https://elsewhere.example.com")
    assert verbs(made) == ["create", "held"]


HERE = done("a", uid="here")

COMING = succeeded("a", attempt=2, uid="coming")

OLD = done("a", uid="old", fingerprint=OTHER)

OLD_COMING = succeeded("a", attempt=2, uid="old coming", fingerprint=OTHER)


@pytest.mark.parametrize(
    ("bought", "files", "serves"),
    [
        ([HERE, COMING], THERE, "here"),  # the file counts more than one to come
        ([HERE, COMING], GONE, "coming"),
        ([HERE, failed(2)], THERE, "here"),
        ([COMING, failed(3)], GONE, "coming"),
        ([OLD, COMING], THERE, "coming"),  # the present body counts more than another's file
        ([OLD, failed(2)], THERE, None),  # its failure, too
        ([OLD, failed(2), failed(3, OTHER)], THERE, "old"),  # but not an older failure
        ([OLD_COMING, failed(3, OTHER)], GONE, "old coming"),
        ([OLD, OLD_COMING], THERE, "old coming"),  # of two for another body, the later
        ([moved(OLD_COMING, "resubmitted"), failed(3, OTHER)], GONE, None),
        ([failed(1, OTHER), failed(2, OTHER)], GONE, None),
    ],
)
def test_which_purchase_serves(
    bought: list[Purchase], files: dict[str, FileFact], serves: str | None
) -> None:
    """By what it brings, then by whether it is for the present body, then by its age."""
    (action,) = plan(bought, files=files, origin="").actions
    assert action.purchase
    assert action.purchase.uid == (serves or bought[-1].uid)


def test_a_file_that_is_here_is_kept_though_it_was_given_up() -> None:
    """The permission is for a video that does not come."""
    given_up = moved(done("a"), "resubmitted")
    elsewhere = "https://elsewhere.example.com"
    assert verbs(plan([given_up], origin=elsewhere)) == ["keep"]
    assert verbs(plan([given_up], origin=elsewhere, files=GONE)) == ["create"]


def test_every_state_of_a_purchase_calls_for_something() -> None:
    """Except those that bought nothing, and doubts, which are held."""
    assert set(CALLS_FOR) == set(STATES) - IN_DOUBT - {"rejected"}


HANDED = handed_over(intent("a"), store="s", batch="b")


@pytest.mark.parametrize(("bought", "verb"), [
    ([HANDED], "held"),
    ([done("a"), replace(HANDED, attempt=2)], "held"),
    ([moved(intent("a"), "doubted"), replace(HANDED, attempt=2)], "in_doubt"),
    ([moved(HANDED, "doubted")], "in_doubt"),
    ([moved(HANDED, "refused")], "create"),
])  # fmt: skip
def test_what_is_at_the_cluster_is_held(bought: list[Purchase], verb: Verb) -> None:
    """Its hosts buy it. A doubt, which a person has to settle, is shown before it."""
    assert verbs(plan(bought, files=THERE)) == [verb]


def test_what_is_at_the_cluster_and_not_wanted_is_held_too() -> None:
    """It may be bought at this moment."""
    _, action = plan([replace(HANDED, fingerprint=OTHER)], shot("b")).actions
    assert (action.verb, action.reason) == ("held", f"{AT_CLUSTER}; no longer in the manifest")


@pytest.mark.parametrize(("again", "verb"), [(frozenset(), "held"), (frozenset({"b"}), "create")])
def test_what_the_lock_may_have_lost_is_held(again: frozenset[str], verb: Verb) -> None:
    """Until a person buys it again. What is known goes on."""
    book = Book([done("a")], lost=2)
    wanted = manifest(shot("a"), shot("b"))
    kept, other = make_plan(wanted, book, files=THERE, origin=ORIGIN, again=again).actions
    assert (kept.verb, other.verb) == ("keep", verb)
    assert other.reason == filled(LOST, {"count": 2}) if verb == "held" else "never bought"
