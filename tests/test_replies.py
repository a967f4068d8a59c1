"""A reply is read for what it proves: bought, certainly not bought, or neither; finished, failed,
or neither.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway import outcomes, replies
from klingflow.gateway.failures import KINDS, classify_task
from klingflow.gateway.outcomes import (
    Accepted,
    Blind,
    Doubtful,
    Hiccup,
    Misnamed,
    NoReply,
    NoSuchTask,
    Refused,
    Reply,
    Running,
    Succeeded,
    TaskFailed,
    Unsent,
)
from klingflow.gateway.payload import plausible_id
from klingflow.gateway.replies import read_create, read_query
from klingflow.model import Failure
from klingflow.words import Text

ID = "task_uS28Df3npjkcVE8FfH9JQcvjWKxUgrsG"
UPSTREAM = "task_xKFlPhfIcFR1dKWSr9akbE59umufNdju"
TIER = "kling-2.5-motion-std-720p"
BEGUN = datetime(2026, 6, 8, 4, 5, 41, tzinfo=UTC)  # as 1780891541
HTML = b"<html><body>502 Bad Gateway</body></html>"
PACK = "Resource pack depleted or expired (prepaid scenario)"
CREATED = {
    "id": ID, "task_id": ID, "object": "video", "model": TIER, "status": "queued", "progress": 0,
    "created_at": 1780891541,
}  # fmt: skip


REASONS: list[dict[str, Any]] = [
    {"error": {"message": "unsafe"}},
    {"error": {"detail": "unsafe"}},
    {"error": "unsafe"},
    {"errors": [{"message": "unsafe"}]},
    {"message": "unsafe"},
    {"error_message": "unsafe"},
    {"task_status_msg": "unsafe"},
    {"reason": "unsafe"},
    {"failure_reason": "unsafe"},
    {"fail_reason": "unsafe"},
    {"metadata": {"error": "unsafe"}},
    {"metadata": {"error": {"message": "unsafe"}}},
]


def reply(status: int, body: Any = b"", /, **headers: str) -> Reply:
    """A whole reply; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def error(message: str, code: str = "") -> dict[str, Any]:
    return {"error": {"message": message, "type": "relay", "code": code}}


# Creates that were accepted


@pytest.mark.parametrize(
    ("status", "body", "accepted"),
    [
        (200, CREATED, Accepted(ID, TIER)),
        (201, {"id": "t1"}, Accepted("t1")),
        (202, {"task_id": "t1"}, Accepted("t1")),
        (200, {"id": 7250}, Accepted("7250")),
        (200, {"id": None, "task_id": "t1"}, Accepted("t1")),
        (
            200,
            {"code": "success", "message": "", "data": {"task_id": "t1", "id": 33}},
            Accepted("t1"),
        ),
        (200, {"code": "success", "data": {"id": "t1"}}, Accepted("t1")),
        (200, {**CREATED, "error": None}, Accepted(ID, TIER)),
        (200, {**CREATED, "status": "failed", "error": {"message": "no"}}, Accepted(ID, TIER)),
        (200, {**CREATED, "model": 5}, Accepted(ID)),
        (200, b"\xef\xbb\xbf" + json.dumps(CREATED).encode(), Accepted(ID, TIER)),
        (200, b'{"id":"t1","message":"\xb2\xce\xca\xfd"}', Accepted("t1")),
    ],
)
def test_an_id_in_a_2xx_is_a_purchase(status: int, body: Any, accepted: Accepted) -> None:
    """Whatever surrounds it, a plausible id is kept."""
    assert read_create(reply(status, body)) == accepted


def test_a_cut_body_that_is_whole_json_is_a_purchase() -> None:
    """The connection may break after the last brace."""
    assert read_create(Reply(200, {}, b'{"id":"t1"}', complete=False)) == Accepted("t1")


# Creates in doubt


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b"",
        b"null",
        b"[]",
        b'"t1"',
        b'{"id":"task_uS28Df',
        b'{"id":"task_1","task_id":"task_',
        b"[" * 100_000,
        b'{"id":' + b"9" * 5000 + b"}",
        {},
        {"id": None},
        {"id": ""},
        {"id": "."},
        {"id": ".."},
        {"id": "0"},
        {"id": "undefined"},
        {"id": "None"},
        {"id": "a b"},
        {"id": "a\nb"},
        {"id": "任务"},
        {"id": "x" * 257},
        {"id": True},
        {"id": 0},
        {"id": -4},
        {"id": 1.5},
        {"id": {"id": "t1"}},
        {"data": "t1"},
        {"data": [{"id": "t1"}]},
        {"code": "insufficient", "message": "no"},
        error("no"),
    ],
)
def test_a_2xx_without_a_plausible_id_is_in_doubt(body: Any) -> None:
    """The money may be spent, and there is nothing to ask after."""
    outcome = read_create(reply(200, body))
    assert isinstance(outcome, Doubtful)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_in_doubt(status: int) -> None:
    """A POST is never redirected, and who redirected it may have seen it."""
    assert isinstance(read_create(reply(status, error("moved"), location="/x")), Doubtful)


@pytest.mark.parametrize("status", [408, 409, 424, 425, 499])
@pytest.mark.parametrize("body", [b"", HTML, error("conflict")])
def test_4xx_that_speak_of_timing_are_in_doubt(status: int, body: Any) -> None:
    """They do not say that nothing was created, however readable."""
    assert isinstance(read_create(reply(status, body)), Doubtful)


@pytest.mark.parametrize("status", [400, 403, 410, 418, 422, 451])
@pytest.mark.parametrize("body", [b"", HTML, b"{", {}, {"code": "success"}, {"status": "failed"}])
def test_an_unreadable_4xx_is_in_doubt(status: int, body: Any) -> None:
    """Only the gateway's own words make these definite."""
    assert isinstance(read_create(reply(status, body)), Doubtful)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
@pytest.mark.parametrize(
    "carries",
    [
        {"id": "t1"},
        {"task_id": "t1"},
        {"data": {"task_id": "t1"}},
        {"data": {"id": 5}},
        {"error": {"message": "m", "task_id": "t1"}},
        {"detail": {"message": "m", "task_id": "t1"}},
    ],
)
def test_a_refusal_with_an_id_is_in_doubt(status: int, carries: dict[str, Any]) -> None:
    """A reply that refuses and names a task says two things at once."""
    assert isinstance(
        read_create(reply(status, {**error("no"), **carries}), refund_5xx=True), Doubtful
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 529])
@pytest.mark.parametrize("body", [b"", HTML, error("upstream error", "upstream_error")])
def test_5xx_is_in_doubt(status: int, body: Any) -> None:
    """A server that broke may have broken after the charge."""
    assert isinstance(read_create(reply(status, body)), Doubtful)


