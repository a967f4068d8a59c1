"""How a run ended, for people."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from klingflow.api.running import Result
from klingflow.decide.spending import spending
from klingflow.decide.verbs import VERBS
from klingflow.errors import ExitCode, KlingflowError, LedgerBroken
from klingflow.ledger.book import Book
from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import SANDBOX, site_at
from klingflow.media.inspector import Inspector
from klingflow.model import CapName, Failure, Json, LeftOut, Plan, Price, Purchase, Verb
from klingflow.runner.context import Outcome
from klingflow.runner.look import Looking, Remarked
from klingflow.terminal import language
from klingflow.terminal.layout import width
from klingflow.terminal.result_views import notice, show_result
from klingflow.words import _
from tests.plans import action, plan_of
from tests.purchases import AT, done, intent

Capture = pytest.CaptureFixture[str]


def result(
    *plans: Plan,
    code: ExitCode = ExitCode.OK,
    outcome: Outcome | None = None,
    bought: tuple[Purchase, ...] = (),
    capped: Mapping[tuple[int, str], CapName] | None = None,
    troubles: tuple[str, ...] = (),
    delivered: str = "",
) -> Result:
    records = tuple(Path("outputs", p.manifest.name, "manifest.json") for p in plans)
    left_out = {
        place: LeftOut(cap, cap, again=cap != "budget") for place, cap in (capped or {}).items()
    }
    sums = spending([bought], None)
    came = frozenset((0, key) for key in delivered.split())
    return Result(
        plans, code, outcome or Outcome(), bought, records, left_out, troubles, sums, came
    )


def show(found: Result, *, origin: str = "", quiet: bool = False) -> None:
    sites = [site_at(plan.manifest.path, origin=origin) for plan in found.plans]
    show_result(found, sites, [Book([]) for _ in sites], quiet=quiet)


def test_a_run_that_is_done_has_its_counts_and_its_record(capsys: Capture) -> None:
    show(result(plan_of(action("keep", "a", done("a")))))
    assert capsys.readouterr() == (
        f"film: 1 kept.\nRecord: {Path('outputs', 'film', 'manifest.json')}\n",
        "",
    )


def test_what_needs_a_person_is_listed(capsys: Capture) -> None:
    """By its cap, or by the plan's reason; below a doubt stands where it is settled."""
    plan = plan_of(action("create", "a"), action("keep", "b", done("b")), action("in_doubt", "c"))
    show(result(plan, capped={(0, "a"): "max_tasks"}), origin=SANDBOX)
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "film: 1 kept, 1 in doubt, 1 left out.",
        "  x  a  left out, max_tasks",
        "  ?  c  because",
        "  In doubt, perhaps paid: 1. `klingflow status film.yaml --sandbox -v` says what is known"
        " of each, and how to settle it.",
    ]


def test_what_is_left_out_for_one_reason_is_one_line(capsys: Capture) -> None:
    """Otherwise a cap of a few shots would fill the screen with the others."""
    plan = plan_of(*(action("create", f"s{n}") for n in range(22)))
    show(result(plan, capped={(0, f"s{n}"): "max_tasks" for n in range(22)}))
    listed = capsys.readouterr().out.splitlines()[1:-1]
    assert listed == ["  x  s0, s1, s2, s3, s4 and 17 more  left out, max_tasks"]


def test_what_was_never_bought_is_one_line(capsys: Capture) -> None:
    """A fetch buys nothing: what it does not bring says why, and is not the whole film."""
    actions = [action("create", f"s{n}") for n in range(22)]
    actions[3] = replace(actions[3], reason="refused: too long")
    show(result(plan_of(*actions)))
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "film: 22 to buy.",
        "  +  s0, s1, s2, s4, s5 and 16 more  because",
        "  +  s3                              refused: too long",
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_what_has_one_reason_is_one_line(capsys: Capture, verb: Verb) -> None:
    """Whatever it is: a cluster that holds a whole film, an outage that leaves ten doubts."""
    plan = plan_of(*(action(verb, f"s{n}") for n in range(7)))
    show(result(plan, code=ExitCode.UNSETTLED))
    show(result(plan, code=ExitCode.UNSETTLED), quiet=True)
    named = "s0, s1, s2, s3, s4 and 2 more"
    lists = int(VERBS[verb].needs_attention)
    out, err = capsys.readouterr()
    assert out.count("because") == out.count(f" {named}  because") == lists
    assert err.splitlines() == [f"film: {named}: {VERBS[verb].noun}: because"] * lists


