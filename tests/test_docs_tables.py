"""The tables of the manual, in both languages: each says what the code has, whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import click
import pytest

from klingflow.api import cutting
from klingflow.decide.verbs import LEFT_OUT, VERBS
from klingflow.errors import PRECEDENCE, ExitCode
from klingflow.ledger import emergency
from klingflow.ledger.lifecycle import STATES
from klingflow.ledger.places import ledger_paths
from klingflow.ledger.problems import worded
from klingflow.manifest import check
from klingflow.manifest.catalogue import MODELS
from klingflow.manifest.fields import ABOUT, KIND_OF_FIELD, OUTPUT_OPTIONS, WANTED
from klingflow.manifest.functions import FILTERS, FUNCTIONS, TESTS, Call
from klingflow.manifest.guarded import arguments
from klingflow.manifest.limits import RUN
from klingflow.manifest.names import ROOTS
from klingflow.manifest.sections import TOP
from klingflow.manifest.settings import read_settings
from klingflow.manifest.source import parse
from klingflow.model import Json, Limits, Place, Problem
from klingflow.results.arrived import REMARKS, in_words
from klingflow.runner.events import EVENTS
from klingflow.terminal import cli_cut
from tests import pages
from tests.test_help import leaves
from tests.test_house import PACKAGE

each_language = pytest.mark.parametrize("language", pages.LANGUAGES)


@each_language
def test_fields_are_those_of_the_language(language: str) -> None:
    """Each table of fields has exactly the names of its table in the code."""
    assert set(pages.first_cells(language, "top")) == set(TOP)
    assert sorted(pages.first_cells(language, "wanted")) == sorted(field.name for field in WANTED)
    assert sorted(pages.first_cells(language, "about")) == sorted(field.name for field in ABOUT)
    assert pages.first_cells(language, "kinds") == list(KIND_OF_FIELD)
    kinds = {
        name: pages.quoted(row[1])[0]
        for row in pages.rows(language, "kinds")
        for name in (pages.quoted(row[0]) or ["none of them"])
    }
    assert kinds == {**KIND_OF_FIELD, "none of them": "text"}
    options = next(row for row in pages.rows(language, "wanted") if row[0] == "`output_config`")
    assert pages.quoted(options[1]) == list(OUTPUT_OPTIONS)


@each_language
def test_limits_have_their_defaults_and_flags(language: str) -> None:
    """The table of limits, read as a manifest's `run:`, is what a manifest without one has."""
    table = {pages.quoted(row[0])[0]: row for row in pages.rows(language, "run")}
    assert list(table) == list(RUN)
    assert {name: pages.quoted(row[2])[-1:] for name, row in table.items()} == {
        name: [limit.flag] if limit.flag else [] for name, limit in RUN.items()
    }
    said = {name: parse(row[1], "docs").value for name, row in table.items() if row[1] != "none"}
    assert read_settings(said, RUN, Limits) == (Limits(), {})
    for name in table.keys() - said.keys():
        assert getattr(Limits(), RUN[name].attribute) is None


@each_language
def test_exit_codes_are_those_of_the_code(language: str) -> None:
    """The table has every exit code, and the order of precedence is the code's."""
    assert [int(row[0]) for row in pages.rows(language, "exit")] == [int(code) for code in ExitCode]
    order = pages.all_text(language).split("<!-- table: exit -->", 1)[1].split("\n\n", 2)[1]
    assert re.findall(r"\d+", order) == [str(int(code)) for code in PRECEDENCE]


def _with_arguments(name: str, call: Call) -> str:
    """`pad(width, fill='0')`: a filter as the manual lists it."""
    taken = arguments(call)
    return f"{name}({taken})" if taken else name


@each_language
def test_marks_codes_and_names_are_those_of_the_code(language: str) -> None:
    """Plan marks, liftable rules, and what expressions know."""
    marks = {
        row[1].replace(" ", "_"): pages.quoted(row[0])[0] for row in pages.rows(language, "marks")
    }
    rows = [(str(verb), row.mark) for verb, row in VERBS.items()]
    assert marks == dict([*rows, ("left_out", LEFT_OUT)])
    assert set(pages.first_cells(language, "allow")) == check._LIFTED
    assert pages.first_cells(language, "names") == list(ROOTS)
    listed = pages.all_text(language).split("<!-- list: expressions -->\n")[1].split("\n\n")[0]
    # The first words in backticks may be an example: `x is defined`.
    assert [re.findall(r"`(\w+(?:\(.*?\))?)`", line) for line in listed.splitlines()] == [
        [_with_arguments(name, call) for name, call in sorted(FILTERS.items())],
        sorted(FUNCTIONS),
        sorted(TESTS),
    ]


@each_language
def test_the_files_of_a_ledger_are_where_the_theory_says(language: str, tmp_path: Path) -> None:
    """Eight of them, and each is named as the code names it; the black box has many files."""
    paths = ledger_paths(tmp_path / "film.yaml", state=tmp_path / "state")
    paths.hidden.mkdir()
    emergency.reserve(paths.journal)
    (reserve,) = paths.hidden.iterdir()
    beside, _ = emergency.places(paths.journal)
    files = [paths.journal, paths.lock, paths.folded, reserve, beside]
    files += [paths.lock_damaged, paths.pruned]
    named = [file.relative_to(tmp_path).as_posix() for file in files]
    assert pages.first_cells(language, "files") == named
    assert len(pages.rows(language, "files")) == len(named) + 1


