"""What no line of the code does, whatever it is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests import pages
from tests.test_house import PACKAGE, modules

# Modules that run what they read, or speak without proof of whom to.
BANNED_MODULES = {
    "pickle", "marshal", "shelve", "dill", "code", "codeop", "ctypes", "ftplib", "telnetlib",
    "smtplib", "xmlrpc", "webbrowser", "pty",
}  # fmt: skip
BANNED_CALLS = {
    "eval", "exec", "compile", "__import__", "system", "popen", "spawnl", "execv", "mktemp",
    "unsafe_load", "full_load", "_create_unverified_context", "from_string",
}  # fmt: skip
# It opens an address of its own making, because the user asked for that page.
OPENS_A_BROWSER = "terminal/look_commands.py"
BANNED_NAMES = {"CERT_NONE", "UnsafeLoader", "FullLoader", "Loader", "YAMLObject"}
STARTS_PROCESSES = {
    "api/cluster_demo.py",
    "cluster/temporal/server.py",
    "assets/commands.py",
    "api/ignored.py",
    "media/fonts.py",
    "media/inspector.py",
    "media/kept_frames.py",
    "media/decoder.py",
    "sandbox/child.py",
    "sandbox/clips.py",
}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for _, path, tree in modules():
        for node in ast.walk(tree):
            yield path.relative_to(PACKAGE).as_posix(), node


def named(node: ast.AST) -> str:
    found = getattr(node, "id", None) or getattr(node, "attr", None)
    return found if isinstance(found, str) else ""


def test_nothing_that_was_read_is_run() -> None:
    """No pickle, no eval, no shell, no YAML loader that makes objects; no certificate goes
    unchecked.
    """
    wrong = []
    for file, node in nodes():
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imported = [alias.name for alias in node.names] + [str(getattr(node, "module", ""))]
            banned = BANNED_MODULES - ({"webbrowser"} if file == OPENS_A_BROWSER else set())
            wrong += [f"{file}: import {n}" for n in imported if n.split(".")[0] in banned]
        elif isinstance(node, ast.Call) and named(node.func) in BANNED_CALLS:
            is_python = isinstance(node.func, ast.Name) or named(
                getattr(node.func, "value", node)
            ) in (
                "os",
                "builtins",
            )
            if is_python or named(node.func) not in ("compile", "from_string"):
                wrong.append(f"{file}:{node.lineno}: {named(node.func)}()")
        elif isinstance(node, (ast.Name, ast.Attribute)) and named(node) in BANNED_NAMES:
            wrong.append(f"{file}:{node.lineno}: {named(node)}")
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "verify"):
            value = node.value
            if isinstance(value, ast.Constant):
                wrong.append(f"{file}:{value.lineno}: {node.arg}={value.value!r}")
    assert wrong == []


def test_few_modules_start_a_process() -> None:
    """The sandbox, without the key (test_security_sandbox.py); the search for a font, for its clips
    and for cards; doctor, which asks git (test_ignored.py); what looks at videos and draws pictures
    of them, and a trial's cluster, without the key (test_inspector.py); and the command that the
    user's own environment names for uploads (test_commands.py).
    """
    users = {
        file
        for file, node in nodes()
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and "subprocess" in [*(alias.name for alias in node.names), getattr(node, "module", "")]
    }
    assert users == STARTS_PROCESSES


def test_nothing_is_made_in_a_shared_folder_but_the_last_resort() -> None:
    """The temporary folder is everybody's (test_security_files.py), except a `TemporaryDirectory`
    in it, which only its user may enter.
    """
    private = {"TemporaryDirectory"}
    users = {
        file
        for file, node in nodes()
        if (isinstance(node, ast.Import) and node.names[0].name == "tempfile")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "tempfile"
            and not {alias.name for alias in node.names} <= private
        )
        or (isinstance(node, ast.Constant) and node.value in ("/tmp", "/var/tmp"))
    }
    assert users == {"ledger/emergency.py"}


def test_every_promise_of_security_names_its_tests() -> None:
    """A promise without a proof is none; test_docs.py looks whether each test is there."""
    tables = pages.tables_of(pages.ROOT / "docs" / "security.md")
    promises = [row for table in tables for row in table if len(row) == 2]
    assert len(promises) > 25
    assert [promise for promise, proof in promises if "`tests/" not in proof] == []
