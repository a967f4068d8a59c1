"""The house's rules: imports point down, PURE modules read nothing, heavy imports come late."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.density import heavy

PACKAGE = Path(__file__).parent.parent / "klingflow"

# From the ground up. A room imports rooms below it, and its own.
FLOORS = [
    {"words"},
    {"errors"},
    {"model"},
    {"plain_files"},
    {"disk"},
    {"manifest"},
    {"gateway"},
    {"ledger"},
    {"decide"},
    {"results"},
    {"assets", "media"},
    {"edit"},
    {"runner"},
    {"cluster"},
    {"api"},
    {"pages"},
    {"terminal"},
    {"__main__"},
]
# The double of the gateway knows nothing of the client, which knows nothing of it: the command line
# starts it.
SANDBOX_MAY_IMPORT = {"errors", "sandbox"}
SANDBOX_IS_IMPORTED_BY = {"sandbox", "terminal"}
# Rooms that know nothing of rooms below them, although they might (docs/development.md).
STRANGERS = {
    "ledger": {"gateway"},
    "assets": {"ledger", "decide", "results"},
    "edit": {"manifest", "gateway", "ledger", "decide"},
    "media": {"gateway", "ledger", "decide"},
    "pages": {"gateway", "cluster", "runner"},
}
# What writes a text as one line, or as a paragraph.
SAYING = {f"console.{verb}" for verb in ("say", "warn", "prose", "ask")}
# Rooms in which every module is PURE; elsewhere purity is each module's own word.
PURE_ROOMS = {"words", "errors", "model", "manifest", "decide", "results"}
# Modules that read a clock, a file, the environment or a random source. `random.Random(seed)` would
# be pure; nobody has needed it yet.
IMPURE_MODULES = {
    "os", "sys", "time", "random", "secrets", "uuid", "pathlib", "glob", "shutil", "tempfile",
    "socket", "subprocess", "threading", "asyncio", "anyio", "httpx", "logging", "platform",
    "getpass", "importlib",
}  # fmt: skip
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "now", "utcnow", "today"}
# Rooms whose PURE modules each have a test file of their own, and are held to a mutation score by
# mutants.py; and the room in which every module is.
HELD_ROOMS = {"gateway", "ledger", "decide"}
WHOLE_ROOMS = {"runner"}
# Modules whose nearest tests have another name, or several.
NEAREST = {"gateway/outcomes": ("create_replies", "query_replies")}
# Rooms whose docstring is a map of all their modules.
ROOMS_WITH_A_MAP = (
    "model", "manifest", "gateway", "ledger", "decide", "results", "assets", "media", "runner",
    "cluster", "api", "pages",
)  # fmt: skip
HEAVY = {
    "yaml",
    "jsonschema",
    "jinja2",
    "httpx",
    "anyio",
    "rich",
    "starlette",
    "uvicorn",
    "dotenv",
    "obstore",
    "av",
    "PIL",
    "opentimelineio",
    "pyJianYingDraft",
}


@cache
def modules() -> list[tuple[str, Path, ast.Module]]:
    """All of the package, read once for all tests."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [
        (
            path.relative_to(PACKAGE).parts[0].removesuffix(".py"),
            path,
            ast.parse(path.read_text(encoding="utf-8")),
        )
        for path in paths
    ]


@cache
def imports(tree: ast.Module) -> list[str]:
    return [*imports_in(tree)]


def imports_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            module = node.module or ""
            yield module
            names = (f"{module}.{alias.name}" for alias in node.names)
            yield from (name for name in names if is_room(name) or is_module(name))


def rooms_imported(tree: ast.Module) -> set[str]:
    names = {name.split(".")[1] for name in imports(tree) if name.startswith("klingflow.")}
    return {
        name for name in names if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
    }


def test_imports_point_down() -> None:
    """A room knows the rooms below it and its own, and nothing above."""
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for room, path, tree in modules()
        if room not in ("__init__", "sandbox")
        for other in rooms_imported(tree) - {room, "sandbox"}
        if floor[other] >= floor[room]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", STRANGERS)
