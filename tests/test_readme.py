"""Both READMEs and every --help: what they show runs, and what they say is what the code has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from klingflow import load
from klingflow.decide.verbs import VERBS
from klingflow.errors import PRECEDENCE, ExitCode
from klingflow.manifest import check
from klingflow.manifest.catalogue import MODELS
from klingflow.manifest.expressions import ROOTS
from klingflow.manifest.fields import ABOUT, KIND_OF_FIELD, OUTPUT_OPTIONS, WANTED
from klingflow.manifest.functions import FILTERS, FUNCTIONS, TESTS
from klingflow.manifest.limits import RUN
from klingflow.manifest.sections import TOP
from klingflow.manifest.settings import read_settings
from klingflow.manifest.source import parse
from klingflow.model import Limits
from klingflow.sandbox.faults import parse_fault
from klingflow.terminal.cli import cli
from tests.harness import Pipeline, pipeline_at, sandboxed

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
COMMANDS = sorted(cli.commands)


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its whole name: `run`, `lock check`."""
    found = {n: c for n, c in cli.commands.items() if not isinstance(c, click.Group)}
    for group in (c for c in cli.commands.values() if isinstance(c, click.Group)):
        found |= {f"{group.name} {name}": command for name, command in group.commands.items()}
    return found


# Commands that are answered without a gateway: they can be run as they stand.
OFFLINE = ("validate", "render", "plan", "status", "schema")


class Block(NamedTuple):
    """A fenced block: its language, the comment before it (`tour`, `file: film.yaml`) and its text."""

    language: str
    label: str
    text: str


def text_of(readme: str) -> str:
    return (ROOT / readme).read_text(encoding="utf-8")


def blocks(readme: str) -> list[Block]:
    found = re.findall(
        r"(?:<!-- ([^>]+) -->\n)?^```(\w+)\n(.*?)^```$", text_of(readme), re.M | re.S
    )
    return [Block(language, label, text) for label, language, text in found]


def labelled(readme: str, label: str) -> str:
    return next(block.text for block in blocks(readme) if block.label == label)


def rows(readme: str, table: str) -> list[list[str]]:
    """The body of the table behind `<!-- table: … -->`, cell by cell."""
    after = text_of(readme).split(f"<!-- table: {table} -->\n", 1)[1].split("\n\n", 1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in after.splitlines()[2:]
    ]


def quoted(text: str) -> list[str]:
    """What stands in `backticks`."""
    return re.findall(r"`([^`]+)`", text)


def first_cells(readme: str, table: str) -> list[str]:
    return [name for row in rows(readme, table) for name in quoted(row[0])]


def without_comments(block: Block) -> list[str]:
    """The block's lines without what is said to people in another language."""
    if block.language == "text":
        return []
    lines = [re.sub(r"(^|\s)\s*#\s.*$", "", line).rstrip() for line in block.text.splitlines()]
    return [line for line in lines if line]


def shown_commands(readme: str) -> Iterator[list[str]]:
    """Every klingflow command in a fenced block, as arguments."""
    for block in blocks(readme):
        for line in block.text.splitlines() if block.language == "sh" else ():
            words = shlex.split(line, comments=True)
            if "klingflow" in words:
                arguments = words[words.index("klingflow") + 1 :]
                yield arguments[: arguments.index(">")] if ">" in arguments else arguments


def write_files(readme: str, folder: Path) -> None:
    """The files that the page shows, as it shows them."""
    for block in blocks(readme):
        if block.label.startswith("file: "):
            (folder / block.label.removeprefix("file: ")).write_text(block.text, encoding="utf-8")


@pytest.fixture
def shown(tmp_path: Path) -> Pipeline:
    write_files(ENGLISH, tmp_path)
    return pipeline_at(tmp_path)


# ------------------------------------------------------------ what is shown runs


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tour is written for a shell")
def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    """In an empty folder every command of the five minutes ends well, and nothing is bought twice."""
    environ = {**pipeline_at(tmp_path).environ}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    script = labelled(ENGLISH, "tour")
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    film = tmp_path / "my-film"
    assert (film / "outputs/sandbox/film/alley.mp4").is_file()
    lock = (film / ".klingflow/sandbox/film.lock").read_text(encoding="utf-8")
    assert len(lock.splitlines()) == 1 + 5  # a header, and one purchase for each video
    assert "5 shots: 5 done." in done.stdout