def test_what_a_cap_stopped_is_listed_although_it_is_kept(capsys: Capture) -> None:
    """It was to be bought again."""
    show(result(plan_of(action("changed", "a")), capped={(0, "a"): "max_spend"}))
    assert "  x  a  left out, max_spend" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("quiet", [False, True])
def test_twenty_are_listed_and_the_others_counted(capsys: Capture, quiet: bool) -> None:
    failed = [replace(action("failed", f"s{n}"), reason=f"because {n}") for n in range(22)]
    plan = plan_of(*failed, path="my film.yaml")
    show(result(plan, code=ExitCode.FAILED), quiet=quiet)
    out, err = capsys.readouterr()
    lines = (err if quiet else out).splitlines()
    assert len([line for line in lines if "because" in line]) == 20
    assert [line for line in lines if "2 more: klingflow status 'my film.yaml'" in line]


def test_two_manifests_of_one_name_are_called_by_their_paths(capsys: Capture) -> None:
    plans = [plan_of(action("create", "a"), path=path) for path in ("a/film.yaml", "b/film.yaml")]
    show(result(*plans, code=ExitCode.FAILED), quiet=True)
    assert capsys.readouterr().err.splitlines() == [
        "a/film.yaml: a: to buy: because",
        "b/film.yaml: a: to buy: because",
    ]


def test_quiet_says_why_the_exit_code_is_not_0(capsys: Capture) -> None:
    """On stderr; where all is well there is nothing to say."""
    plan = plan_of(action("in_doubt", "a"))
    show(result(plan), quiet=True)
    assert capsys.readouterr() == ("", "")
    outcome = Outcome(interrupted=True)
    show(result(plan, code=ExitCode.UNSETTLED, outcome=outcome), quiet=True)
    assert capsys.readouterr() == (
        "",
        "film: a: in doubt: because\nInterrupted; run again to resume.\n",
    )


def test_troubles_are_always_said(capsys: Capture) -> None:
    show(result(plan_of(), troubles=("NOT IN THE LEDGER: a",)), quiet=True)
    assert capsys.readouterr().err == "NOT IN THE LEDGER: a\n"


def test_videos_to_look_at_are_listed(capsys: Capture) -> None:
    """In words, the alike in one line, and the first twenty lines of them."""
    remarks: list[dict[str, Json]] = [{"kind": "black"}, {"kind": "no_sound"}]
    short = [Remarked(0, f"t{n}", [{"kind": "shorter", "got": n, "bought": 99}]) for n in range(20)]
    seen = [Remarked(0, "s0", remarks), Remarked(0, "s1", remarks), *short[1:]]
    seen += [Remarked(0, "u", [{"kind": "frozen"}])]
    found = result(plan_of(action("keep", "s0", done("s0"))))
    show(replace(found, looking=Looking(remarked=[*seen, Remarked(1, "other", remarks)])))
    lines = capsys.readouterr().out.splitlines()[:-1]
    assert lines[:3] == [
        "film: 1 kept.",
        "Look at 22 videos:",
        "    s0, s1  black throughout, has no sound, and sound was bought",
    ]
    assert lines[-1] == "  … and 1 more: klingflow status film.yaml"


@pytest.mark.parametrize(
    ("inspector", "line"),
    [
        (None, "pip install 'klingflow[media]'"),
        (Inspector(), "2 videos could not be looked at; klingflow fetch tries again."),
    ],
)
def test_videos_that_nobody_looked_at_are_counted_once(
    capsys: Capture, inspector: Inspector | None, line: str
) -> None:
    """With what to install, where that is missing."""
    found = result(plan_of(action("keep", "a", done("a"))))
    show(replace(found, looking=Looking(inspector, unseen=2)))
    assert line in capsys.readouterr().out


