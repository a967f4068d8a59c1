"""From a path to a Manifest: files, settings, variables and the order of diagnostics."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.errors import ManifestError
from klingflow.manifest.compilation import compile
from klingflow.model import GatewaySettings, Json, Limits, Manifest, Rate

HEAD = "version: 1\ndefaults: { model: kling-2.5 }\n"


def compiled(text: str, files: dict[str, str] | None = None, **variables: Json) -> Manifest:
    known = {"films/neon.yaml": text, **(files or {})}

    def read(path: str) -> str:
        if path not in known:
            raise FileNotFoundError(2, "No such file or directory")
        return known[path]

    return compile(
        "films/neon.yaml",
        read,
        variables=variables,
        environ={"KLINGFLOW_VAR_url": "https://gateway.example.com"},
    )


def refused(text: str, files: dict[str, str] | None = None, **variables: Json) -> list[str]:
    with pytest.raises(ManifestError) as error:
        compiled(text, files, **variables)
    return str(error.value).splitlines()


def test_a_manifest_has_its_files_stem_for_a_name_and_files_beside_it() -> None:
    made = compiled(
        HEAD + "include: [parts/more.yaml]\nshots: { a: { prompt: x } }",
        {"films/parts/more.yaml": "shots: { b: { prompt: y } }"},
    )
    assert (made.name, [shot.output for shot in made.shots]) == (
        "neon",
        ["outputs/neon/a.mp4", "outputs/neon/b.mp4"],
    )
    assert list(made.sources) == ["films/neon.yaml", "films/parts/more.yaml"]


PRICES = "currency: CNY\ntiers: { '*': { per_request: 3 } }\n"
DEARER = "currency: CNY\nfailed_tasks: refunded\ntiers: { '*': { per_request: 9 } }\n"


def compiled_with_prices(text: str, prices: str | None) -> Manifest:
    """As `compiled`; `prices` is the file that the environment names."""
    known = {"film.yaml": text, "prices.yaml": PRICES, "/mine": DEARER, "/empty": "{}"}
    return compile("film.yaml", known.__getitem__, variables={}, environ={}, prices=prices)


@pytest.mark.parametrize(
    ("prices", "amount", "failed_tasks", "file"),
    [(None, 3, None, "prices.yaml"), ("/mine", 9, "refunded", "/mine")],
)
def test_prices_of_the_environment_win_over_the_manifests(
    prices: str | None, amount: int, failed_tasks: str | None, file: str
) -> None:
    """The manifest remembers which file it was."""
    made = compiled_with_prices(HEAD + "prices: prices.yaml\nshots: { a: { prompt: x } }", prices)
    assert made.requests[0].price and made.requests[0].price.amount == amount
    assert made.prices is not None
    assert (made.prices.failed_tasks, made.prices.file) == (failed_tasks, file)
    assert made.prices.overrules == (prices is not None)


def test_wrong_prices_of_the_environment_are_mistakes_at_their_place() -> None:
    with pytest.raises(ManifestError) as caught:
        compiled_with_prices(HEAD + "shots: { a: { prompt: x } }", "/empty")
    assert str(caught.value).splitlines()[0] == (
        "/empty:1:1: error[missing-field]: 'currency' is missing"
    )


@pytest.mark.parametrize(
    ("written", "budget"),
    [("", None), ("budget: 500", "500"), ("budget: '12.50'", "12.50"), ("budget: 0", "0"),
     ("vars: { most: 7 }\nbudget: ${{ vars.most }}", "7")],
)  # fmt: skip
def test_a_budget_is_an_exact_amount(written: str, budget: str | None) -> None:
    made = compiled(f"{HEAD}{written}\nshots: {{ a: {{ prompt: x }} }}")
    assert made.budget == (None if budget is None else Decimal(budget))


@pytest.mark.parametrize("written", ["-1", "much", "[1]", "${{ 'much' }}", "${{ 0 - 1 }}"])
def test_what_is_no_amount_is_no_budget(written: str) -> None:
    """It is one mistake, at its place."""
    found = refused(f"{HEAD}budget: {written}\nshots: {{ a: {{ prompt: x }} }}")
    assert [line.partition(" error")[0] for line in found] == ["films/neon.yaml:3:9:"]


def test_settings_are_read_and_the_rest_has_its_defaults() -> None:
    made = compiled(
        HEAD + "vars: { url: x }\ngateway: { base_url: '${{ vars.url }}', refund_5xx: true }\n"
        "run: { max_running: 9, submit: 6000/1s, poll_floor: 250ms, max_spend: 12.5,"
        " deadline: 2h }\n"
        "shots: { a: { prompt: x } }"
    )
    assert made.gateway == GatewaySettings("https://gateway.example.com", True)
    assert made.limits == Limits(
        max_running=9,
        submit=Rate(6000, 1.0),
        poll_floor_s=0.25,
        max_spend=Decimal("12.5"),
        deadline_s=7200.0,
    )


def test_variables_of_the_command_line_win_everywhere_and_are_data() -> None:
    text = (
        HEAD + "vars: { who: Lin }\nshots: { a: { prompt: '${{ vars.who }}', vars: { who: Bo } } }"
    )
    assert compiled(text, who="${{ x }}").requests[0].body["prompt"] == "${{ x }}"
    assert refused(text, woh=1) == [
        "--var:1:1: error[unknown-variable]: there is no variable 'woh'; did you mean 'who'?"
    ]


def test_what_is_handed_in_is_of_the_kind_that_the_manifest_declares() -> None:
    fields = (
        "model: kling-3.0, prompt: '${{ vars.who }}', note: '${{ vars.n + 1 }}',"
        " title: '${{ vars.on }}'"
    )
    text = f"version: 1\nvars: {{ who: Lin, n: 5, on: x }}\nshots:\n  a: {{ {fields} }}"
    shot = compiled(text, who="0123", n="6", on="true").shots[0]
    assert (shot.fields["prompt"], shot.about["note"], shot.about["title"]) == ("0123", 7, "true")


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"n": "x"}, "--var:1:1: error[wrong-type]: 'n' is a number in vars:, and 'x' is not"),
        (
            {"whom": "2"},
            "--var:1:1: error[unknown-variable]: there is no variable 'whom'; did you mean 'who'?",
        ),
    ],
)
def test_what_cannot_be_handed_in_is_a_mistake(variables: dict[str, Json], wrong: str) -> None:
    """Each names the variable, and where it came from."""
    shot = "{ model: kling-3.0, prompt: '${{ vars.who }}' }"
    text = f"version: 1\nvars: {{ who: Lin, n: 5 }}\nshots:\n  a: {shot}"
    assert refused(text, **variables) == [wrong]


def test_what_is_handed_in_reaches_an_included_file() -> None:
    """By its kind, too; and the manifest says which variables of the environment set something."""
    made = compiled(
        HEAD + "include: [more.yaml]\nshots: { a: { prompt: '${{ vars.url }}' } }",
        {"films/more.yaml": "vars: { url: '1', unused: 2 }"},
        unused="3",
    )
    assert made.requests[0].body["prompt"] == "https://gateway.example.com"
    assert made.environment == ("KLINGFLOW_VAR_url",)


def test_the_texts_of_rows_are_there_for_the_diagnostics_about_them() -> None:
    rows = "sku\nA\nA\n"
    shot = "{ foreach: r.csv, key: '${{ row.sku }}', model: kling-3.0, prompt: x }"
    text = f"version: 1\nshots:\n  a: {shot}"
    with pytest.raises(ManifestError) as error:
        compiled(text, {"films/r.csv": rows})
    assert error.value.diagnostics[0].mark.file == "films/r.csv"
    assert error.value.sources["films/r.csv"] == rows


def test_all_mistakes_are_told_at_once_in_the_order_of_files_and_lines() -> None:
    text = (
        HEAD
        + "include: [b.yaml]\nshots:\n  a: { prompt: '${{ no }}' }\n"
        + "  c: { promt: x, prompt: x }\n  -: { prompt: x }\n"
    )
    found = refused(text, {"films/b.yaml": "shots: { d: { prompt: '${{ no }}' } }"})
    assert [re.match(r"(\S+): error\[(\S+)\]", line).groups() for line in found] == [  # type: ignore[union-attr]
        ("films/neon.yaml:5:17", "undefined"),
        ("films/neon.yaml:6:8", "unknown-field"),
        ("films/neon.yaml:7:3", "bad-id"),
        ("films/b.yaml:1:24", "undefined"),
    ]


def test_a_file_that_cannot_be_read_is_a_diagnostic() -> None:
    with pytest.raises(
        ManifestError,
        match=r"^no\.yaml:1:1: error\[unreadable\]: no\.yaml cannot be read: No such file or d",
    ):
        compile(
            "no.yaml",
            lambda path: (_ for _ in ()).throw(OSError(2, "No such file")),
            variables={},
            environ={},
        )


def test_takes_share_one_request() -> None:
    made = compiled(HEAD + "shots: { a: { prompt: x, takes: 3 } }")
    assert [shot.key for shot in made.shots] == ["a", "a#2", "a#3"]
    assert made.requests[0] is made.requests[1] is made.requests[2]


def test_rows_without_a_row_warn() -> None:
    made = compiled(HEAD + "shots: { a: { foreach: [], key: x, prompt: x }, b: { prompt: x } }")
    assert [d.code for d in made.warnings] == ["no-rows"]


WORDS = (
    *(
        "version: 1\n",
        "shots:\n",
        "  a: ",
        "  b:\n",
        "    ",
        "prompt: x\n",
        "{ ",
        " }",
        "\n",
        "vars: ",
        "use: p\n",
    ),
    *(
        "[1]",
        "matrix: ",
        "foreach: ",
        "include: ",
        "takes: 2\n",
        "${{ vars.a }}",
        "null",
        "a",
        ": ",
        "run: ",
        "'",
    ),
    *(
        "- ",
        "name: ",
        "defaults:\n",
        "presets:\n",
        "output: ",
        "prices: ",
        "tags: ",
        "after: ",
        "env: ",
        "extra: ",
    ),
)


@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
def test_any_manifest_is_compiled_or_refused(text: str) -> None:
    """And nothing else comes out of compile."""
    try:
        compiled("version: 1\n" + text)
    except ManifestError as error:
        assert error.diagnostics
