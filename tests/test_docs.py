"""The pages of the manual, in both languages: what they show runs, and every link works."""

from __future__ import annotations

import html
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from klingflow import load
from klingflow.errors import ExitCode
from klingflow.terminal.cli import cli
from tests import pages
from tests.harness import Pipeline, pipeline_at, sandboxed
from tests.test_help import parses

# Commands that are answered without a gateway: they can be run as they stand.
OFFLINE = ("validate", "render", "plan", "status", "schema")
EVERY_PAGE = [page for language in pages.LANGUAGES for page in pages.pages(language)]
PICTURES = {
    language: [pages.ROOT / "docs" / f"{name}{ending}.svg" for name in ("plan", "run")]
    for language, ending in {"en": "", "zh": "-zh"}.items()
}
DOORS = [pages.ROOT / "SECURITY.md", pages.ROOT / "CHANGELOG.md"]  # pages of one language

each_language = pytest.mark.parametrize("language", pages.LANGUAGES)
each_page = pytest.mark.parametrize("page", EVERY_PAGE, ids=pages.named)


def write_files(language: str, folder: Path) -> None:
    """Write the files that the pages show, as they show them."""
    for block in pages.blocks(language):
        if block.label.startswith("file: "):
            (folder / block.label.removeprefix("file: ")).write_text(block.text, encoding="utf-8")


@pytest.fixture(params=pages.LANGUAGES)
def shown(tmp_path: Path, request: pytest.FixtureRequest) -> Pipeline:
    """The files that the pages of one language show, in a folder."""
    write_files(request.param, tmp_path)
    return pipeline_at(tmp_path)