def test_a_sent_create_without_a_reply_is_in_doubt() -> None:
    """Silence proves nothing."""
    assert read_create(NoReply(True, "no answer in time")) == Doubtful(
        "no answer in time", {"reason": "no answer in time"}
    )


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, HTML, "quota"),
        (200, {"code": "insufficient_user_quota", "message": "余额不足"}, "quota"),
        (500, error("insufficient_quota"), "quota"),
        (500, error("upstream error"), None),
        (200, HTML, None),
    ],
)
def test_a_doubt_can_also_say_that_buying_should_stop(
    status: int, body: Any, kind: str | None
) -> None:
    """One purchase in doubt for an empty account is enough."""
    outcome = read_create(reply(status, body))
    assert isinstance(outcome, Doubtful)
    assert (outcome.failure.kind if outcome.failure else None) == kind


def test_a_doubt_keeps_what_a_person_needs_to_settle_it() -> None:
    """Status, request ids and the beginning of the body, bounded and clean."""
    answer = Reply(
        502,
        {
            "x-request-id": "r\x1b[31m1",
            "cf-ray": "8f",
            "content-type": "text/html",
            "set-cookie": "secret",
        },
        b"<html>\x00\x1b]0;pwned\x07\r\n\xe2\x80\xae" + b"z" * 9000,
        complete=False,
    )
    outcome = read_create(answer)
    assert isinstance(outcome, Doubtful)
    assert outcome.evidence == {
        "reason": "HTTP 502 (a page) does not say that nothing was created",
        "status": 502,
        "content_type": "text/html",
        "request_ids": {"x-request-id": "r [31m1", "cf-ray": "8f"},
        "body": ("<html> ]0;pwned " + "z" * 9000)[:2048],
        "complete": False,
    }


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            500,
            error("上游\x1b[31m失败", "x"),
            "HTTP 500 (上游 [31m失败) does not say that nothing was created",
        ),
        (200, {"code": "try_again"}, "HTTP 200 (try_again) without a readable task id"),
        (
            400,
            {"id": ID, **error("b" * 900)},
            f"HTTP 400 ({'b' * 200}) yet with a task id in the reply",
        ),
    ],
)
def test_a_doubt_tells_what_the_gateway_said(
    status: int, body: dict[str, Any], reason: str
) -> None:
    """In its words, on one line and bounded."""
    outcome = read_create(reply(status, body))
    assert isinstance(outcome, Doubtful) and outcome.reason == reason


@pytest.mark.parametrize(
    ("body", "task_id", "others"),
    [
        ({"id": ID, "task_id": ID, "status": "queued"}, ID, set()),
        ({"id": ID, "task_id": UPSTREAM, "status": "queued"}, ID, {UPSTREAM}),
        ({"id": "req-1", "code": 0, "data": {"task_id": ID}}, ID, {"req-1"}),
        ({"code": 0, "data": {"id": 33, "task_id": ID}}, ID, {"33"}),
        ({"id": ID, "model": TIER, "code": 0, "data": {"task_id": UPSTREAM}}, ID, {UPSTREAM}),
    ],
)
def test_of_several_ids_none_is_thrown_away(
    body: dict[str, Any], task_id: str, others: set[str]
) -> None:
    """The task's own goes first, and a reply that names others is kept with the purchase."""
    outcome = read_create(reply(200, body))
    assert isinstance(outcome, Accepted)
    assert outcome.task_id == task_id and set(outcome.other_ids) == others
    assert all(name in str(outcome.evidence["body"]) for name in (task_id, *others))


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, json.dumps({"prompt": "雨" * 3000, "id": ID}).encode()[:-1]),
        reply(200, HTML + b" " * 9000 + f'<a href="?task_id={ID}">'.encode()),
        reply(400, {**error("x" * 5000), "id": ID}),
        reply(202, b"", location=f"/v1/videos/{ID}"),
        reply(200, b"", x_task_id=ID),
        NoReply(True, "not HTTP", b"HTTP/2 200" + json.dumps(CREATED).encode()),
    ],
    ids=["cut", "a page", "a refusal", "an address", "a header", "no HTTP"],
)
def test_no_id_that_an_answer_names_is_lost(answer: outcomes.Answer) -> None:
    """Wherever it stands: the purchase is in doubt, and a person can look the task up."""
    outcome = read_create(answer)
    assert isinstance(outcome, Doubtful)
    assert ID in json.dumps([outcome.evidence.get("names"), outcome.evidence.get("request_ids")])


def test_both_ids_of_one_name_are_kept() -> None:
    """JSON that has a key twice is read as its last one has it."""
    outcome = read_create(reply(200, f'{{"id":"{UPSTREAM}","id":"{ID}"}}'.encode()))
    assert isinstance(outcome, Accepted)
    assert (outcome.task_id, set(outcome.other_ids)) == (ID, {UPSTREAM})


def test_what_cannot_be_unpacked_is_kept_as_it_came() -> None:
    """A person may have the program that can."""
    outcome = read_create(reply(200, b"\x8b\x05\x80", content_encoding="br"))
    assert isinstance(outcome, Doubtful) and outcome.evidence["packed"] == "iwWA"


@pytest.mark.parametrize(
    ("status", "body", "off_the_mark"),
    [
        (301, b"", True),
        (200, HTML, True),
        (200, b"", False),
        (200, b'{"id":', False),
        (502, HTML, False),
    ],
)
def test_what_a_wrong_address_answers_is_told_apart(
    status: int, body: bytes, off_the_mark: bool
) -> None:
    """A redirect, or a page that is no error."""
    outcome = read_create(reply(status, body))
    assert isinstance(outcome, Doubtful) and outcome.off_the_mark is off_the_mark


# Creates that were refused, and those that never left


