"""Each kind of failure is one row, and each error finds its kind."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest

from klingflow.gateway.failures import (
    KINDS,
    classify_refusal,
    classify_task,
    kind_of,
    says_body_was_lost,
    says_model_is_not_offered,
    says_no_such_task,
    says_way_was_lost,
)
from klingflow.manifest.schema import generate
from klingflow.model import Failure, FailureKind

ROOT = Path(__file__).parent.parent
ALL = get_args(FailureKind)


def failure(kind: Any) -> Failure:
    return Failure(kind, "x", "y")


def names_where(trait: str) -> set[str]:
    return {name for name, kind in KINDS.items() if asdict(kind)[trait]}


# One row a kind


@pytest.mark.parametrize("name", ALL)
def test_a_kind_has_a_row(name: FailureKind) -> None:
    """mypy knows the kinds; this test finds one without a row."""
    assert name in KINDS


@pytest.mark.parametrize("name", ALL)
def test_the_schemas_name_a_kind(name: str) -> None:
    """The ledger and the record of a run hold it."""
    lock = generate("lock")["$defs"]["purchase"]["properties"]["error"]
    shot = generate("run-manifest")["properties"]["shots"]["items"]["properties"]["error"]
    for error in (lock, shot):
        said = error["properties"]["kind"]["description"]
        assert name in said.removeprefix("One of ").removesuffix(".").split(", ")


@pytest.mark.parametrize("name", ALL)
def test_the_documents_explain_a_kind(name: FailureKind) -> None:
    """In both languages, and in English with the row's own words."""
    english = (ROOT / "docs/failures.md").read_text("utf-8")
    chinese = (ROOT / "docs/zh/failures.md").read_text("utf-8")
    assert f"\n| `{name}` | {KINDS[name].meaning} | " in english
    assert f"\n| `{name}` | " in chinese


def test_what_follows_from_a_kind() -> None:
    """Money hangs on these sets: change one on purpose only."""
    assert names_where("stops_buying") == {"key", "quota"}
    assert names_where("passes") == {"limited", "capacity"}
    assert names_where("retried") == {"capacity"}
    assert set(ALL) - names_where("answered") == {"not_sent"}
    assert {n for n, kind in KINDS.items() if kind.of_the_request} == {
        "key", "quota", "limited", "capacity",
    }  # fmt: skip


def test_a_status_means_one_kind() -> None:
    """No status stands in two rows."""
    statuses = [status for kind in KINDS.values() for status in kind.statuses]
    assert sorted(statuses) == sorted(set(statuses))


@pytest.mark.parametrize("name", KINDS)
def test_a_row_is_found_by_a_failure(name: FailureKind) -> None:
    """Each kind has its own."""
    assert kind_of(failure(name)) is KINDS[name]


def test_a_kind_from_a_newer_ledger_is_unknown() -> None:
    """It stops nothing and buys nothing again."""
    assert kind_of(failure("bewitched")) is KINDS["unknown"]


# Statuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "parameters"), (401, "key"), (402, "quota"), (403, "quota"), (404, "unknown"),
        (411, "parameters"), (413, "too_large"), (414, "parameters"), (415, "parameters"),
        (422, "parameters"), (429, "limited"), (431, "too_large"), (500, "unknown"),
    ],
)  # fmt: skip
def test_a_status_without_words_has_a_kind(status: int, kind: str) -> None:
    """Words that say nothing change nothing."""
    assert classify_refusal(status, "", "") == kind
    assert classify_refusal(status, "relay", "it did not work") == kind


WORDS: dict[FailureKind, str] = {
    "quota": "insufficient balance",
    "moderation": "prompt is sensitive",
    "model": "model not found",
    "input": "image url cannot be opened",
    "capacity": "server busy",
    "key": "unauthorized",
    "parameters": "bad request",
}
SURE: dict[int, tuple[str, set[FailureKind]]] = {
    401: ("key", {"quota"}),
    402: ("quota", set()),
    403: ("quota", {"moderation", "model", "key"}),
    413: ("too_large", set()),
    429: ("limited", {"quota"}),
}


@pytest.mark.parametrize("said", WORDS)
@pytest.mark.parametrize("status", SURE)
def test_a_sure_status_is_overruled_by_certain_words_only(status: int, said: FailureKind) -> None:
    """A 429 that speaks of a key is a limit all the same; one that speaks of arrears is not."""
    own, overruling = SURE[status]
    kind = said if said in overruling else own
    assert classify_refusal(status, "", WORDS[said]) == kind
    assert classify_refusal(status, WORDS[said], "") == kind


