"""The exit code of a run: what ended it, what is left, and which of several codes counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klingflow.decide.verbs import VERBS
from klingflow.errors import ExitCode
from klingflow.model import Action, Plan, Purchase, Verb
from klingflow.results.ending import Ending, Place, delivered, exit_code
from tests.planned import manifest, shot
from tests.purchases import done, submitted

OF_VERBS: dict[Verb, ExitCode] = {
    "create": ExitCode.FAILED,
    "keep": ExitCode.OK,
    "resume": ExitCode.UNSETTLED,
    "download": ExitCode.FAILED,
    "changed": ExitCode.OK,
    "failed": ExitCode.FAILED,
    "in_doubt": ExitCode.UNSETTLED,
    "waits": ExitCode.FAILED,  # for a shot that was not selected
    "held": ExitCode.UNSETTLED,
    "orphan": ExitCode.OK,
}


BY_ITSELF = Ending()


def left(*verbs: Verb) -> Plan:
    """A plan made after a run, of shots `s0`, `s1`, … with these verbs."""
    shots = [shot(f"s{number}") for number in range(len(verbs))]
    actions = [
        Action(verb, s.key, "because", s, None, done(s.id))
        for s, verb in zip(shots, verbs, strict=True)
    ]
    return Plan(manifest(*shots), tuple(actions))


def code(
    *verbs: Verb,
    ending: Ending = BY_ITSELF,
    capped: frozenset[Place] = frozenset(),
    buying: bool = True,
) -> ExitCode:
    """The exit code of a run that left these."""
    return exit_code([left(*verbs)], ending, capped, buying=buying)


@pytest.mark.parametrize("verb", VERBS)
def test_what_one_shot_that_is_left_means(verb: Verb) -> None:
    """Its row's verdict; nothing where nothing is left to do."""
    assert code("keep", verb) == OF_VERBS[verb]


def test_nothing_left_is_well() -> None:
    """Also where there were no shots at all."""
    assert (code(), exit_code([], Ending(), (), buying=True)) == (ExitCode.OK, ExitCode.OK)


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending(interrupted=True), ExitCode.INTERRUPTED),
        (Ending(broken=True), ExitCode.INTERNAL),
        (Ending(refused=True), ExitCode.REFUSED),
        (Ending(interrupted=True, broken=True, refused=True), ExitCode.INTERRUPTED),
        (Ending(broken=True, refused=True), ExitCode.INTERNAL),
    ],
)
def test_what_ended_the_run_counts_more_than_what_is_left(
    ending: Ending, expected: ExitCode
) -> None:
    """And even where nothing is left."""
    assert code(ending=ending) == expected
    assert code("in_doubt", "failed", "waits", ending=ending) == expected


def test_what_another_copy_has_bought_otherwise_is_unsettled() -> None:
    """Although the plan keeps it."""
    assert code("changed", ending=Ending(stale=True)) == ExitCode.UNSETTLED


def test_what_is_unsettled_counts_more_than_a_failure_and_a_failure_more_than_a_cap() -> None:
    """Whatever the order of the shots."""
    capped = frozenset({(0, "s1")})
    assert code("failed", "create", "in_doubt", capped=capped) == ExitCode.UNSETTLED
    assert code("failed", "create", capped=capped) == ExitCode.FAILED
    assert code("keep", "create", capped=capped) == ExitCode.CAPPED
    assert code("waits", "create", capped=capped) == ExitCode.CAPPED


def test_a_cap_excuses_its_own_shot_only() -> None:
    """Not one of the same name in another manifest, nor one that failed."""
    plans = [left("create"), left("create")]
    both: set[Place] = {(0, "s0"), (1, "s0")}
    assert exit_code(plans, Ending(), both, buying=True) == ExitCode.CAPPED
    assert exit_code(plans, Ending(), {(1, "s0")}, buying=True) == ExitCode.FAILED
    assert code("failed", capped=frozenset({(0, "s0")})) == ExitCode.FAILED


def test_what_was_not_to_be_bought_is_no_failure() -> None:
    """`klingflow fetch` buys nothing: what is to be bought and what waits for it do not count."""
    assert code("create", "waits", buying=False) == ExitCode.OK
    assert code("download", buying=False) == ExitCode.FAILED


def test_what_waits_says_nothing_beside_what_it_waits_for() -> None:
    """The cause is told, not its consequence."""
    assert code("in_doubt", "waits") == ExitCode.UNSETTLED
    plans = [replace(left("keep"), actions=()), left("waits")]
    assert exit_code(plans, Ending(), (), buying=True) == ExitCode.FAILED


def one(verb: Verb, purchase: Purchase | None) -> Plan:
    """A plan of the shot `a` alone."""
    return Plan(manifest(shot("a")), (Action(verb, "a", "because", shot("a"), None, purchase),))


LATEST = done("a", attempt=2)
FIRST = done("a")


@pytest.mark.parametrize(
    ("then", "before", "now", "after", "has_come"),
    [
        ("create", None, "keep", LATEST, True),
        ("create", FIRST, "keep", LATEST, True),  # --rerun
        ("waits", None, "keep", LATEST, True),
        ("resume", submitted("a", attempt=2), "keep", LATEST, True),
        ("resume", submitted("a", attempt=2), "changed", LATEST, True),
        ("resume", submitted("a", attempt=2), "orphan", LATEST, True),
        ("download", LATEST, "keep", LATEST, True),
        ("download", LATEST, "download", LATEST, False),
        ("resume", submitted("a", attempt=2), "resume", submitted("a", attempt=2), False),
        ("create", FIRST, "changed", FIRST, False),  # a cap kept the other from being bought
        ("create", None, "create", None, False),
        ("keep", LATEST, "keep", LATEST, False),
        ("changed", LATEST, "changed", LATEST, False),
    ],
)
def test_a_video_is_delivered_where_it_is_here_and_was_not(
    then: Verb, before: Purchase | None, now: Verb, after: Purchase | None, has_come: bool
) -> None:
    """Whoever bought it: an earlier run may have been killed."""
    found = delivered([one(then, before)], [one(now, after)])
    assert found == ({(0, "a")} if has_come else set())


def test_delivered_takes_are_of_their_own_manifest() -> None:
    """One that the first plan did not have is none."""
    empty = Plan(manifest(), ())
    bought = one("keep", LATEST)
    assert delivered([empty, one("create", None)], [bought, bought]) == {(1, "a")}