def test_the_manifest_is_complete(shown: Pipeline) -> None:
    """The page's manifest, rows and prices go together, without a warning and without an unknown
    price.
    """
    manifest = load(str(shown.manifest))
    assert manifest.warnings == ()
    assert all(request.price for _, request in manifest)
    keys = [shot.key for shot in manifest.shots]
    assert {"opening", "opening#2", "postcard@16x9-上海", "ad@A-01", "ad@A-02"} <= set(keys)


def test_the_mistakes_are_told_as_shown(shown: Pipeline) -> None:
    """The page's bad manifest gives the page's output."""
    label = "output: klingflow validate bad.yaml"
    process = shown.start("validate", "bad.yaml")
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == (labelled(ENGLISH, label), "", ExitCode.USAGE)


def test_commands_without_a_gateway_run(shown: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that need no gateway give 0, or 6 for a plan --check."""
    monkeypatch.chdir(shown.folder)
    for arguments in shown_commands(ENGLISH):
        if arguments[0] in OFFLINE or "--dry-run" in arguments or "--list-faults" in arguments:
            expected = ExitCode.WOULD_BUY if "--check" in arguments else ExitCode.OK
            assert cli.main(arguments.copy(), standalone_mode=False) == expected, arguments


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_every_command_shown_is_one(readme: str) -> None:
    """Its name, options and arguments are taken by the parser, and its faults are in the catalogue."""
    for arguments in shown_commands(readme):
        parses(arguments)


def test_the_python_example_runs(tmp_path: Path) -> None:
    """The program buys the one shot that it selects."""
    with sandboxed(tmp_path) as (film, _):
        film.write({"alley": {"prompt": "${{ vars.hero }}走进窄巷"}}, vars={"hero": "林夏"})
        program = labelled(ENGLISH, "python")
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=film.environ,
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert "create alley never bought" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("OK ['task_")


# ------------------------------------------------------------ what is said is so


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_fields_are_those_of_the_language(readme: str) -> None:
    """Each table of fields has exactly the names of its table in the code."""
    assert set(first_cells(readme, "top")) == set(TOP)
    assert sorted(first_cells(readme, "wanted")) == sorted(field.name for field in WANTED)
    assert sorted(first_cells(readme, "about")) == sorted(field.name for field in ABOUT)
    assert first_cells(readme, "kinds") == list(KIND_OF_FIELD)
    kinds = {
        name: quoted(row[1])[0]
        for row in rows(readme, "kinds")
        for name in (quoted(row[0]) or ["none of them"])
    }
    assert kinds == {**KIND_OF_FIELD, "none of them": "text"}
    options = next(row for row in rows(readme, "wanted") if row[0] == "`output_config`")
    assert quoted(options[1]) == list(OUTPUT_OPTIONS)


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_limits_have_their_defaults_and_flags(readme: str) -> None:
    """The table of limits, read as a manifest's `run:`, is what a manifest without one has."""
    table = {quoted(row[0])[0]: row for row in rows(readme, "run")}
    assert list(table) == list(RUN)
    assert {name: quoted(row[2])[-1:] for name, row in table.items()} == {
        name: [limit.flag] if limit.flag else [] for name, limit in RUN.items()
    }
    said = {name: parse(row[1], "README").value for name, row in table.items() if row[1] != "none"}
    assert read_settings(said, RUN, Limits) == (Limits(), {})
    for name in table.keys() - said.keys():
        assert getattr(Limits(), RUN[name].attribute) is None


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_exit_codes_are_those_of_the_code(readme: str) -> None:
    """The table has every exit code, and the order of precedence is the code's."""
    assert [int(row[0]) for row in rows(readme, "exit")] == [int(code) for code in ExitCode]
    order = text_of(readme).split("<!-- table: exit -->", 1)[1].split("\n\n", 2)[1]
    assert re.findall(r"\d+", order) == [str(int(code)) for code in PRECEDENCE]


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_marks_codes_and_names_are_those_of_the_code(readme: str) -> None:
    """Plan marks, liftable rules, and what expressions know."""
    marks = {row[1].replace(" ", "_"): quoted(row[0])[0] for row in rows(readme, "marks")}
    assert marks == {verb: row.mark for verb, row in VERBS.items()}
    assert set(first_cells(readme, "allow")) == check._LIFTED
    assert first_cells(readme, "names") == list(ROOTS)
    listed = re.findall(r"^- \S.*?[:：] ?((?:`\w+`[, 、]*)+)$", text_of(readme), re.M)
    assert [quoted(line) for line in listed] == [
        sorted(table) for table in (FILTERS, FUNCTIONS, TESTS)
    ]


WORDS = {"无": "no", "有": "yes", "存疑": "unsure", "仅 1080P": "1080P only"}


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_models_are_those_of_the_catalogue(readme: str) -> None:
    """What the page says of a model is what it is checked against."""
    said = {
        quoted(row[0])[0]: [WORDS.get(cell, cell) for cell in row[1:]]
        for row in rows(readme, "models")
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


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_every_command_and_option_is_there(readme: str) -> None:
    """The table of commands has them all, each with its own options and no others."""
    known_names = leaves()
    found = {
        next(n for n in known_names if f"{row[0].strip('`')} ".startswith(f"klingflow {n} ")): row[
            2
        ]
        for row in rows(readme, "commands")
    }
    assert sorted(found) == sorted(known_names)
    found["run"] = " ".join(row[0] for row in rows(readme, "run-options"))
    for name, said in found.items():
        options = [set(p.opts) for p in known_names[name].params if isinstance(p, click.Option)]
        known = {word for names in options for word in names}
        written = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said))
        assert written <= known, name
        assert [names for names in options if not names & written] == [], name