@pytest.mark.parametrize("said", WORDS)
@pytest.mark.parametrize("status", [404, 431, 500, 503])
def test_words_overrule_any_other_status(status: int, said: FailureKind) -> None:
    """Relays choose 404, 500 and 503 without care."""
    assert classify_refusal(status, "", WORDS[said]) == said


@pytest.mark.parametrize("said", WORDS)
@pytest.mark.parametrize("status", [400, 422])
def test_a_status_that_quotes_needs_a_code_for_what_stops_or_passes(
    status: int, said: FailureKind
) -> None:
    """A quota or a lack of capacity holds up every shot, so words alone do not prove it."""
    by_words = "parameters" if said in ("quota", "capacity") else said
    assert classify_refusal(status, "", WORDS[said]) == by_words
    assert classify_refusal(status, "x", WORDS[said]) == by_words
    assert classify_refusal(status, WORDS[said], "") == said


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500])
@pytest.mark.parametrize(
    ("code", "kind"), [("1101", "quota"), ("1102", "quota"), ("1303", "capacity")]
)
def test_the_upstreams_own_codes_are_known(status: int, code: str, kind: str) -> None:
    """An empty prepaid pack never ends; too many tasks at once pass, and are a limit at 429."""
    kind = "limited" if status == 429 and kind == "capacity" else kind
    within = f'upstream: {{"code":{code},"message":"no"}}'
    assert classify_refusal(status, code, "no") == kind
    assert classify_refusal(status, "upstream_error", within) == kind


@pytest.mark.parametrize("words", ["status_code=1102", "1102", "scode: 1102", "code: 11020"])
def test_a_number_within_a_message_is_a_code_only_where_it_is_called_one(words: str) -> None:
    """Others may be sizes, seeds or lines."""
    assert classify_refusal(400, "upstream_error", words) == "parameters"


def test_a_code_counts_before_words() -> None:
    """Except a code about parameters, which many relays give to every refusal."""
    assert classify_task("content_policy", "server busy") == "moderation"
    assert classify_task("1303", "参数错误") == "capacity"
    assert classify_task("invalid_request_error", "the prompt is sensitive") == "moderation"
    assert classify_refusal(429, "invalid_request_error", "insufficient balance") == "quota"


@pytest.mark.parametrize("words", ["server busy", "任务排队", "insufficient balance"])
def test_a_failure_of_parameters_is_no_lack_of_capacity(words: str) -> None:
    """It would be bought again under `retries`."""
    assert classify_task("invalid_parameter", words) == "parameters"
    assert classify_task("task_failed", words) != "parameters"


# Words


@pytest.mark.parametrize("name", KINDS)
def test_words_are_written_as_they_are_compared(name: FailureKind) -> None:
    """In lower case, one blank apart, or they would never be found; nor behind a later row."""
    names = list(KINDS)
    for phrase in KINDS[name].words:
        assert phrase == " ".join(re.split(r"[\s_\-]+", phrase.lower().strip()))
        for said in (phrase.strip("*"), phrase.strip("*").replace(" ", "_")):
            assert names.index(classify_task("", said)) <= names.index(name)


@pytest.mark.parametrize("name", KINDS)
def test_no_phrase_is_written_twice(name: FailureKind) -> None:
    """Each stands in one row, once."""
    phrases = [phrase for kind in KINDS.values() for phrase in kind.words]
    assert all(phrases.count(phrase) == 1 for phrase in KINDS[name].words)


@pytest.mark.parametrize(
    "words",
    [
        "a hall at full capacity",
        "人们在雨中排队",
        "繁忙的街道",
        "饱和的色彩",
        "拥挤的人群",
        "屏幕上的余额",
        "手机充值的广告",
        "the pipeline",
        "upstream_error",
    ],
)
def test_words_of_a_scene_are_no_kind(words: str) -> None:
    """A service may have made the quote unrecognisable, such as by translating it."""
    assert classify_task("task_failed", words) == "unknown"
    assert not says_way_was_lost(words, words)