def priced(purchase: Purchase, price: Price | None) -> Purchase:
    return replace(purchase, price=price, seconds=5)


def test_the_last_lines_say_what_was_bought(capsys: Capture) -> None:
    """By currency; what has no price and what is only perhaps bought is counted."""
    yuan, dollar = Price(Decimal("2.5"), "CNY", "x"), Price(Decimal(1), "USD", "x")
    doubt = advance(intent("d"), "doubted", AT, evidence={})
    bought = (
        priced(done("a"), yuan),
        priced(done("b"), yuan),
        priced(done("c"), None),
        priced(doubt, dollar),
    )
    show(result(plan_of(), bought=bought))
    assert capsys.readouterr().out.splitlines()[1] == (
        "Bought in this run: 4 (1 perhaps), 20 s of video:"
        " 5.00 CNY + 1 of unknown price spent (3 purchases), 1.00 USD in doubt (1 doubt)."
    )


def test_what_this_run_brought_is_done_and_the_rest_is_kept(capsys: Capture) -> None:
    """ "5 kept" would not say that 15.00 CNY went for them now."""
    five = [action("keep", id, priced(done(id), Price(Decimal(3), "CNY", "x"))) for id in "abcde"]
    plan = plan_of(*five, action("keep", "z", done("z")))
    bought = tuple(one.purchase for one in five if one.purchase)
    show(result(plan, bought=bought, delivered="a b c d e"))
    assert capsys.readouterr().out.splitlines()[:2] == [
        "film: 5 done, 1 kept.",
        "Bought in this run: 5, 25 s of video: 15.00 CNY spent.",
    ]


def test_what_an_earlier_run_bought_is_done_where_this_run_brought_it(capsys: Capture) -> None:
    """Also for another body, and for a take that the manifest has no more."""
    here = [action("keep", "a", done("a")), action("changed", "b", done("b"))]
    plan = plan_of(*here, action("orphan", "c", done("c")), action("keep", "d", done("d")))
    show(result(plan, delivered="a b c"))
    assert capsys.readouterr().out.splitlines()[0] == "film: 3 done, 1 kept."


@pytest.mark.parametrize(
    ("origin", "in_git", "is_bought", "reminds"),
    [
        ("", True, True, True),
        ("", False, True, False),
        ("", True, False, False),
        (SANDBOX, True, True, False),
    ],
)
def test_a_lock_that_a_purchase_changed_is_to_be_committed(
    capsys: Capture, tmp_path: Path, origin: str, in_git: bool, is_bought: bool, reminds: bool
) -> None:
    """One line, only in a work tree of git; the sandbox's ledger is not committed."""
    if in_git:
        (tmp_path / ".git").write_text("gitdir: elsewhere")
    folder = tmp_path / "my films"
    folder.mkdir()
    purchase = done("a")
    plan = plan_of(action("keep", "a", purchase), path=str(folder / "film.yaml"))
    found = result(plan, bought=(purchase,) if is_bought else ())
    site = site_at(folder / "film.yaml", origin=origin)
    show_result(found, [site], [Book([purchase])], quiet=False)
    said = [line for line in capsys.readouterr().out.splitlines() if "commit" in line]
    lock = folder / "film.lock"
    says = f"The lock says what was paid for: commit it (`git add '{lock}'`)."
    assert said == ([says] if reminds else [])


REFUSED = Failure("key", "401", "bad key")
ENDINGS: list[tuple[dict[str, Any], str]] = [
    ({"unreachable": "no way"}, "The gateway could not be reached: no way"),
    ({"refused": REFUSED}, "The gateway refuses us (key): bad key"),
    ({"interrupted": True}, "Interrupted; run again to resume."),
    (
        {"crash": ValueError("x")},
        "An internal error came up (ValueError: x); nothing bought is lost.",
    ),
    ({"broken": LedgerBroken("full")}, "The ledger could not be written: full"),
]