def test_what_a_room_must_not_know_it_does_not_import(room: str) -> None:
    """What is said to be handed in is handed in."""
    known = {other for one, _, tree in modules() if one == room for other in rooms_imported(tree)}
    assert known & STRANGERS[room] == set()


def test_the_sandbox_and_the_client_know_nothing_of_each_other() -> None:
    """What the sandbox judges by is its own, and no line of the client is written for it."""
    for room, path, tree in modules():
        if room == "sandbox":
            assert rooms_imported(tree) <= SANDBOX_MAY_IMPORT, path
        elif "sandbox" in rooms_imported(tree):
            assert room in SANDBOX_IS_IMPORTED_BY, path


@pytest.mark.parametrize("room", ROOMS_WITH_A_MAP)
def test_a_room_says_what_its_modules_are_for(room: str) -> None:
    """Whoever opens a folder finds each of its files in the docstring of the folder."""
    said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))) or ""
    names = {path.name for path in (PACKAGE / room).glob("*.py")} - {"__init__.py"}
    assert [name for name in sorted(names) if name not in said] == []


def is_pure(tree: ast.Module) -> bool:
    """True if the module's docstring says so."""
    return (ast.get_docstring(tree) or "").startswith("PURE")


def test_rooms_that_only_decide_are_pure() -> None:
    """A module that acts has no place among those that decide."""
    wrong = [
        path.relative_to(PACKAGE).as_posix()
        for room, path, tree in modules()
        if room in PURE_ROOMS and path.stem != "__init__" and not is_pure(tree)
    ]
    assert wrong == []


