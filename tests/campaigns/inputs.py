"""What is fed to klingflow's readers, and what they may do with it: give a value, or refuse it at a
place.

Everything is drawn from files that mean something (pipelines, the cases of tests, a ledger),
changed at random.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from klingflow.errors import Diagnostic, LedgerError, ManifestError
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import journal_line, lock_line, parse_journal, parse_lock, runner_line
from klingflow.manifest.compilation import compile as compile_manifest
from klingflow.manifest.source import parse
from tests.purchases import AT, done, intent, submitted, succeeded

ROOT = Path(__file__).parents[2]
SAMPLES = sorted([*ROOT.glob("pipelines/**/*.yaml"), *ROOT.glob("tests/cases/*/*.yaml")])
_ENVIRON = {"KLINGFLOW_VAR_CDN": "https://cdn.example.com", "HOME": "/root"}
# One shot that uses each thing another file brings.
_EXPRESSION = (
    "version: 1\nvars: {a: 1, list: [1, x], deep: {b: 林夏}}\n"
    "shots:\n  s: {model: kling-3.0, prompt: %s}\n"
)
_PRICES = "version: 1\nprices: prices.yaml\nshots: {s: {model: kling-3.0, prompt: x}}\n"
_ROWS = (
    "version: 1\nshots:\n"
    "  s: {model: kling-3.0, foreach: rows.%s, key: '${{ row.sku }}', prompt: '${{ row.name }}'}\n"
)


def _compiled(files: Mapping[str, str]) -> None:
    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]

    try:
        manifest = compile_manifest("film.yaml", read, variables={}, environ=_ENVIRON)
    except ManifestError as error:
        assert error.diagnostics, "refused without a reason"
        for diagnostic in error.diagnostics:
            _placed(diagnostic, error.sources)
    else:
        for _, request in manifest:
            json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode()


def _placed(diagnostic: Diagnostic, sources: Mapping[str, str]) -> None:
    mark = diagnostic.mark
    assert mark.file in sources, f"{diagnostic} is in no file that was read"
    assert 1 <= mark.line <= len(sources[mark.file].splitlines()) + 1 and mark.column >= 1, str(
        diagnostic
    )
    assert diagnostic.code and diagnostic.text and "\n" not in diagnostic.text, repr(diagnostic)


def _yaml(text: str) -> None:
    try:
        parse(text, "film.yaml")
    except ManifestError as error:
        for diagnostic in error.diagnostics:
            _placed(diagnostic, {"film.yaml": text})


def _neighbours() -> dict[str, str]:
    folder = ROOT / "pipelines"
    files = [p for p in folder.rglob("*") if p.suffix in (".yaml", ".csv")]
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in files}


_NEIGHBOURS = _neighbours()


def _manifest(text: str) -> None:
    _compiled({**_NEIGHBOURS, "film.yaml": text})


def _expression(text: str) -> None:
    _compiled({"film.yaml": _EXPRESSION % json.dumps("x ${{ " + text + " }}")})
    _compiled({"film.yaml": _EXPRESSION % json.dumps("${{ " + text + " }}")})


def _prices(text: str) -> None:
    _compiled({"film.yaml": _PRICES, "prices.yaml": text})


def _rows(suffix: str) -> Callable[[str], None]:
    return lambda text: _compiled({"film.yaml": _ROWS % suffix, f"rows.{suffix}": text})


def _ledger_file(read: Callable[[bytes, str], object]) -> Callable[[str], None]:
    def run(text: str) -> None:
        try:
            read(text.encode("utf-8", "surrogatepass"), "film")
        except LedgerError as error:
            assert "newer klingflow" in str(error)

    return run


_EXPRESSIONS = [
    "vars.deep.b", "vars.list[1] ~ 'x'", "'a' if vars.a else 'b'", "range(3) | join(',')",
    "zip(vars.list, [1,2])", "vars.a + 1 // 2 ** 3", "'%s' % vars.a", "'x' * 100",
    "vars.deep | tojson | slug", "shots.s.video_url", "[1,2][::2] | first", "{'a': {'b': 1}}.a.b",
    "min(1, 2) is defined", "(vars.a, 2) | last", "'{}'.format(1)",
    "vars.list | sort | unique | length | pad(9999)", "not vars.a and 'b' in vars.deep",
    "\"a\" 'b'", "1.e400", "-0x7f", "''.__class__.__mro__", "self._TemplateReference__context",
    "cycler.__init__", "lipsum()", "vars['a' 'b']",
]  # fmt: skip
_PRICE_LISTS = [
    (ROOT / "pipelines" / "prices.yaml").read_text(encoding="utf-8"),
    "currency: CNY\nas_of: 2026-01-01\ntiers:\n"
    "  'kling-*': {per_second: 0.6, min_seconds: 5}\n  '*': {by_seconds: {5: 3, 10: 6}}\n",
]
_TABLES = {
    "csv": [
        'sku,name\nA1,"雨, 夜"\nA2,x\n',
        (ROOT / "pipelines" / "products.csv").read_text(encoding="utf-8"),
    ],
    "json": [
        '[{"sku": "A1", "name": "雨"}, {"sku": "A2", "name": 1.5}]',
        '[{"sku": [1], "name": null}]',
    ],
    "jsonl": ['{"sku": "A1", "name": "x"}\n{"sku": "A2", "name": "y"}\n'],
    "yaml": ["- {sku: A1, name: x}\n- {sku: A2, name: y}\n"],
}
_LIVES = [
    done("a"),
    succeeded("b", 2),
    submitted("雨"),
    intent("d"),
    replace(intent("e"), evidence={"body": {"x": 1}}),
]
_LOCK = lock_header("0123456789abcdef", 7, len(_LIVES)) + b"".join(map(lock_line, _LIVES))
_JOURNAL = runner_line(7, "host", AT, "film.yaml") + b"".join(map(journal_line, _LIVES))

_MANIFESTS = [p.read_text(encoding="utf-8", errors="replace") for p in SAMPLES]

# By name: what reads a text, and the texts it begins from.
TARGETS: dict[str, tuple[Callable[[str], None], list[str]]] = {
    "yaml": (_yaml, _MANIFESTS),
    "manifest": (_manifest, _MANIFESTS),
    "expression": (_expression, _EXPRESSIONS),
    "prices": (_prices, _PRICE_LISTS),
    **{suffix: (_rows(suffix), texts) for suffix, texts in _TABLES.items()},
    "lock": (_ledger_file(parse_lock), [_LOCK.decode()]),
    "journal": (_ledger_file(parse_journal), [_JOURNAL.decode()]),
}  # fmt: skip

_NASTY = [
    "", " ", "\n", "\t", "\r\n", "\0", "\ufeff", "\u2028", "\u0085", "\u202e", "\ud800", "😀",
    "e\u0301", "ſ", "\x1b[2J", "null", "~", "true", "yes", "0123", "0x1F", "1e999", "-.inf",
    ".nan", "1_000", "99999999999999999999999", "2026-01-01", "16:9", "&a", "*a", "<<: *a",
    "!!python/object:os.system", "!tag", "|", ">", "|2-", "---", "...", "%YAML 1.1", "? ", ": ",
    "- ", "{", "}", "[", "]", ",", "'", '"', "#", "\\", "`", "@", "${{", "}}", "$${{",
    "${{ vars.", "${{ shots.", "%}", "{%", "shots:", "defaults:", "presets:", "matrix:",
    "foreach:", "include:", "use:", "takes:", "cuts:", "request:", "extra:", "vars:", "run:",
    "gateway:", "prices:", "output:", "{name}", "{shot}", "../", "/etc/passwd", "CON", "a" * 300,
    "[" * 80, "{a: " * 80, "- " * 80, "&x [*x]", '{"klingflow_lock":1', "<<<<<<< ours", "=======",
    ">>>>>>> theirs", "'''", "x,y,z", "((((((((", "))))", "**", "//", "|join", "range(10**9)",
    "'a'*10**9", "not " * 60, "-" * 60, "~x" * 60, "if x else ",
]  # fmt: skip


def changed(text: str, corpus: list[str], chance: Random) -> str:
    """The text after one to six random changes: lines moved, pieces of other texts, nasty words,
    lost characters.
    """
    for _ in range(chance.randint(1, 6)):
        at, to = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        to = min(to, at + chance.choice((1, 3, 10, 80, 1000)))
        match chance.randrange(8):
            case 0:
                text = text[:at] + text[to:]
            case 1 | 2:
                text = text[:at] + chance.choice(_NASTY) + text[chance.choice((at, to)) :]
            case 3:
                text = text[:at] + text[at:to] * chance.choice((2, 3, 20)) + text[to:]
            case 4:
                other = chance.choice(corpus)
                begin = chance.randint(0, len(other))
                text = text[:at] + other[begin : begin + chance.choice((5, 50, 500))] + text[to:]
            case 5:
                lines = text.splitlines(keepends=True) or [text]
                first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
                lines[first], lines[second] = lines[second], lines[first]
                text = "".join(lines)
            case 6:
                text = (
                    text[:at]
                    + chr(chance.choice((chance.randrange(128), chance.randrange(0x11_0000))))
                    + text[at + 1 :]
                )
            case _:
                lines = text.splitlines(keepends=True) or [text]
                line = chance.randrange(len(lines))
                lines[line] = " " * chance.randint(0, 9) + lines[line].lstrip(" ")
                text = "".join(lines)
    return text[:60_000]