# ------------------------------------------------------------ what is shown runs


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tour is written for a shell")
@pytest.mark.skipif(
    not Path(sys.prefix, "bin", "activate").is_file(), reason="not a virtual environment"
)
def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    """Every command of the five minutes ends well in a fresh shell, and nothing is bought twice."""
    checkout = tmp_path / "klingflow"
    checkout.mkdir()
    (checkout / ".venv").symlink_to(sys.prefix)  # what the first command of the README makes
    done = subprocess.run(
        ["bash", "--norc", "-e", "-c", pages.labelled("en", "tour")],
        cwd=checkout,
        env={**pipeline_at(tmp_path).environ, "PATH": "/usr/local/bin:/usr/bin:/bin"},
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
    assert "5 takes: 5 done." in done.stdout


def test_the_manifest_is_complete(shown: Pipeline) -> None:
    """The manifest, rows and prices shown go together, without a warning or an unknown price."""
    manifest = load(str(shown.manifest))
    assert manifest.warnings == ()
    assert all(request.price for _, request in manifest)
    keys = [shot.key for shot in manifest.shots]
    assert {"opening", "opening#2", "postcard@16x9-上海", "ad@A-01", "ad@A-02"} <= set(keys)


def test_outputs_are_as_shown(shown: Pipeline) -> None:
    """Each `output: klingflow …` is what that command prints in the folder of the files shown."""
    every = [block for language in pages.LANGUAGES for block in pages.blocks(language)]
    outputs = [block for block in every if block.label.startswith("output: klingflow ")]
    assert outputs
    for block in outputs:
        done = shown.done(*shlex.split(block.label.removeprefix("output: klingflow ")))
        found = (done.stdout, done.stderr, done.returncode)
        assert found == (block.text, "", ExitCode.USAGE)


def test_commands_without_a_gateway_run(shown: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that need no gateway give 0, or 6 for a plan --check."""
    monkeypatch.chdir(shown.folder)
    for page in pages.pages("en"):
        for arguments in pages.commands_of(page, "klingflow"):
            if arguments[0] in OFFLINE or {"--dry-run", "--list-faults"} & set(arguments):
                expected = ExitCode.WOULD_BUY if "--check" in arguments else ExitCode.OK
                assert cli.main(arguments.copy(), standalone_mode=False) == expected, arguments


@each_page
def test_every_command_shown_is_one(page: Path) -> None:
    """Its name, options and arguments are taken by the parser; its faults are in the catalogue."""
    for arguments in [*pages.commands_of(page, "klingflow"), *commands_in_prose(page)]:
        parses(arguments)


def commands_in_prose(page: Path) -> Iterator[list[str]]:
    """The whole commands in `backticks`: not `klingflow plan FILE`, not a mere `klingflow plan`."""
    for text in pages.quoted(pages.prose_of(page)):
        if not text.startswith("klingflow "):
            continue
        for arguments in pages.calls(text, "klingflow"):
            is_form = any(word.strip("[]…") != word or word.isupper() for word in arguments)
            is_name = len(arguments) == 1 or (arguments[0] == "lock" and len(arguments) == 2)
            if not is_form and not is_name:
                yield arguments


@each_page
def test_every_test_named_is_there(page: Path) -> None:
    """Each path below `tests/`, and each function behind its `::`, exists."""
    for path, function in re.findall(r"\b(tests/[\w./]+?)(?:::(\w+))?[`\s]", pages.text_of(page)):
        assert (pages.ROOT / path).exists(), path
        if function:
            assert f"def {function}(" in (pages.ROOT / path).read_text(encoding="utf-8"), function


def test_the_python_example_runs(tmp_path: Path) -> None:
    """The program buys the one shot that it selects."""
    with sandboxed(tmp_path) as (film, _):
        film.write({"alley": {"prompt": "${{ vars.hero }}走进窄巷"}}, vars={"hero": "林夏"})
        done = subprocess.run(
            [sys.executable, "-c", pages.labelled("en", "python")],
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


# ------------------------------------------------------------ both languages, and links


@pytest.mark.parametrize("page", pages.pages("en"), ids=pages.named)
def test_both_languages_show_the_same(page: Path) -> None:
    """The Chinese page has the English page's headings, blocks and tables, comments aside."""
    twin = pages.twin(page)
    english, chinese = pages.blocks_of(page), pages.blocks_of(twin)
    assert [(b.label, b.language) for b in chinese] == [(b.label, b.language) for b in english]
    assert [pages.without_comments(b) for b in chinese] == [
        pages.without_comments(b) for b in english
    ]
    assert [level for level, _ in pages.headings_of(twin)] == [
        level for level, _ in pages.headings_of(page)
    ]
    assert markers(twin) == markers(page)
    assert names_in_tables(twin) == names_in_tables(page)


def markers(page: Path) -> list[str]:
    """What tests find things by: `table: marks`, `run-command`."""
    return re.findall(r"<!-- (.+?) -->", pages.prose_of(page))


def names_in_tables(page: Path) -> list[list[list[str]]]:
    """What stands in backticks in the first column, and the tests that are named, row by row."""
    return [
        [
            pages.quoted(row[0]) + [name for name in pages.quoted(row[-1]) if "tests/" in name]
            for row in table
        ]
        for table in pages.tables_of(page)
    ]


def test_no_page_stands_in_one_language_alone() -> None:
    """Every page has its twin, the README's included."""
    assert [pages.twin(page) for page in pages.pages("en")] == pages.pages("zh")


@pytest.mark.parametrize("page", [*EVERY_PAGE, *DOORS], ids=pages.named)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that are there, and `#…` a heading of the page they lead to."""
    for link in pages.links_of(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in pages.anchors_of(target), link


@each_page
def test_headings_have_names_of_their_own(page: Path) -> None:
    """Two headings of one name would share an anchor."""
    anchors = pages.anchors_of(page)
    assert len(anchors) == len(set(anchors))


@each_language
def test_every_page_is_linked_from_the_readme(language: str) -> None:
    """A page that nobody finds is not there."""
    readme, *others = pages.pages(language)
    linked = {(readme.parent / link.partition("#")[0]).resolve() for link in pages.links_of(readme)}
    assert [page for page in others if page.resolve() not in linked] == []


@each_language
def test_pictures_are_of_commands_and_load_nothing(language: str) -> None:
    """The README of the language shows each, its command is one, and it names no address but
    SVG's.
    """
    readme = pages.pages(language)[0]
    shown = [(readme.parent / link).resolve() for link in pages.links_of(readme)]
    for picture in PICTURES[language]:
        svg = picture.read_text(encoding="utf-8")
        assert picture in shown
        (command,) = re.findall("<title>(.+)</title>", svg)
        (arguments,) = pages.calls(html.unescape(command), "klingflow")
        parses(arguments)
        assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


@each_language
def test_a_readme_shows_the_page_in_its_language(language: str) -> None:
    """One picture of WebP, small enough for a slow line."""
    readme = pages.pages(language)[0]
    (link,) = [link for link in pages.links_of(readme) if link.endswith(".webp")]
    data = (readme.parent / link).read_bytes()
    assert link == {"en": "docs/page.webp", "zh": "docs/page-zh.webp"}[language]
    assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
    assert len(data) < 150_000


CHINESE = [*pages.pages("zh"), pages.ROOT / "klingflow/starter/film.yaml"]
HAN = "[\u4e00-\u9fff]"


@pytest.mark.parametrize("text", CHINESE, ids=pages.named)
def test_chinese_prose_has_its_own_punctuation(text: Path) -> None:
    """Beside a Chinese character stands no comma, colon, bracket or question mark of English."""
    no_prose = r"`[^`]*`|\]\([^)]*\)"  # code, and where links lead
    lists = r"\[[^]]*\]" if text.suffix == ".yaml" else "$^"
    prose = re.sub(f"{no_prose}|{lists}", "", pages.prose_of(text))
    assert re.findall(f"{HAN}[,;:?!()].*|.*[,;?!()]{HAN}", prose) == []