@pytest.mark.parametrize("number", range(len(ENDINGS)))
def test_why_a_run_stopped(capsys: Capture, number: int) -> None:
    """Of several reasons the later one here is said: it is the graver one."""
    facts: dict[str, Any] = {}
    for more, _said in ENDINGS[: number + 1]:
        facts |= more
    show(result(plan_of(), code=ExitCode.CAPPED, outcome=Outcome(**facts)))
    assert capsys.readouterr().out.splitlines()[-1] == ENDINGS[number][1]


def test_a_notification_is_english_in_every_language() -> None:
    """It goes to other people and programs, whose language nobody knows."""
    crashed = result(plan_of(), outcome=Outcome(crash=KlingflowError(_("no key"))))
    english = notice(crashed)
    language.speak_by(lambda template: f"⟦{template}⟧")
    try:
        assert notice(crashed) == english
    finally:
        language.speak_by(None)
    assert "(KlingflowError: no key)" in english.text


def test_a_cap_is_said_where_nothing_graver_is(capsys: Capture) -> None:
    show(result(plan_of(), code=ExitCode.CAPPED))
    assert capsys.readouterr().out.splitlines()[-1].startswith("A cap kept the rest")


@pytest.mark.parametrize(
    ("again", "says"),
    [
        (
            [True, True],
            "A cap kept the rest from being bought, as said above; run again to buy more.",
        ),
        ([True, False], "…, except 1 shot that no run buys so."),
        ([False, False], "Under these caps no run buys what is left out, for the reasons above."),
    ],
)
def test_run_again_to_buy_more_is_not_said_for_ever(
    capsys: Capture, again: list[bool], says: str
) -> None:
    """The row "a shot without a price under max_spend": no run buys it so."""
    found = result(plan_of(), code=ExitCode.CAPPED)
    capped = {(0, chr(97 + n)): LeftOut("max_spend", "…", one) for n, one in enumerate(again)}
    show(replace(found, capped=capped))
    assert capsys.readouterr().out.splitlines()[-1].endswith(says.removeprefix("…"))


def test_a_film_is_told_all_told_where_it_cost_more_than_this_run(capsys: Capture) -> None:
    """What earlier runs paid, and what was refunded, as `status` says it; of several manifests
    together. Where this run was all, it is not said twice.
    """
    film = replace(plan_of(), spending=spending([[done("a"), done("b")]], None))
    show(result(film, bought=(done("a"),)))
    assert "All told: 6.00 CNY spent (2 purchases)." in capsys.readouterr().out
    show(result(film, film, bought=(done("a"),)))
    assert "All told: 12.00 CNY spent (4 purchases)." in capsys.readouterr().out
    show(result(film, bought=(done("a"), done("b"))))
    assert "All told" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("caps", "says"),
    [
        (["budget"], "The budget kept the rest from being bought, as said above; klingflow status"),
        (["max_tasks"], "A cap kept the rest from being bought, as said above; run again"),
        (["budget", "max_spend"], "A cap kept the rest from being bought, as said above; run"),
    ],
)
def test_where_only_the_budget_is_why_running_again_is_no_way(
    capsys: Capture, caps: list[CapName], says: str
) -> None:
    """No later run buys more under it."""
    capped = {(0, chr(97 + n)): cap for n, cap in enumerate(caps)}
    show(result(plan_of(), code=ExitCode.CAPPED, capped=capped))
    assert capsys.readouterr().out.splitlines()[-1].startswith(says)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_of_the_end_is_wider_than_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Chinese too; only a command in backquotes and a path stay whole."""
    long = "银发女侦探走进窄巷回头一瞥，蒸汽从井盖涌出" * 3
    actions = [replace(action(verb, f"{verb}-雨夜"), reason=long) for verb in VERBS]
    dead = advance(done("街"), "undelivered", AT)
    actions.append(replace(action("download", "街", dead), reason=long))
    plan = plan_of(*actions, action("in_doubt", "b"), action("create", "c"), path="f.yaml")
    found = result(
        plan, code=ExitCode.CAPPED, bought=(done("z"),), capped={(0, "c"): "max_spend"},
        troubles=(),
    )  # fmt: skip
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal)
    show(found)
    lines = terminal.getvalue().splitlines()
    assert [line for line in lines if width(line) > columns and "`" not in line] == []
    assert len(lines) > 25