def test_what_was_not_sent_is_not_in_doubt() -> None:
    """Without a connection nothing can have been bought."""
    assert read_create(NoReply(False, "no connection")) == Unsent("no connection")


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (
            400,
            error("bad seconds", "invalid_request"),
            Failure("parameters", "invalid_request", "bad seconds"),
        ),
        (
            400,
            {"code": "e1", "message": "参数错误", "data": None},
            Failure("parameters", "e1", "参数错误"),
        ),
        (
            400,
            {"code": "e1", "message": "参数错误", "data": {}},
            Failure("parameters", "e1", "参数错误"),
        ),
        (
            400,
            {"error": "seconds must be a string"},
            Failure("parameters", "http_400", "seconds must be a string"),
        ),
        (
            422,
            {"detail": [{"loc": ["body", "seconds"], "msg": "not a text", "type": "string_type"}]},
            Failure("parameters", "http_422", "body.seconds: not a text"),
        ),
        (
            422,
            {"detail": [{"loc": ["seconds"]}]},
            Failure("parameters", "http_422", "[{'loc': ['seconds']}]"),
        ),
        (400, error("提示词包含敏感内容"), Failure("moderation", "relay", "提示词包含敏感内容")),
        (400, error("参考视频 URL 无法访问"), Failure("input", "relay", "参考视频 URL 无法访问")),
        (
            400,
            error("模型不存在", "model_not_found"),
            Failure("model", "model_not_found", "模型不存在"),
        ),
        (400, error("concurrency limit", "x"), Failure("parameters", "x", "concurrency limit")),
        (
            400,
            error("no", "concurrency_limit"),
            Failure("capacity", "concurrency_limit", "no"),
        ),
        *(
            (status, {"code": 1102, "message": PACK}, Failure("quota", "1102", PACK))
            for status in (400, 429)
        ),
        (
            400,
            {"code": 1303, "message": "parallel task over resource pack limit"},
            Failure("capacity", "1303", "parallel task over resource pack limit"),
        ),
        (
            400,
            {
                "error": {
                    "message": "Invalid value for prompt: too many characters",
                    "type": "upstream_error",
                    "param": "",
                    "code": None,
                }
            },
            Failure(
                "parameters", "upstream_error", "Invalid value for prompt: too many characters"
            ),
        ),
        (401, error("无效的令牌", "invalid_token"), Failure("key", "invalid_token", "无效的令牌")),
        (401, error("该令牌额度已用尽", "x"), Failure("quota", "x", "该令牌额度已用尽")),
        (401, HTML, Failure("key", "http_401", "HTTP 401")),
        (402, b"", Failure("quota", "http_402", "HTTP 402")),
        (
            403,
            error("预扣费失败", "insufficient_user_quota"),
            Failure("quota", "insufficient_user_quota", "预扣费失败"),
        ),
        (403, error("forbidden", "x"), Failure("quota", "x", "forbidden")),
        (404, HTML, Failure("unknown", "http_404", "HTTP 404")),
        (413, HTML, Failure("too_large", "http_413", "HTTP 413")),
        (413, error("invalid", "x"), Failure("too_large", "x", "invalid")),
        (429, b"", Failure("limited", "http_429", "HTTP 429")),
        (429, HTML, Failure("limited", "http_429", "HTTP 429")),
        (
            429,
            error("Quota exceeded for requests per minute", "x"),
            Failure("limited", "x", "Quota exceeded for requests per minute"),
        ),
        (
            429,
            error("You exceeded your current quota", "insufficient_quota"),
            Failure("quota", "insufficient_quota", "You exceeded your current quota"),
        ),
        (429, error("账户已欠费", "x"), Failure("quota", "x", "账户已欠费")),
        (
            503,
            error("分组 default 下模型 kling-9 无可用渠道", "model_not_found"),
            Failure("model", "model_not_found", "分组 default 下模型 kling-9 无可用渠道"),
        ),
    ],
)
def test_a_definite_refusal_has_a_class(status: int, body: Any, failure: Failure) -> None:
    """The class decides whether it is tried again, stops buying, or goes to the author."""
    assert read_create(reply(status, body)) == Refused(failure)


