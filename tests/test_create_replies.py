"""A reply to a create is read for what it proves: bought, certainly not bought, or neither."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway.create_replies import read_create
from klingflow.gateway.outcomes import (
    Accepted,
    Answer,
    Doubtful,
    NoReply,
    Refused,
    Reply,
    Unsent,
)
from klingflow.gateway.payload import plausible_id
from klingflow.model import Failure
from klingflow.words import Text, kept
from tests.replies import BODIES, CREATED, HEADERS, HTML, ID, TIER, UPSTREAM, error, reply

PACK = "Resource pack depleted or expired (prepaid scenario)"


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
        "no answer in time", {"reason": "no answer in time"}, lost=True
    )


@pytest.mark.parametrize(("status", "lost"), [(502, True), (500, True), (408, False), (302, False)])
def test_a_create_is_lost_where_the_gateway_itself_is_broken(status: int, lost: bool) -> None:
    """The next one would be in doubt, too. A 4xx in doubt is about one request."""
    outcome = read_create(reply(status, HTML))
    assert isinstance(outcome, Doubtful)
    assert outcome.lost is lost


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
        "reason_words": kept(outcome.reason),
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
def test_no_id_that_an_answer_names_is_lost(answer: Answer) -> None:
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


def test_a_page_instead_of_an_answer_is_named_in_the_persons_language() -> None:
    """Its title is the server's; the words around it are a sentence, also within another one."""
    outcome = read_create(reply(502, b"<html><title>Bad Gateway</title>"))
    assert isinstance(outcome, Doubtful)
    assert isinstance(outcome.reason, Text)
    said = outcome.reason.said_by(lambda template: template.replace("a page called", "网页"))
    assert said == "HTTP 502 (网页 'Bad Gateway') does not say that nothing was created"


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


@pytest.mark.parametrize("status", [100, 199, 300, 399, 400, 499, 500, 600])
def test_only_a_2xx_accepts(status: int) -> None:
    """An id beside any other status says two things at once."""
    reason = f"HTTP {status} yet with a task id in the reply"
    outcome = read_create(reply(status, CREATED))
    assert isinstance(outcome, Doubtful) and outcome.reason == reason
    assert isinstance(read_create(reply(299, CREATED)), Accepted)


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
        "reason_words": kept(outcome.reason),
        "status": 200,
        "content_type": "t" * 100,
        "request_ids": dict.fromkeys(names, "r" * 200),
        "body": "x",
        "complete": True,
    }


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


@pytest.mark.parametrize("status", [401, 404, 429])
def test_a_refusal_that_breaks_off_and_speaks_of_a_task_is_a_doubt(status: int) -> None:
    """Such a status is definite without a readable body, but not where what can be read of it says
    otherwise.
    """
    for body in (
        b'{"id": "task_x", "status": "que',
        b' {"code": 1, "data": {"task_id" : "x"}}HTTP/1.1',
    ):
        assert isinstance(read_create(Reply(status, {}, body)), Doubtful)
    for body in (b"", b'<html>"id": "x"</html>', b'{"code": "limited", "mess'):
        assert isinstance(read_create(Reply(status, {}, body)), Refused)