def test_both_languages_show_the_same() -> None:
    """The Chinese page has the English page's files, commands and tables, comments aside."""
    english, chinese = blocks(ENGLISH), blocks(CHINESE)
    assert [b.label for b in chinese] == [b.label for b in english]
    assert [b.language for b in chinese] == [b.language for b in english]
    assert [without_comments(b) for b in chinese] == [without_comments(b) for b in english]
    tables = re.findall(r"<!-- table: \S+ -->", text_of(ENGLISH))
    assert re.findall(r"<!-- table: \S+ -->", text_of(CHINESE)) == tables


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_links_lead_somewhere(readme: str) -> None:
    """Relative links name files that are there, and `#…` a heading of the page."""
    text = text_of(readme)
    anchors = {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.M)
    }
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    links = re.findall(r"\]\(([^)]+)\)", prose)
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif "://" not in link:
            assert (ROOT / link).exists(), link


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE])
def test_every_promise_names_tests_that_are_there(readme: str) -> None:
    """The command that tries to break it can be run."""
    commands = [row[2].strip("`").split() for row in rows(readme, "promises")]
    assert len(commands) > 5
    for program, *paths in commands:
        assert program == "pytest" and paths
        assert [path for path in paths if not (ROOT / path).is_file()] == []


# ------------------------------------------------------------ --help


def test_help_ends_well_and_names_every_command(tmp_path: Path) -> None:
    """The program's own help, as a process."""
    said = pipeline_at(tmp_path).do("--help")
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", said, re.M)] == []
    assert "..." not in said.split("Commands:")[1]  # no summary is too long for its line
    assert re.findall(r"(?:^    | · )(\d+) ", said, re.M) == [str(int(code)) for code in ExitCode]


@pytest.mark.parametrize("name", sorted([*COMMANDS, *(n for n in leaves() if n not in COMMANDS)]))
def test_every_help_has_an_example_that_parses(name: str) -> None:
    """`klingflow COMMAND --help` shows how to use it, and every option says what it does."""
    command = leaves().get(name) or cli.commands[name]
    with command.make_context(name, [], resilient_parsing=True) as context:
        said = command.get_help(context)
    examples = re.findall(r"^ *(?:KLINGFLOW_\S+ )*klingflow (.+)$", said, re.M)
    assert any(f"{example} ".startswith(f"{name} ") for example in examples)
    for example in examples:
        parses(shlex.split(re.split(r"\s{3,}| > ", example)[0]))
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert [option for option in silent if option != "form"] == []  # its choices say it all


def parses(arguments: list[str]) -> None:
    """Fails unless the command line takes `arguments`."""
    name, *rest = arguments
    if isinstance(group := cli.commands[name], click.Group):
        with group.commands[rest[0]].make_context(rest[0], rest[1:]):
            return
    with cli.commands[name].make_context(name, rest) as context:
        for fault in context.params.get("faults", ()):
            parse_fault(fault)