@pytest.mark.parametrize(
    "body",
    [
        {
            "error": {
                "message": "unexpected end of JSON input",
                "type": "new_api_error",
                "code": "invalid_request",
            }
        },
        {"error": {"message": "参数错误: EOF", "type": "new_api_error"}},
        {
            "error": {
                "message": "未指定模型名称，模型名称不能为空",
                "type": "new_api_error",
                "code": "",
            }
        },
        {
            "code": "invalid_request",
            "message": "Expecting value: line 1 column 1 (char 0)",
            "data": None,
        },
        {
            "error": {
                "message": 'relay: upstream says {"message": "request body is empty"}',
                "code": "400",
            }
        },
        {"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]},
        {"detail": [{"type": "json_invalid", "loc": ["body", 10], "msg": "JSON decode error"}]},
        {"detail": '[{"type":"missing","loc":["body"],"msg":"Field required"}]'},
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_refusal_of_a_body_that_was_lost_is_not_about_ours(status: int, body: Any) -> None:
    """We sent it whole: a relay has repeated the request without it, and the first one may have
    been charged.
    """
    assert isinstance(read_create(reply(status, body), refund_5xx=True), Doubtful)


@pytest.mark.parametrize(
    "message",
    [
        'Post "https://upstream/v1/videos": context deadline exceeded (Client.Timeout exceeded)',
        "read tcp 10.0.0.1:443: connection reset by peer",
        "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        "Server disconnected without sending a response.",
        "TypeError: fetch failed (cause: read ECONNRESET)",
        "failed to fetch upstream response: read timeout",
        "cURL error 28: Operation timed out after 30000 milliseconds",
        "cURL error 52: Empty reply from server",
        "upstream prematurely closed connection while reading response header",
        "http2: server sent GOAWAY and closed the connection",
        "invalid character '<' looking for beginning of value",
        "Upstream request timeout",
        "上游请求超时，请稍后再试",
    ],
)
def test_a_refusal_that_tells_of_a_lost_connection_onward_is_none(message: str) -> None:
    """Who is behind the gateway may have taken it. A limit, or a picture out of reach, is a refusal
    all the same.
    """
    assert isinstance(read_create(reply(400, error(message, "x"))), Doubtful)
    assert isinstance(read_create(reply(429, error(message, "x"))), Refused)
    assert isinstance(
        read_create(reply(400, error(f"failed to fetch the image_url: {message}", "x"))), Refused
    )


@pytest.mark.parametrize(
    "message",
    [
        "upstream returned invalid model response",
        "unknown model error",
        "model_not_found: read timeout",
    ],
)
def test_a_5xx_that_only_speaks_of_a_model_is_a_doubt(message: str) -> None:
    """What came back from the model is not that there is none."""
    assert isinstance(read_create(reply(503, error(message, "x"))), Doubtful)


def test_5xx_with_the_gateways_own_error_is_definite_where_the_user_says_so() -> None:
    """`refund_5xx` makes JSON errors definite, and nothing else."""
    assert read_create(reply(500, error("no", "x")), refund_5xx=True) == Refused(
        Failure("unknown", "x", "no")
    )
    assert isinstance(read_create(reply(502, HTML), refund_5xx=True), Doubtful)
    assert isinstance(read_create(reply(500, {}), refund_5xx=True), Doubtful)


def test_a_limit_says_how_long_to_wait() -> None:
    """Retry-After goes along with the refusal."""
    outcome = read_create(reply(429, b"", retry_after="7"))
    assert outcome == Refused(Failure("limited", "http_429", "HTTP 429"), 7.0)


# Queries


@pytest.mark.parametrize(
    "status",
    [
        "completed", "succeed", "succeeded", "success", "SUCCESS", "Completed", " success ",
        "successful", "ok", "finish", "generated", "processed",
    ],
)  # fmt: skip
def test_success_has_many_names(status: str) -> None:
    """All of them finish the task."""
    assert read_query(reply(200, {"id": ID, "status": status}), task_id=ID) == Succeeded()


@pytest.mark.parametrize(
    "status",
    [
        "failed", "FAILURE", "error", "canceled", "cancelled", "expired", "Fail", "rejected",
        "timeout", "timed_out", "blocked",
        "aborted", "terminated", "deleted",
    ],
)  # fmt: skip
def test_failure_has_many_names(status: str) -> None:
    """All of them end the task; without an error the status is the reason."""
    outcome = read_query(reply(200, {"id": ID, "status": status, "model": TIER}), task_id=ID)
    low = status.lower()
    assert outcome == TaskFailed(Failure("unknown", low, f"the task is {low}"), TIER)


@pytest.mark.parametrize("status", ["moderated", "content_filtered", "Content Filtered"])
def test_a_status_can_say_why_a_task_failed(status: str) -> None:
    """Its words are read as an error's."""
    outcome = read_query(reply(200, {"id": ID, "status": status}), task_id=ID)
    assert isinstance(outcome, TaskFailed) and outcome.failure.kind == "moderation"


@pytest.mark.parametrize(
    "status", ["queued", "in_progress", "IN_PROGRESS", "In Progress", "processing", "NOT_START"]
)
def test_a_task_under_way_has_many_names(status: str) -> None:
    """None of them ends the task."""
    assert read_query(reply(200, {"id": ID, "status": status}), task_id=ID) == Running()


@pytest.mark.parametrize("status", ["unknown", "", None, 5, "什么", ["completed"]])
def test_a_status_that_says_nothing_is_asked_again(status: Any) -> None:
    """An unknown word is neither success nor failure."""
    assert isinstance(read_query(reply(200, {"id": ID, "status": status}), task_id=ID), Hiccup)


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (0, 0.0),
        (30, 30.0),
        ("30%", 30.0),
        (" 45.5 % ", 45.5),
        (100, 100.0),
        (101, None),
        (-1, None),
        ("?", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_progress_is_a_percentage_in_any_form(progress: Any, percent: float | None) -> None:
    """A number or its text; anything else is no progress."""
    body = {"id": ID, "status": "in_progress", "progress": progress}
    assert read_query(reply(200, body), task_id=ID) == Running(percent)


def test_the_documents_replies_are_read_as_it_means_them() -> None:
    """Sections 8.1–8.4: `completed_at` while in progress and a foreign `task_id` mean nothing."""
    base = {**CREATED, "task_id": UPSTREAM, "completed_at": 1780891544}
    done = {
        **base,
        "status": "completed",
        "progress": 100,
        "seconds": "5",
        "video_url": "https://c.example/x.mp4",
    }
    failed = {
        **base,
        "status": "failed",
        "error": {"code": "task_failed", "message": "参数错误:参考视频 URL 无法访问"},
    }
    running = Running(0.0, TIER, created_at=BEGUN)
    assert read_query(reply(200, CREATED), task_id=ID) == running
    assert read_query(reply(200, {**base, "status": "in_progress"}), task_id=ID) == running
    assert read_query(reply(200, done), task_id=ID) == Succeeded(
        "https://c.example/x.mp4", TIER, 5.0, created_at=BEGUN
    )
    assert read_query(reply(200, failed), task_id=ID) == TaskFailed(
        Failure("input", "task_failed", "参数错误:参考视频 URL 无法访问"), TIER, created_at=BEGUN
    )


@pytest.mark.parametrize("status", ["queued", "completed", "failed", "error", None])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_time_of_creation_is_read_where_the_status_is(status: Any, wrapped: bool) -> None:
    """Whatever the task has come to; an error without a status included."""
    task = {"id": ID, "status": status, "error": "no", "created_at": 1780891541}
    body = {"code": "success", "created_at": 5, "data": task} if wrapped else task
    outcome = read_query(reply(200, body), task_id=ID)
    assert isinstance(outcome, Running | Succeeded | TaskFailed)
    assert outcome.created_at == BEGUN


@pytest.mark.parametrize(
    "where",
    [{"video_url": "U"}, {"url": "U"}, {"metadata": {"url": "U"}}, {"result_url": "U"},
     {"video_url": "", "url": None, "metadata": None, "result_url": "U"},
     {"video_url": "file:///etc/passwd", "url": "U"}],
)  # fmt: skip
def test_the_video_is_found_where_relays_put_it(where: dict[str, Any]) -> None:
    """Four places, of which the first that holds a web address counts."""
    url = "https://cdn.example.com/视频.mp4?sig=a%2Fb"
    body = json.loads(
        json.dumps({"id": ID, "status": "completed", **where}).replace('"U"', json.dumps(url))
    )
    assert read_query(reply(200, body), task_id=ID) == Succeeded(
        "https://cdn.example.com/%E8%A7%86%E9%A2%91.mp4?sig=a%2Fb"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//h/x",
        "ftp://h/x",
        "http://",
        "https://h:99999/",
        "http://[::1",
        "h\n",
        5,
        {},
    ],
)
def test_what_is_no_web_address_is_left_to_the_content_route(url: Any) -> None:
    """A result without a usable address is still a result."""
    assert (
        read_query(reply(200, {"id": ID, "status": "completed", "video_url": url}), task_id=ID)
        == Succeeded()
    )


@pytest.mark.parametrize(
    ("said", "url", "odd"),
    [
        ("/files/a b.mp4", "https://gw.example.com/files/a%20b.mp4", ""),
        ("//cdn.example.com/v", "https://cdn.example.com/v", ""),
        ("content", None, "content"),
        ("ftp://h/x", None, "ftp://h/x"),
    ],
)
def test_an_address_is_joined_to_the_one_that_was_asked(
    said: str, url: str | None, odd: str
) -> None:
    """`video_url` relative or with a blank is tried as the browser would, else kept and told."""
    body = json.dumps({"id": ID, "status": "completed", "video_url": said}).encode()
    answer = Reply(200, {}, body, url=f"https://gw.example.com/v1/videos/{ID}")
    outcome = read_query(answer, task_id=ID)
    assert isinstance(outcome, Succeeded)
    assert (outcome.video_url, outcome.odd_url) == (url, odd)


def test_the_legacy_shape_is_read_through() -> None:
    """`data` holds the task; its `id` is the relay's row."""
    data = {
        "id": 17,
        "task_id": ID,
        "status": "SUCCESS",
        "progress": "100%",
        "url": "https://c.example/x.mp4",
    }
    wrapped = {"code": "success", "message": "", "data": data}
    assert read_query(reply(200, wrapped), task_id=ID) == Succeeded("https://c.example/x.mp4")
    failed = {**data, "status": "FAILURE", "fail_reason": "当前并发已满"}
    assert read_query(reply(200, {"code": "success", "data": failed}), task_id=ID) == TaskFailed(
        Failure("capacity", "failure", "当前并发已满")
    )


@pytest.mark.parametrize(
    "body",
    [
        {"id": UPSTREAM, "task_id": ID, "status": "completed"},
        {"id": UPSTREAM, "status": "failed"},
        {"task_id": UPSTREAM, "status": "completed"},
        {"code": "success", "data": {"id": 3, "task_id": UPSTREAM, "status": "SUCCESS"}},
    ],
)
def test_another_tasks_reply_is_never_ours(body: dict[str, Any]) -> None:
    """A mixed-up reply costs a poll, not a video. It says whose it is: a relay may have given ours
    a second name.
    """
    outcome = read_query(reply(200, body), task_id=ID)
    assert isinstance(outcome, Misnamed) and isinstance(outcome, Hiccup)
    assert (outcome.reason, outcome.name) == ("the reply is about another task", UPSTREAM)


def test_another_tasks_name_is_the_longest_of_its_ids() -> None:
    """The short one is the number of a relay's row."""
    body = {"code": "success", "data": {"id": 9, "task_id": "0af3-77", "status": "SUCCESS"}}
    outcome = read_query(reply(200, body), task_id=ID)
    assert outcome == Misnamed("the reply is about another task", None, "0af3-77", Succeeded())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (400, error("任务不存在")),
        (404, error("not found", "x")),
        (404, {"detail": "Not Found"}),
        (200, {"code": "task_not_exist", "message": "no such task"}),
    ],
)
def test_an_unknown_id_is_told_apart(status: int, body: Any) -> None:
    """It may be only young, so it is no failure of the task."""
    assert isinstance(read_query(reply(status, body), task_id=ID), NoSuchTask)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", "key"),
        (401, error("用户额度不足"), "quota"),
        (403, HTML, "quota"),
        (402, b"", "quota"),
        (429, error("insufficient_user_quota"), "quota"),
    ],
)
def test_a_refused_key_says_nothing_about_the_task(status: int, body: Any, kind: str) -> None:
    """An empty balance blinds polling, and the ids stay."""
    outcome = read_query(reply(status, body), task_id=ID)
    assert isinstance(outcome, Blind)
    assert outcome.failure.kind == kind


