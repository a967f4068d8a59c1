"""Takes beyond those that a manifest asks for, and what `--rerun rejected` buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from klingflow.api.loading import load
from klingflow.decide.further import with_further, with_takes
from klingflow.ledger.book import Book, contradictions, fold
from klingflow.model import Manifest, PickLine, Plan, Purchase, Request, Shot
from tests.harness import charges, pipeline_at, sandboxed
from tests.planned import OTHER, SAME, failed, manifest, moved, pending, plan, request, shot, verbs
from tests.purchases import done, doubtful, intent, submitted, succeeded


def no_good(*purchases: Purchase) -> list[PickLine]:
    """Lines that reject these purchases."""
    return [PickLine(p.shot, p.take, True, "", p.uid) for p in purchases]


def further(purchase: Purchase) -> Purchase:
    """The purchase as `--rerun rejected` makes it."""
    return replace(purchase, further=True)


def rerun(*bought: Purchase, rejected: int, **more: object) -> Plan:
    """The plan of `a` under `--rerun rejected`; the first of its purchases are rejected."""
    lines = no_good(*bought[:rejected])
    takes = tuple(shot("a", take=n) for n in range(1, 1 + int(str(more.pop("takes", 1)))))
    book = Book(bought)
    options = {"rerun": "rejected", "picks": lines, **more}
    wanted = with_further(manifest(*takes), book)
    return plan([*bought], *wanted, **options)  # type: ignore[arg-type]  # as `plan` has them


def keys(made: Plan) -> list[tuple[str, str]]:
    return [(action.verb, action.key) for action in made.actions]


A = done("a", uid="u1")
SECOND = succeeded("a", take=2, uid="u2")


def test_one_further_take_is_bought_where_none_stands() -> None:
    """Its number is the next one, and its purchase will say that it is further."""
    made = rerun(A, rejected=1)
    assert keys(made) == [("keep", "a"), ("create", "a#2")]
    action = made.by_key["a#2"]
    assert action.reason == "never bought; no other take stands (--rerun rejected)"
    assert action.shot and action.shot.further
    assert action.request == request()


def test_one_further_take_is_bought_of_many_that_are_rejected() -> None:
    """Not one for each."""
    assert keys(rerun(A, SECOND, rejected=2, takes=2)) == [
        ("keep", "a"),
        ("download", "a#2"),
        ("create", "a#3"),
    ]


STANDS = {
    "nothing is rejected": ((A,), 0, 1),
    "another take stands": ((A, SECOND), 1, 2),
    "another take is to be bought": ((A,), 1, 2),
    "a further one runs": ((A, further(submitted("a", take=2))), 1, 1),
    "a further one is parked": ((A, further(moved(submitted("a", take=2), "parked"))), 1, 1),
    "a further one is in doubt": ((A, further(intent("a", take=2))), 1, 1),
    "it runs itself": ((submitted("a"),), 1, 1),
    "it is in doubt itself": ((doubtful("a"),), 1, 1),
    "it has failed, and nobody rejected anything": ((failed(),), 0, 1),
}


@pytest.mark.parametrize("case", STANDS)
def test_nothing_more_is_bought_while_a_take_stands(case: str) -> None:
    """What is on its way may be good; a doubt is perhaps bought."""
    bought, rejected, takes = STANDS[case]
    once = rerun(*bought, rejected=rejected, takes=takes)
    without = rerun(*bought, rejected=rejected, takes=takes, rerun="")
    assert keys(once) == keys(without)


def test_a_further_take_that_failed_is_tried_again_at_its_own_number() -> None:
    """Only then: a plain run leaves it as it is."""
    lost = further(moved(submitted("a", take=2), "failed"))
    assert keys(rerun(A, lost, rejected=1)) == [("keep", "a"), ("create", "a#2")]
    assert keys(rerun(A, lost, rejected=1, rerun="")) == [("keep", "a"), ("failed", "a#2")]


def test_a_further_take_that_was_refused_leaves_no_trace() -> None:
    """It bought nothing: a plain run must not try it again, and its number is free."""
    refused = further(moved(intent("a", take=2), "refused"))
    assert keys(rerun(A, refused, rejected=1, rerun="")) == [("keep", "a")]
    assert keys(rerun(A, refused, rejected=1)) == [("keep", "a"), ("create", "a#2")]


def test_a_rejected_take_whose_body_has_changed_is_bought_anew() -> None:
    """One purchase for the shot: of the first such take, and no further one."""
    old = (
        done("a", fingerprint=OTHER, uid="u1"),
        succeeded("a", take=2, fingerprint=OTHER, uid="u2"),
    )
    made = rerun(*old, rejected=2, takes=2)
    assert verbs(made) == ["create", "download"]
    why = "changed since it was bought; bought again by --rerun rejected"
    assert made.by_key["a"].reason == why


def test_a_number_is_never_given_twice() -> None:
    """Neither that of an orphan nor one that moved away."""
    orphan = done("a", take=4, fingerprint=OTHER)
    assert keys(rerun(A, orphan, rejected=1))[1] == ("create", "a#5")


def test_a_further_take_belongs_to_its_shot() -> None:
    """It is kept, and stands for the shot; without the word it is an orphan."""
    two = done("a", take=2, fingerprint=SAME)
    lines = no_good(A)
    book = Book([A, further(two)])
    wanted = (*with_further(manifest(shot("a")), book), pending("b", "a"))
    made = plan([A, further(two)], *wanted, picks=lines)
    assert keys(made) == [("keep", "a"), ("keep", "a#2"), ("create", "b")]
    assert keys(rerun(A, two, rejected=1, rerun=""))[1] == ("orphan", "a#2")


def test_a_doubt_of_a_damaged_line_may_be_a_further_take() -> None:
    """Nobody knows, so no other one is bought."""
    witness = replace(intent("a", take=2), state="in_doubt", fingerprint="")
    assert keys(rerun(A, witness, rejected=1)) == [("keep", "a"), ("in_doubt", "a#2")]


def test_what_needs_the_shot_waits_for_its_further_take() -> None:
    """No other take is any good."""
    made = plan([A], shot("a"), pending("b", "a"), rerun="rejected", picks=no_good(A))
    assert keys(made) == [("keep", "a"), ("create", "a#2"), ("waits", "b")]
    assert made.by_key["b"].reason == "waits for a#2"


def test_only_selected_shots_get_a_further_take() -> None:
    """Any of its takes selects a shot, such as those of `-s pick:rejected`."""
    b = done("b", uid="u2")
    options = {"rerun": "rejected", "picks": no_good(A, b)}
    made = plan([A, b], shot("a"), shot("b"), selected={"b"}, **options)  # type: ignore[arg-type]
    assert keys(made) == [("keep", "b"), ("create", "b#2")]


def test_a_take_whose_purchase_went_elsewhere_is_not_bought_again() -> None:
    """After a renumbering the body belongs to another shot, and its further take with it."""
    gone = further(done("a", take=2, fingerprint="sha256:b"))
    book = Book([done("a"), gone])
    wanted = manifest(shot("a"), (shot("b"), request("sha256:b")))
    made = plan([done("a"), gone], *with_further(wanted, book))
    assert keys(made) == [("keep", "a"), ("keep", "b")]
    assert [move.before for move in made.moves] == ["a#2"]


def test_a_dispute_buys_nothing() -> None:
    """A person has to settle it first."""
    lines = [*no_good(A), PickLine("a", 1, purchase=A.uid)]
    made = plan([A], shot("a"), rerun="rejected", picks=lines)
    assert keys(made) == [("keep", "a")]


def test_a_merge_knows_what_is_further() -> None:
    """Whichever account of a purchase says so: the intent is never without its word."""
    told = further(submitted("a", take=2, uid="u2"))
    later = moved(replace(told, further=None), "succeeded")
    for accounts in ([told, later], [later, told]):
        (merged,), _ = fold(accounts)
        assert (merged.state, merged.further) == ("succeeded", True)


def test_two_colleagues_who_bought_the_same_further_take_are_told() -> None:
    """Both are paid for: the merge keeps both, and says so."""
    ours, theirs = (
        further(succeeded("a", take=2, uid=uid, task_id=f"task_{uid}")) for uid in ("u2", "u3")
    )
    assert [p.kind for p in contradictions([A, ours, theirs])] == ["paid_twice"]
    assert keys(rerun(A, ours, theirs, rejected=1))[1] == ("download", "a#2")


# ---------------------------------------------------------------- in the manifest


def made_by(more: object) -> Manifest:
    return replace(manifest(shot("a"), shot("b")), more=more)  # type: ignore[arg-type]  # by case


def test_further_takes_stand_behind_their_shot() -> None:
    """In the manifest's order; a shot that is not there gets none."""
    found = with_takes(manifest(shot("a"), shot("b")), [("b", 2), ("a", 3), ("a", 2), ("x", 2)])
    assert [s.key for s in found.shots] == ["a", "a#2", "a#3", "b", "b#2"]


