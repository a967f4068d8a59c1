"""A reply to a query is read for what it proves of one task: finished, failed, or neither."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klingflow.gateway.outcomes import (
    Blind,
    Hiccup,
    Misnamed,
    NoReply,
    NoSuchTask,
    QueryOutcome,
    Reply,
    Running,
    Succeeded,
    TaskFailed,
)
from klingflow.gateway.query_replies import read_query
from klingflow.model import Failure
from tests.replies import BODIES, CREATED, HEADERS, HTML, ID, TIER, UPSTREAM, error, reply

BEGUN = datetime(2026, 6, 8, 4, 5, 41, tzinfo=UTC)  # as 1780891541
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
    status: int, body: Any, outcome: QueryOutcome
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
    body: dict[str, Any], outcome: QueryOutcome
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


@given(st.builds(Reply, st.integers(100, 599), HEADERS, BODIES, st.booleans()))
def test_no_reply_to_a_query_breaks_the_reader(answer: Reply) -> None:
    """Whatever comes back is one of the six answers, and without a name only a 2xx tells of the
    task.
    """
    outcome = read_query(answer, task_id=ID)
    if isinstance(outcome, Succeeded | TaskFailed | Running):
        assert 200 <= answer.status < 300 or ID.encode() in answer.body


@pytest.mark.parametrize(
    ("word", "kind"),
    [("排队中", Running), ("生成中", Running), ("已完成", Succeeded), ("成功", Succeeded),
     ("失败", TaskFailed), (" 已取消 ", TaskFailed), ("不明", Hiccup)],
)  # fmt: skip
def test_a_status_may_be_said_in_chinese(word: str, kind: type[QueryOutcome]) -> None:
    """A video that a relay calls 已完成 was otherwise never fetched."""
    outcome = read_query(reply(200, {"id": "t1", "status": word}), task_id="t1")
    assert isinstance(outcome, kind)