@pytest.mark.parametrize("status", [302, 400, 404, 405, 429, 500, 502, 503, 504, 524])
def test_a_server_that_stumbles_is_asked_again(status: int) -> None:
    """Pages and bursts of 5xx are nothing about the task; the asked-for pause is kept."""
    assert read_query(reply(status, HTML, retry_after="4"), task_id=ID) == Hiccup(
        f"HTTP {status}, a page: no answer about the task", 4.0
    )


@pytest.mark.parametrize(
    ("sent", "created", "asked"),
    [
        (
            Reply(200, {}, b"<html><title>Just a moment</title>"),
            "HTTP 200 (a page called 'Just a moment') without a readable task id",
            "HTTP 200, a page called 'Just a moment': no answer about the task",
        ),
        (
            Reply(200, {"content-encoding": "br"}, b"\x0b\x02"),
            "HTTP 200 (packed as br, which klingflow cannot read) without a readable task id",
            "HTTP 200, packed as br, which klingflow cannot read: no answer about the task",
        ),
        (
            Reply(502, {"content-encoding": "ZSTD"}, b"<html>"),
            "HTTP 502 (packed as zstd, which klingflow cannot read) does not say that nothing was"
            " created",
            "HTTP 502, packed as zstd, which klingflow cannot read: no answer about the task",
        ),
    ],
)
def test_what_came_instead_of_an_answer_is_named(sent: Reply, created: str, asked: str) -> None:
    """A page by its title, and a packing that nobody here undoes by its name."""
    outcome = read_create(sent)
    assert isinstance(outcome, Doubtful) and outcome.reason == created
    assert read_query(sent, task_id=ID) == Hiccup(asked)


def test_a_page_instead_of_an_answer_is_named_in_the_persons_language() -> None:
    """Its title is the server's; the words around it are a sentence, also within another one."""
    outcome = read_create(reply(502, b"<html><title>Bad Gateway</title>"))
    assert isinstance(outcome, Doubtful)
    assert isinstance(outcome.reason, Text)
    said = outcome.reason.said_by(lambda template: template.replace("a page called", "网页"))
    assert said == "HTTP 502 (网页 'Bad Gateway') does not say that nothing was created"


@pytest.mark.parametrize("body", [b"", HTML, b"[]", b'{"id":"ta', {}, {"id": ID}, {"status": None}])
def test_a_2xx_that_cannot_be_read_is_asked_again(body: Any) -> None:
    """A query costs nothing, so doubt costs nothing."""
    assert isinstance(read_query(reply(200, body), task_id=ID), Hiccup)


@pytest.mark.parametrize("sent", [True, False])
def test_a_query_without_a_reply_is_asked_again(sent: bool) -> None:
    """Whether it was sent does not matter here."""
    assert read_query(NoReply(sent, "no answer in time"), task_id=ID) == Hiccup("no answer in time")


@pytest.mark.parametrize(
    "body", [{"status": "failed"}, {"data": {"status": "FAILURE"}}, {"id": "", "status": "error"}]
)
def test_a_final_answer_that_names_no_task_says_so(body: Any) -> None:
    """It may be another request's reply on the same connection: the runner asks again."""
    outcome = read_query(reply(200, body), task_id=ID)
    assert isinstance(outcome, TaskFailed)
    assert not outcome.named


def test_a_success_that_names_no_task_says_so() -> None:
    """Its address may be another task's video."""
    body = {"status": "completed", "video_url": "https://c.example/x.mp4", "model": TIER}
    assert read_query(reply(200, body), task_id=ID) == Succeeded(
        "https://c.example/x.mp4", TIER, named=False
    )


@pytest.mark.parametrize(
    "more",
    [
        {"message": "ok"},
        {"message": ""},
        {"message": {}},
        {"code": {}, "message": "x"},
        {"error": {}},
        {"error": None},
        {"code": 0, "message": "SUCCESS"},
        {"code": "queued"},
        {"code": "moderation", "message": "unsafe"},
        {"code": "success", "message": "x"},
    ],
)
def test_no_task_is_given_up_for_words_that_are_not_called_an_error(more: dict[str, Any]) -> None:
    """It is paid for."""
    assert isinstance(read_query(reply(200, {"id": ID, **more}), task_id=ID), Hiccup)


@pytest.mark.parametrize(
    "words",
    [
        "invalid token",
        "insufficient user quota",
        "failed to query upstream: context deadline exceeded",
        "请求超时",
        "Too many requests, please slow down",
        "系统繁忙，请稍后再试",
    ],
)
def test_no_task_is_given_up_for_what_may_be_about_the_query(words: str) -> None:
    """Whether without a status, or with one and without a name; under both the task's failure is
    believed.
    """
    assert isinstance(read_query(reply(200, {"id": ID, "error": words}), task_id=ID), Hiccup)
    assert isinstance(
        read_query(reply(200, {"status": "failed", "error": words}), task_id=ID), Hiccup
    )
    failed = {"id": ID, "status": "failed", "error": words}
    assert isinstance(read_query(reply(200, failed), task_id=ID), TaskFailed)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "error", "message": "Service temporarily unavailable"},
        {"status": "error", "code": 429, "message": "Too many requests, please slow down"},
        {
            "id": ID,
            "status": "error",
            "message": "failed to query upstream: context deadline exceeded",
        },
        {"status": "success", "data": {"id": ID, "status": "unheard of"}},
    ],
)
def test_an_envelope_with_a_status_of_its_own_is_no_task(body: dict[str, Any]) -> None:
    """What it says is said of the query: a task that was paid for is asked after again."""
    assert isinstance(read_query(reply(200, body), task_id=ID), Hiccup)