def test_a_further_take_has_a_file_of_its_own() -> None:
    """Also where `{take}` is not in `output:`, or another shot's file has that name."""
    found = with_takes(manifest(shot("a")), [("a", 2)])
    assert [s.output for s in found.shots] == ["outputs/film/a.mp4", "outputs/film/a-take2.mp4"]


def test_a_further_take_is_rendered_by_the_manifest() -> None:
    """Its own request where an expression asks for the number of the take."""
    own = request("sha256:2")

    def more(takes: Mapping[str, int]) -> Mapping[tuple[str, int], tuple[Shot, Request]]:
        made = {}
        for id, take in takes.items():
            again = replace(shot(id, take=take), output=f"outputs/film/{id}-{take}.mp4")
            own_fields = {"prompt": "2"} if id == "a" else {}
            made[id, take] = replace(again, fields=own_fields), own
        return made

    found = with_takes(made_by(more), [("a", 2), ("b", 2)])
    assert [(s.output, r.fingerprint) for s, r in found][1::2] == [
        ("outputs/film/a-2.mp4", "sha256:2"),
        ("outputs/film/b-2.mp4", SAME),
    ]


def test_a_take_is_made_from_the_manifests_texts(tmp_path: Path) -> None:
    """Where an expression asks for its number, its body is its own; where none can be made, it has
    the first one's.
    """
    film = pipeline_at(tmp_path)
    film.write(
        {
            "a": {"prompt": "take ${{ shot.take }}", "output": "outputs/{shot}-x.mp4"},
            "b": {"prompt": "${{ ['one', 'two'][shot.take - 1] }}"},
            "c": {"prompt": "z", "matrix": {"n": [1, 2]}, "after": "a"},
        }
    )
    found = with_takes(load(film.manifest), [("a", 2), ("b", 2), ("c@2", 3)])
    told = [(s.key, s.output, r.body["prompt"]) for s, r in found if s.further]
    assert told == [
        ("a#2", "outputs/a-x-take2.mp4", "take 2"),
        ("b#2", "outputs/film/b-2.mp4", "two"),
        ("c@2#3", "outputs/film/c@2-3.mp4", "z"),
    ]
    made = [r.body["prompt"] for s, r in with_takes(load(film.manifest), [("b", 3)]) if s.further]
    assert made == ["one"]


def test_a_further_take_is_bought_as_any_other(tmp_path: Path) -> None:
    """Not without consent; a refusal is a failure (exit 3) and leaves nothing to a plain run; a
    saved plan buys it once.
    """
    again = ("--rerun", "rejected")
    with sandboxed(tmp_path / "film") as (film, sandbox):
        film.write({"a": {"prompt": "x"}})
        film.do("run", "film.yaml", "-y", "-q")
        film.do("reject", "film.yaml", "a", "-q")
        film.do("run", "film.yaml", *again, "-q", code=2)
        sandbox.set(faults=["create:err400_nested=first:1"])
        film.do("run", "film.yaml", *again, "-y", "-q", code=3)
        film.do("run", "film.yaml", "-y", "-q")
        film.do("plan", "film.yaml", *again, "-q", "-o", "film.plan.json")
        film.do("run", "--plan", "film.plan.json", "-y", "-q")
        film.do("run", "--plan", "film.plan.json", "-y", "-q", code=2)
        assert len(charges(sandbox)) == 2
    assert [(p["take"], p.get("further")) for p in film.purchases()] == [(1, None), (2, True)]