def test_pure_modules_read_no_clock_file_environment_or_chance() -> None:
    """Whatever a decision depends on is handed in."""
    wrong = []
    for _, path, tree in modules():
        if not is_pure(tree):
            continue
        wrong += [
            f"{path.name}: import {n}" for n in imports(tree) if n.split(".")[0] in IMPURE_MODULES
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                wrong += [f"{path.name}:{node.lineno}: {name}()"] if name in IMPURE_CALLS else []
    assert wrong == []


def test_pure_modules_import_only_pure_modules() -> None:
    """A module is no purer than what it stands on."""
    pure = {
        ".".join(("klingflow", *path.relative_to(PACKAGE).with_suffix("").parts))
        for _, path, tree in modules()
        if is_pure(tree)
    }
    wrong = []
    for _, path, tree in modules():
        if is_pure(tree) and path.stem != "__init__":
            ours = {name for name in imports(tree) if name.startswith("klingflow.")}
            wrong += [f"{path.name}: import {n}" for n in ours if n not in pure and not is_room(n)]
    assert wrong == []


def is_room(name: str) -> bool:
    """True for a package: what is imported from it is a module of it, or a name that its own PURE
    modules have (see the next test).
    """
    return (PACKAGE.parent / name.replace(".", "/")).is_dir()


def is_module(name: str) -> bool:
    return (PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file()


def test_a_pure_room_gives_names_of_its_own_modules_alone() -> None:
    """A name that a room gives is no less pure than the modules of the room."""
    wrong = [
        f"{room}: {name}"
        for room, path, tree in modules()
        if room in PURE_ROOMS and path.stem == "__init__"
        for name in imports(tree)
        if name != "__future__" and not name.startswith(f"klingflow.{room}.")
    ]
    assert wrong == []


def test_only_one_module_speaks_http() -> None:
    """httpx has one home in the client."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for _, path, tree in modules()
        if "httpx" in set(imports(tree))
    }
    assert users == {"gateway/transport.py"}


def test_what_is_said_is_said_line_by_line() -> None:
    """A line end inside a text is shown as a blank, since a server may have sent it."""
    said = {
        f"{path.name}:{part.lineno}"
        for room, path, tree in modules()
        if room == "terminal"
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in SAYING
        for part in ast.walk(call)
        if isinstance(part, ast.Constant) and "\n" in str(part.value)
    }
    assert said == set()


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("av", {"media", "sandbox"}),
        ("PIL", {"media", "sandbox"}),
        ("opentimelineio", {"edit"}),
        ("pyJianYingDraft", {"edit"}),
    ],
)
def test_an_extra_has_one_room(library: str, rooms: set[str]) -> None:
    """Who lacks an extra lacks that room and no other. The sandbox shares no code."""
    users = {
        room
        for room, _, tree in modules()
        if library in {name.partition(".")[0] for name in imports(tree)}
    }
    assert users == rooms


@pytest.mark.parametrize(
    "statement",
    [
        *("import klingflow", "import klingflow.model"),
        "import klingflow.terminal.cli, klingflow.terminal.console",  # all that `--help` imports
    ],
)
def test_start_up_imports_nothing_heavy(statement: str) -> None:
    """`klingflow --help` does not pay for YAML, JSON Schema and HTTP."""
    code = f"{statement}; import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert HEAVY.isdisjoint(loaded)


# What a host of a cluster never does: it plans nothing, reads no manifest and holds no ledger.
NOT_OF_A_HOST = {
    *("yaml", "jsonschema", "jinja2"),
    *("klingflow.manifest.compilation", "klingflow.decide.plan", "klingflow.decide.schedule"),
    *("klingflow.runner.context", "klingflow.ledger.store", "klingflow.api.running"),
}


def test_a_host_imports_nothing_that_it_never_does() -> None:
    """A host that starts after a death is waited for."""
    pytest.importorskip("temporalio")
    at_work = ("terminal.cli", "terminal.console", "api.working", "cluster.temporal.worker")
    code = f"import {', '.join(f'klingflow.{name}' for name in at_work)}, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "klingflow.cluster.hands" in loaded
    assert NOT_OF_A_HOST.isdisjoint(loaded)


def late_imports(source: str) -> Iterator[tuple[int, bool]]:
    """Each group of imports inside a function: its line, and True if a comment on it or above it
    says why.
    """
    lines = source.splitlines()
    inside = {
        node.lineno
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    for first in sorted(number for number in inside if number - 1 not in inside):
        last = next(n for n in range(first, len(lines) + 1) if n + 1 not in inside)
        group = lines[first - 1 : last]
        above = lines[first - 2].strip()
        yield first, above.startswith("#") or any("  # " in line for line in group)


def test_imports_inside_functions_say_why() -> None:
    """For start-up, as a rule: nothing else is a reason to hide what a module stands on."""
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for _, path, _ in modules()
        for line, said in late_imports(path.read_text(encoding="utf-8"))
        if not said
    ]
    assert wrong == []


# Calls that read or write text unless their mode, or the lack of one, says bytes.
FILES = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "TextIOWrapper"}
PROCESSES = {"run", "Popen", "check_output", "check_call"}


def texts(tree: ast.Module) -> Iterator[tuple[int, str, set[str]]]:
    """Each call that reads or writes text, as `reads` or `writes`, with the keywords it names."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        owner, _, name = ast.unparse(node.func).rpartition(".")
        named = {keyword.arg or "**" for keyword in node.keywords}
        if name in ("read_text", "write_text"):
            yield node.lineno, "reads" if name == "read_text" else "writes", named
        elif name in PROCESSES and owner == "subprocess":
            if named & {"text", "universal_newlines", "encoding", "errors", "**"}:
                yield node.lineno, "reads", named
        elif name in FILES and owner != "av" and (modes := _modes(node)) is not None:
            yield node.lineno, "writes" if set(modes) & set("wax+") else "reads", named


def _modes(call: ast.Call) -> str | None:
    """The mode of an opening of text; None where it is one of bytes, or of no file at all."""
    said = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    texts = [word.value for word in said if isinstance(word, ast.Constant)]
    modes = [word for word in texts if isinstance(word, str) and set(word) <= set("rwaxbt+")]
    opens = modes or ast.unparse(call.func) in ("open", "io.open", "os.fdopen")
    return None if not opens or any("b" in mode for mode in modes) else "".join(modes)


def test_every_text_names_its_encoding_and_what_ends_its_lines() -> None:
    """Otherwise Windows reads and writes GBK or cp1252, and ends lines in two characters."""
    wanted = {"reads": {"encoding"}, "writes": {"encoding", "newline"}}
    silent = [
        f"{path.name}:{line} {sorted(wanted[kind] - named)}"
        for _, path, tree in modules()
        for line, kind, named in texts(tree)
        if wanted[kind] - named
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("open(p)", [(1, "reads", set())]),
        ("open(p, 'a', encoding='utf-8')", [(1, "writes", {"encoding"})]),
        ("p.open('w')", [(1, "writes", set())]),
        ("p.open('rb')", []),
        ("os.fdopen(fd, 'w')", [(1, "writes", set())]),
        ("os.fdopen(fd, mode='wb')", []),
        ("os.open(p, flags)", []),
        ("gateway.open(url, headers)", []),
        ("p.read_text()", [(1, "reads", set())]),
        ("p.write_text(t, encoding='utf-8')", [(1, "writes", {"encoding"})]),
        ("subprocess.run(['a'], capture_output=True)", []),
        ("subprocess.run(['a'], text=True)", [(1, "reads", {"text"})]),
        ("anyio.run(f)", []),
    ],
)
def test_a_text_is_known_by_its_call(call: str, found: list[tuple[int, str, set[str]]]) -> None:
    """The rule above sees what would be text."""
    assert list(texts(ast.parse(call))) == found


def held_modules() -> Iterator[str]:
    """Every module that is tested in a file of its own, as `decide/caps`."""
    for room, path, tree in modules():
        is_held = room in WHOLE_ROOMS or (room in HELD_ROOMS and is_pure(tree))
        if is_held and path.stem != "__init__":
            yield path.relative_to(PACKAGE).with_suffix("").as_posix()


def nearest_tests(module: str) -> list[str]:
    """The test files of a module, relative to the project; only those that are there."""
    names = NEAREST.get(module, (Path(module).name,))
    files = [f"tests/test_{name}.py" for name in names]
    return [file for file in files if (PACKAGE.parent / file).is_file()]


def test_what_decides_or_runs_has_a_test_file_of_its_own() -> None:
    """A bug in one of these modules fails near by, in a file that is easy to find."""
    assert [module for module in held_modules() if not nearest_tests(module)] == []


def test_a_function_takes_ten_decisions_at_most() -> None:
    """Ruff counts neither the operands of a condition nor conditional expressions."""
    assert [place for _, path, tree in modules() for place in heavy(str(path), tree)] == []


def test_a_module_has_400_lines_at_most() -> None:
    """One that grows beyond knows two things, and is split by what it knows."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for _, path, _ in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}


def test_names_say_something() -> None:
    """No module is called for being useful."""
    empty = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}
    assert [path for _, path, _ in modules() if path.stem in empty] == []


# Calls whose texts a person reads: an error, a mistake, a row of a table, a line on the terminal.
TELLING = re.compile(
    r"(?:(?:\w*Error|\w*Failed|\w*Row|Diagnostic|Fault|Finding|NotHad|NotStored|BadParameter)"
    r"|console\.(?:say|warn|prose|ask))$"
)
# Errors that no person is meant to read; those of httpcore are put in our words by
# transport.py.
PROGRAMMERS = {"AssertionError", "AttributeError"}
# Fields of rows that hold a name of a Literal type, which is looked up when it is shown.
NAMES = {"label", "question"}
TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? +[A-Za-z]{2,}")


def english(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each text of two words or more that is told to a person outside of `_()`."""
    for call in ast.walk(tree):
        name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        is_read = name not in PROGRAMMERS and not name.startswith("httpcore.")
        if not isinstance(call, ast.Call) or not is_read or not TELLING.search(name):
            continue
        named = (word.value for word in call.keywords if word.arg not in NAMES)
        for told in [*call.args, *named]:
            for text in (told.body, told.orelse) if isinstance(told, ast.IfExp) else (told,):
                if TWO_WORDS.search(found := _text(text)):
                    yield text.lineno, found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "{}"


def test_what_a_person_reads_can_be_translated() -> None:
    """A sentence outside of `_()` stays English in every language (docs/development.md)."""
    told = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for room, path, tree in modules()
        if room not in ("sandbox", "__init__")
        for line, text in english(tree)
    ]
    assert told == []