@pytest.mark.parametrize("status", ["success", 200, "ok"])
def test_a_task_within_an_envelope_that_has_a_status_is_read(status: object) -> None:
    """The one that names the task is the task's."""
    body = {"status": status, "data": {"id": ID, "status": "processing", "progress": 30}}
    assert read_query(reply(200, body), task_id=ID) == Running(30)


def test_the_videos_own_status_counts_beside_what_came_from_further_on() -> None:
    """A reply that names its task is not an envelope."""
    body = {"id": ID, "status": "in_progress", "data": {"task_id": UPSTREAM, "status": "succeed"}}
    assert isinstance(read_query(reply(200, body), task_id=ID), Running)


def test_a_403_about_one_tasks_content_is_about_neither_key_nor_money() -> None:
    """It must not end the run."""
    said = error("the prompt violates our content policy", "content_policy_violation")
    assert isinstance(read_query(reply(403, said), task_id=ID), Hiccup)


@pytest.mark.parametrize("status", [600, 700, 999])
def test_a_status_that_http_does_not_know_is_a_doubt(status: int) -> None:
    """No rule says what such a status means."""
    body = error("model_not_found")
    assert isinstance(read_create(reply(status, body), refund_5xx=True), Doubtful)


@pytest.mark.parametrize(
    "body", [{"message": ""}, {"code": 0}, {"code": {}, "message": []}, {"error": {}}]
)
def test_a_refusal_without_words_is_a_doubt(body: dict[str, Any]) -> None:
    """A JSON object that names no error makes no refusal definite."""
    assert isinstance(read_create(reply(400, body)), Doubtful)


def test_an_error_without_a_status_is_the_tasks_only_where_it_names_the_task() -> None:
    """Otherwise it may be about the request, the key or the relay."""
    moderated = error("content policy violation", "x")
    assert read_query(reply(200, {"id": ID, **moderated}), task_id=ID) == TaskFailed(
        Failure("moderation", "x", "content policy violation")
    )
    assert isinstance(read_query(reply(200, moderated), task_id=ID), Hiccup)
    assert isinstance(
        read_query(reply(200, {"id": ID, **error("insufficient_user_quota")}), task_id=ID), Hiccup
    )


def test_an_error_beside_the_task_that_it_names_is_the_tasks() -> None:
    """The envelope of the legacy shape may hold the error, and `data` the id."""
    body = {**error("content policy violation", "x"), "data": {"id": ID}}
    assert read_query(reply(200, body), task_id=ID) == TaskFailed(
        Failure("moderation", "x", "content policy violation")
    )


def test_a_code_alone_says_what_an_error_is_about() -> None:
    """Messages often say nothing."""
    lost = {"id": ID, **error("sorry", "request_timeout")}
    assert isinstance(read_query(reply(200, lost), task_id=ID), Hiccup)
    refused = {"id": ID, "status": "failed", **error("sorry", "content_policy")}
    assert read_query(reply(200, refused), task_id=ID) == TaskFailed(
        Failure("moderation", "content_policy", "sorry")
    )


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


# Where one status, word or field ends and the next begins


@pytest.mark.parametrize("status", [100, 199, 300, 399, 400, 499, 500, 600])
def test_only_a_2xx_accepts(status: int) -> None:
    """An id beside any other status says two things at once."""
    reason = f"HTTP {status} yet with a task id in the reply"
    outcome = read_create(reply(status, CREATED))
    assert isinstance(outcome, Doubtful) and outcome.reason == reason
    assert isinstance(read_create(reply(299, CREATED)), Accepted)


@pytest.mark.parametrize("status", [199, 300])
def test_only_a_2xx_tells_of_a_task(status: int) -> None:
    """A redirect or an interim reply says nothing about a task."""
    done = {"id": ID, "status": "completed"}
    assert read_query(reply(status, done), task_id=ID) == Hiccup(f"HTTP {status}")
    assert read_query(reply(299, done), task_id=ID) == Succeeded()


@pytest.mark.parametrize("status", [400, 404, 422, 500, 599])
def test_an_end_that_names_its_task_counts_whatever_the_status(status: int) -> None:
    """Several video servers tell a failure by 4xx or 5xx."""
    said = Failure("moderation", "content_policy", "unsafe")
    failed = {"id": ID, "status": "failed", **error("unsafe", "content_policy"), "model": TIER}
    legacy = {"code": "x", "data": {"task_id": ID, "status": "FAILURE", "fail_reason": "unsafe"}}
    assert read_query(reply(status, failed), task_id=ID) == TaskFailed(said, TIER)
    assert read_query(reply(status, legacy), task_id=ID) == TaskFailed(
        Failure("moderation", "failure", "unsafe")
    )
    assert read_query(reply(status, {"id": ID, "status": "done"}), task_id=ID) == Succeeded()


@pytest.mark.parametrize(
    "body",
    [
        {"status": "failed", **error("unsafe")},
        {"id": UPSTREAM, "status": "failed", **error("unsafe")},
        {"id": ID, "status": "error", **error("unsafe")},
        {"id": ID, "status": "timeout"},
        {"id": ID, "status": "in_progress"},
        {"id": ID, **error("unsafe")},
    ],
)
def test_other_words_beside_a_4xx_or_5xx_end_no_task(body: dict[str, Any]) -> None:
    """They may be about the query, or about another task."""
    assert isinstance(read_query(reply(500, body), task_id=ID), Hiccup)


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_a_refused_key_ends_no_task_that_it_names(status: int) -> None:
    """A failure of the task's own does."""
    refused = {"id": ID, "status": "failed", **error("no", "insufficient_user_quota")}
    failed = {"id": ID, "status": "failed", **error("unsafe", "x")}
    assert isinstance(read_query(reply(status, refused), task_id=ID), Blind | Hiccup)
    assert read_query(reply(status, failed), task_id=ID) == TaskFailed(
        Failure("moderation", "x", "unsafe")
    )


@pytest.mark.parametrize("status", [401, 402, 404, 405, 411, 413, 414, 415, 429, 431])
def test_a_status_that_comes_before_any_handler_is_definite(status: int) -> None:
    """Without a readable body."""
    assert isinstance(read_create(reply(status)), Refused)


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_5xx_is_definite_only_by_certain_words(status: int) -> None:
    """Nobody offers the model, or the user says that errors are refunded."""
    assert isinstance(read_create(reply(status, error("model_not_found"))), Refused)
    assert isinstance(read_create(reply(status, error("no")), refund_5xx=True), Refused)
    assert isinstance(read_create(reply(status, error("no"))), Doubtful)
    cut = error("unexpected end of JSON input")
    assert isinstance(read_create(reply(status, cut), refund_5xx=True), Doubtful)