@pytest.mark.parametrize("spelling", ["Insufficient_User-Quota", "INSUFFICIENT USER\tQUOTA"])
def test_case_spaces_and_dashes_do_not_matter(spelling: str) -> None:
    """In the code and in the message."""
    assert classify_task(spelling, "") == "quota"
    assert classify_task("", spelling) == "quota"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("parameter error: the prompt is sensitive", "moderation"),
        ("insufficient balance for this copyright", "quota"),
        ("unknown model: not a safety issue", "moderation"),
        ("unsupported model", "model"),
        ("download fail: server busy", "input"),
        ("too many requests for this invalid token", "capacity"),
        ("invalid token", "key"),
        ("invalid seconds", "parameters"),
        ("insufficient resource", "capacity"),
    ],
)
def test_of_several_words_the_earlier_row_counts(message: str, kind: str) -> None:
    """The order of the rows is their precedence."""
    assert classify_task("", message) == kind


# What else an error can say


@pytest.mark.parametrize(
    "words", ["task_not_exist", "Task not found", "record not found", "任务不存在"]
)
def test_an_unknown_task_is_said_in_words(words: str) -> None:
    """As a code or as a message, in both languages."""
    assert says_no_such_task(words, "") and says_no_such_task("x", words)


@pytest.mark.parametrize("words", ["task failed", "not found", "任务失败", ""])
def test_other_words_do_not_say_that_a_task_is_unknown(words: str) -> None:
    """A paid task is not taken for unknown because of a loose word."""
    assert not says_no_such_task("x", words)


@pytest.mark.parametrize(
    ("code", "message", "lost"),
    [
        ("", "unexpected end of JSON input", True),
        ("empty_body", "", True),
        ("", "request: EOF", True),
        ("", "you must provide a model parameter", True),
        ("", "请求体为空", True),
        ("EOF", "", False),  # a code is no sentence
        ("", "the GEOFFREY effect", False),
        ("", "eof", False),
        ("", "the body of the text is too long", False),
    ],
)
def test_a_lost_body_is_said_in_words(code: str, message: str, lost: bool) -> None:
    """Our body was sent whole, so another request is meant."""
    assert says_body_was_lost(code, message) is lost


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ("read tcp: connection reset by peer", True),
        ("context deadline exceeded", True),
        ("invalid character '<' looking for beginning of value", True),
        ("连接中断", True),
        ("timeout while fetching the image", False),
        ("图片下载超时", False),
        ("bad seconds", False),
        ("upstream_error", False),
        ("the pipeline is full", False),
        ("write EPIPE", True),
        ("UpstreamTimeoutError", True),
        ("requesttimeout", True),
    ],
)
def test_a_lost_way_is_said_in_words(message: str, lost: bool) -> None:
    """About an input such words are definite."""
    assert says_way_was_lost("", message) is lost
    assert says_way_was_lost(message, "") is lost


@pytest.mark.parametrize(
    ("message", "nobody"),
    [
        ("model_not_found", True),
        ("分组 default 下无可用渠道", True),
        ("model not found: connection reset", False),
        ("invalid model response", False),
        ("", False),
    ],
)
def test_a_model_that_nobody_offers_is_said_in_words(message: str, nobody: bool) -> None:
    """Only where the request was not passed on."""
    assert says_model_is_not_offered("", message) is nobody
    assert says_model_is_not_offered(message, "") is nobody


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("当前并发数已达上限", "capacity"),
        ("server is overloaded", "capacity"),
        ("RequestLimitExceeded", "capacity"),
        ("task backlog", "capacity"),
        ("内容审核不通过", "moderation"),
        ("The prompt is too sensitive", "moderation"),
        ("risk control rejected", "moderation"),
        ("参数错误: duration", "parameters"),
        ("Invalid parameter: aspect_ratio", "parameters"),
        ("prompt length limit exceeded", "unknown"),
        ("too many images", "unknown"),
        ("internal error, please try again later", "unknown"),
        ("invalid image url", "input"),
        ("图片下载失败", "input"),
        ("failed to fetch the reference", "input"),
        ("参数错误:提示词包含敏感词", "moderation"),
        ("账户余额不足", "quota"),
        ("", "unknown"),
    ],
)
def test_a_failed_tasks_words_give_its_class(message: str, kind: str) -> None:
    """In English and Chinese; capacity only where the words leave no doubt, since it may be bought
    again.
    """
    assert classify_task("task_failed", message) == kind
    assert kind in KINDS