@each_language
def test_the_states_of_a_purchase_are_those_of_the_code(language: str) -> None:
    """Each state has its row."""
    assert sorted(pages.first_cells(language, "states")) == sorted(STATES)


@each_language
def test_a_message_is_worded_as_the_page_says(language: str) -> None:
    """What the black box adds is reported in these words."""
    problem = Problem("lost_by_lock", Place("film.lock"), ("alley", "door"), count=2)
    shown = pages.labelled(language, "message: lost_by_lock")
    assert shown == f"ledger: {worded(problem)}\n"


@each_language
def test_the_environment_is_what_the_code_reads(language: str) -> None:
    """Every KLINGFLOW_ variable that a module names has a row, and no other has."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    read = {name for text in texts for name in re.findall(r"KLINGFLOW_[A-Z_]+[A-Z]", text)}
    shown = {cell.removesuffix("_<name>") for cell in pages.first_cells(language, "environment")}
    assert shown == read


WORDS = {"无": "no", "有": "yes", "存疑": "unsure", "仅 1080P": "1080P only"}


@each_language
def test_models_are_those_of_the_catalogue(language: str) -> None:
    """What the page says of a model is what it is checked against."""
    said = {
        pages.quoted(row[0])[0]: [WORDS.get(cell, cell) for cell in row[1:]]
        for row in pages.rows(language, "models")
    }
    assert said.keys() == {name for name, model in MODELS.items() if model.seconds}
    for name, (lengths, *abilities) in said.items():
        model = MODELS[name]
        assert re.findall(r"\d+", lengths) == ends(model.seconds) + ends(
            () if model.video_seconds == model.seconds else model.video_seconds
        )
        assert abilities == [
            model.full_hd,
            model.audio,
            model.last_frame,
            model.references,
            model.multi_shot,
            model.motion,
        ]


def ends(lengths: tuple[int, ...]) -> list[str]:
    return [str(lengths[0]), str(lengths[-1])] if lengths else []


@each_language
def test_every_command_and_option_is_there(language: str) -> None:
    """The table of commands has them all, each with its own options and no others."""
    known_names = leaves()
    found = {
        next(n for n in known_names if f"{row[0].strip('`')} ".startswith(f"klingflow {n} ")): row[
            2
        ]
        for row in pages.rows(language, "commands")
    }
    assert sorted(found) == sorted(known_names)
    found["run"] = " ".join(row[0] for row in pages.rows(language, "run-options"))
    for name, said in found.items():
        options = [set(p.opts) for p in known_names[name].params if isinstance(p, click.Option)]
        known = {word for names in options for word in names}
        written = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said))
        assert written <= known, name
        assert [names for names in options if not names & written] == [], name


@each_language
def test_every_promise_names_tests_that_are_there(language: str) -> None:
    """The command that tries to break it can be run."""
    commands = [row[2].strip("`").split() for row in pages.rows(language, "promises")]
    assert len(commands) > 5
    for program, *paths in commands:
        assert program == "pytest" and paths
        assert [path for path in paths if not (pages.ROOT / path).is_file()] == []


@each_language
def test_the_map_has_every_room(language: str) -> None:
    """A room is a folder of the package; the starter's has files for users."""
    rooms = {
        f"klingflow/{path.name}/" for path in PACKAGE.iterdir() if not path.name.startswith("_")
    }
    assert set(pages.first_cells(language, "rooms")) == {
        r for r in rooms if (pages.ROOT / r).is_dir()
    }


@each_language
def test_every_form_of_an_export_is_listed(language: str) -> None:
    """With its usual place, and the extra that it needs beside `media`."""
    listed = [(form, place, needs) for form, _, place, needs in pages.rows(language, "forms")]
    assert listed == [
        (f"`{form}`", f"`outputs/film{row.ending}`", f"`{row.extra}`" if row.extra else "")
        for form, row in cutting.FORMS.items()
    ]
    assert tuple(cutting.FORMS) == cli_cut.FORMS == get_args(cutting.Form)


@each_language
def test_every_remark_is_listed_with_its_words(language: str) -> None:
    """The words are those of the code, with an example where the remark compares."""
    examples: dict[str, tuple[Json, Json]] = {
        "shorter": (4.2, 5),
        "smaller": ("1280x720", "1080P"),
        "other_ratio": ("1280x720", "9:16"),
    }
    listed = {
        row[0].strip("`"): row[1].partition("（")[0] for row in pages.rows(language, "remarks")
    }
    said = {}
    for kind in REMARKS:
        got, bought = examples.get(kind, (0, 0))
        said[kind] = in_words({"kind": kind, "got": got, "bought": bought})
    assert listed == said


@each_language
def test_every_event_of_a_log_is_listed_with_its_facts(language: str) -> None:
    """What it may tell stands in parentheses."""
    listed = {row[0].strip("`"): row[2] for row in pages.rows(language, "events")}
    assert list(listed) == list(EVENTS)
    for event, row in EVENTS.items():
        optional = re.findall(r"\(`(\w+)`\)", listed[event])
        assert (tuple(pages.quoted(listed[event])), tuple(optional)) == (
            (*row.facts, *row.may),
            row.may,
        )