@pytest.mark.parametrize("words", ["connection reset by peer", "请求超时"])
def test_a_4xx_about_the_way_onward_is_a_doubt(words: str) -> None:
    """Whoever stands behind the relay may have taken the request; before a handler nobody has."""
    assert isinstance(read_create(reply(400, error(words))), Doubtful)
    assert isinstance(read_create(reply(499, error("no"))), Doubtful)
    assert isinstance(read_create(reply(429, error(words))), Refused)


@pytest.mark.parametrize(
    ("status", "body", "off_the_mark"),
    [
        (399, b"", True),
        (300, b"", True),
        (299, b"", False),
        (400, HTML, False),
        (200, b" \n<", True),
    ],
)
def test_a_wrong_address_answers_by_redirects_and_pages(
    status: int, body: bytes, off_the_mark: bool
) -> None:
    """Several of them, and nothing else, end a run."""
    outcome = read_create(reply(status, body))
    assert isinstance(outcome, Doubtful) and outcome.off_the_mark is off_the_mark


def test_evidence_is_bounded_and_keeps_every_request_id() -> None:
    """By any of these ids support can find the request."""
    names = (
        "x-request-id", "x-oneapi-request-id", "x-newapi-request-id", "request-id", "x-trace-id",
        "cf-ray",
    )  # fmt: skip
    headers = {**dict.fromkeys(names, "r" * 300), "content-type": "t" * 300}
    outcome = read_create(Reply(200, headers, b"\0" * 8191 + b"xy"))
    assert isinstance(outcome, Doubtful)
    assert outcome.evidence == {
        "reason": "HTTP 200 without a readable task id",
        "status": 200,
        "content_type": "t" * 100,
        "request_ids": dict.fromkeys(names, "r" * 200),
        "body": "x",
        "complete": True,
    }


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (410, error("gone", "x"), NoSuchTask(Failure("unknown", "x", "gone"))),
        (404, error("moderated", "x"), NoSuchTask(Failure("unknown", "x", "moderated"))),
        (400, error("no such task"), NoSuchTask(Failure("unknown", "relay", "no such task"))),
        (499, error("no such task"), NoSuchTask(Failure("unknown", "relay", "no such task"))),
        (400, error("bad id", "x"), Hiccup("HTTP 400: bad id", 4.0)),
        (500, error("no such task"), Hiccup("HTTP 500: no such task", 4.0)),
        (302, error("no such task"), Hiccup("HTTP 302: no such task", 4.0)),
        (400, error("unauthorized"), Hiccup("HTTP 400: unauthorized", 4.0)),
        (500, error("余额不足"), Hiccup("HTTP 500: 余额不足", 4.0)),
        (429, error("slow down"), Hiccup("HTTP 429: slow down", 4.0)),
        (403, error("model not found"), Hiccup("HTTP 403: model not found", 4.0)),
        (401, error("no", "x"), Blind(Failure("key", "x", "no"))),
        (402, b"", Blind(Failure("quota", "http_402", "HTTP 402"))),
    ],
)
def test_a_query_that_was_refused_is_read_by_status_and_words(
    status: int, body: Any, outcome: outcomes.QueryOutcome
) -> None:
    """Only a refused key or balance blinds, and only a known word says that the id is unknown."""
    assert read_query(reply(status, body, retry_after="4"), task_id=ID) == outcome


def test_a_body_that_is_no_object_says_so() -> None:
    """The pause that was asked for is kept."""
    said = "HTTP 200, text: no answer about the task"
    assert read_query(reply(200, b"[]", retry_after="4"), task_id=ID) == Hiccup(said, 4.0)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"id": ID}, Hiccup("the reply has no status", 4.0)),
        ({"id": ID, "status": "Odd  one"}, Hiccup("status 'odd__one' says nothing", 4.0)),
        ({"id": ID, "status": "o" * 50}, Hiccup(f"status '{'o' * 40}' says nothing", 4.0)),
        ({"status": "odd", "error": "why"}, Hiccup("status 'odd' (why) says nothing", 4.0)),
        ({"status": "odd", "code": "c"}, Hiccup("status 'odd' (c) says nothing", 4.0)),
        ({"code": "c"}, Hiccup("an error without a status: c", 4.0)),
        ({"error": "why"}, Hiccup("an error without a status: why", 4.0)),
        (
            {"code": 5, "message": "no such task"},
            NoSuchTask(Failure("unknown", "5", "no such task")),
        ),
        (
            {"id": ID, "error": "why", "model": TIER},
            TaskFailed(Failure("unknown", "", "why"), TIER),
        ),
        (
            {"data": {"task_id": ID, "error": {"code": "c", "message": "sensitive"}}},
            TaskFailed(Failure("moderation", "c", "sensitive")),
        ),
    ],
)
def test_a_reply_without_a_known_status_is_read_by_its_error(
    body: dict[str, Any], outcome: outcomes.QueryOutcome
) -> None:
    """What was paid for is given up only for an error of its own."""
    assert read_query(reply(200, body, retry_after="4"), task_id=ID) == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"status": "failed", "code": "c", "message": "m"}, Failure("unknown", "c", "m")),
        ({"status": "failed", "message": "m"}, Failure("unknown", "failed", "m")),
        ({"status": "failed", "code": "c"}, Failure("unknown", "c", "the task is failed")),
        ({"status": "failed", "fail_reason": "why"}, Failure("unknown", "failed", "why")),
        (
            {"status": "failed", "message": "m", "fail_reason": "y"},
            Failure("unknown", "failed", "m"),
        ),
        ({"status": "Expired"}, Failure("unknown", "expired", "the task is expired")),
        *(
            ({"status": "failed", **reason}, Failure("moderation", "failed", "unsafe"))
            for reason in REASONS
        ),
        (
            {"status": "failed", "code": 0, "message": "SUCCEED", "task_status_msg": "unsafe"},
            Failure("moderation", "failed", "unsafe"),
        ),
        (
            {
                "status": "rejected",
                "error": {"code": "content_policy", "message": "prompt refused by moderation"},
            },
            Failure("moderation", "content_policy", "prompt refused by moderation"),
        ),
        ({"status": "error", "error": "server busy"}, Failure("capacity", "error", "server busy")),
        ({"status": "failed", "error": "unauthorized"}, Failure("key", "failed", "unauthorized")),
        ({"status": "failed", "error": "time-out"}, Failure("unknown", "failed", "time-out")),
    ],
)
def test_a_tasks_failure_is_told_in_its_own_words(body: dict[str, Any], outcome: Failure) -> None:
    """Or else by its status; the reply names the task, so a limit is the task's, too."""
    assert read_query(reply(200, {"id": ID, **body}), task_id=ID) == TaskFailed(outcome)


@pytest.mark.parametrize(
    "body",
    [
        {"id": ID, "status": "error", "error": "unauthorized"},
        {"id": ID, "status": "error", "error": "time-out"},
        {"status": "error", "error": "anything"},
        {"status": "failed", "error": "unauthorized"},
        {"status": "failed", "error": "server busy"},
        {"status": "failed", "error": "time-out"},
    ],
)
def test_a_word_for_failed_may_be_about_the_query(body: dict[str, Any]) -> None:
    """Then the task is asked after again."""
    assert isinstance(read_query(reply(200, body), task_id=ID), Hiccup)


def test_a_failure_that_names_no_task_says_so() -> None:
    """Its kind is one that a query cannot have."""
    outcome = TaskFailed(Failure("moderation", "failed", "unsafe"), TIER, named=False)
    body = {"status": "failed", "error": "unsafe", "model": TIER}
    assert read_query(reply(200, body), task_id=ID) == outcome


def test_a_task_under_way_keeps_all_that_is_said() -> None:
    """Progress, tier, pause and time of creation."""
    body = {"status": "in-progress", "progress": "7%", "model": TIER, "created_at": 1780891541}
    outcome = Running(7.0, TIER, 4.0, named=False, created_at=BEGUN)
    assert read_query(reply(200, body, retry_after="4"), task_id=ID) == outcome


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"id": "aa", "task_id": ID, "status": "queued"}, "aa"),
        ({"data": {"id": "9", "task_id": "aa", "status": "queued"}}, "aa"),
        ({"data": {"id": "bb", "task_id": "aa", "status": "queued"}}, "bb"),
        ({"data": {"id": "aa", "task_id": "bb", "status": "queued"}}, "bb"),
    ],
)
def test_another_tasks_name_is_the_longer_one(body: dict[str, Any], name: str) -> None:
    """Beside a task id the legacy shape's `id` is a row's short number."""
    said = read_query(reply(200, body, retry_after="4"), task_id=ID)
    assert isinstance(said, Misnamed)
    assert (said.name, said.retry_after_s, said.answer) == (name, 4.0, Running(retry_after_s=4.0))


def test_another_tasks_reply_without_a_status_is_nothing() -> None:
    """There is no answer to keep for a second name."""
    said = read_query(reply(200, {"id": UPSTREAM}, retry_after="4"), task_id=ID)
    assert said == Hiccup("the reply is about another task", 4.0)
    assert not isinstance(said, Misnamed)


@pytest.mark.parametrize("row", [{"id": ID, "task_id": "x"}, {"id": 5, "task_id": ID}])
def test_the_legacy_shape_is_ours_by_either_id(row: dict[str, Any]) -> None:
    """Relays put the task id in one or the other."""
    body = {"code": "success", "data": {**row, "status": "SUCCESS"}}
    assert read_query(reply(200, body), task_id=ID) == Succeeded()


@pytest.mark.parametrize("field", ["status", "object", "model"])
def test_a_code_beside_a_tasks_own_fields_makes_no_envelope(field: str) -> None:
    """The reply is the task then, and `data` is the upstream's."""
    body = {"id": ID, "code": 0, field: "video", "data": {"task_id": UPSTREAM}}
    outcome = read_create(reply(200, body))
    assert isinstance(outcome, Accepted) and outcome.task_id == ID


def test_a_refusal_is_classed_by_its_code_too() -> None:
    """The message may say nothing."""
    failure = Failure("model", "model_not_found", "no")
    assert read_create(reply(400, error("no", "model_not_found"))) == Refused(failure)


def test_a_reply_without_headers_leaves_them_empty_in_the_evidence() -> None:
    """Nothing is invented."""
    outcome = read_create(reply(502))
    assert isinstance(outcome, Doubtful)
    assert (outcome.evidence["content_type"], outcome.evidence["request_ids"]) == ("", {})


# Whatever a server may say

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "task_id",
                    "data",
                    "error",
                    "code",
                    "message",
                    "status",
                    "progress",
                    "model",
                    "url",
                    "video_url",
                    "metadata",
                    "seconds",
                    "detail",
                    "fail_reason",
                    "type",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "openai-poll-after-ms"]), st.text(max_size=40)
)


@given(st.builds(Reply, st.integers(100, 599), HEADERS, BODIES, st.booleans()), st.booleans())
def test_no_reply_to_a_create_is_misread(answer: Reply, refund_5xx: bool) -> None:
    """Accepted needs 2xx and a clean id; Refused needs 4xx or 5xx and no id; never an exception."""
    outcome = read_create(answer, refund_5xx=refund_5xx)
    if isinstance(outcome, Accepted):
        assert 200 <= answer.status < 300
        assert plausible_id(outcome.task_id)
        assert (
            outcome.task_id.isascii()
            and outcome.task_id.isprintable()
            and " " not in outcome.task_id
        )
    if isinstance(outcome, Refused):
        assert answer.status >= 400 and answer.status not in (408, 409, 424, 425, 499)
    assert not isinstance(outcome, Unsent)


@given(st.builds(Reply, st.integers(100, 599), HEADERS, BODIES, st.booleans()))
def test_no_reply_to_a_query_breaks_the_reader(answer: Reply) -> None:
    """Whatever comes back is one of the six answers, and without a name only a 2xx tells of the
    task.
    """
    outcome = read_query(answer, task_id=ID)
    if isinstance(outcome, Succeeded | TaskFailed | Running):
        assert 200 <= answer.status < 300 or ID.encode() in answer.body


@pytest.mark.parametrize("status", [401, 404, 429])
def test_a_refusal_that_breaks_off_and_speaks_of_a_task_is_a_doubt(status: int) -> None:
    """Such a status is definite without a readable body, but not where what can be read of it says
    otherwise.
    """
    for body in (
        b'{"id": "task_x", "status": "que',
        b' {"code": 1, "data": {"task_id" : "x"}}HTTP/1.1',
    ):
        assert isinstance(replies.read_create(outcomes.Reply(status, {}, body)), outcomes.Doubtful)
    for body in (b"", b'<html>"id": "x"</html>', b'{"code": "limited", "mess'):
        assert isinstance(replies.read_create(outcomes.Reply(status, {}, body)), outcomes.Refused)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("排队中", Running), ("生成中", Running), ("已完成", Succeeded), ("成功", Succeeded),
     ("失败", TaskFailed), (" 已取消 ", TaskFailed), ("不明", Hiccup)],
)  # fmt: skip
def test_a_status_may_be_said_in_chinese(word: str, kind: type[outcomes.QueryOutcome]) -> None:
    """A video that a relay calls 已完成 was otherwise never fetched."""
    outcome = read_query(reply(200, {"id": "t1", "status": word}), task_id="t1")
    assert isinstance(outcome, kind)
