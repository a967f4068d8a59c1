"""Only an answer about the very task shows that a gateway of videos is there."""

from __future__ import annotations

import pytest

from klingflow.gateway.create_replies import read_create
from klingflow.gateway.fitting import (
    has_an_error,
    is_about_no_task,
    leaves_open,
    seen,
    takes_a_post,
)
from klingflow.gateway.outcomes import Doubtful, Hiccup, NoReply, Reply
from klingflow.gateway.query_replies import read_query
from tests.replies import ID, reply

ASKED = "asks-for-no-task"
LOGIN = b"<!doctype html><html><head><title> Login &amp;\n more</title>"


@pytest.mark.parametrize(
    "answer",
    [
        reply(400, {"code": "task_not_exist", "message": "task_not_exist"}),
        reply(404, {"error": {"message": "Video with id 'asks-for-no-task' not found."}}),
        reply(404, {"error": {"message": "任务不存在"}}),
        reply(404, {"detail": "Task not found"}),
    ],
)
def test_an_answer_about_the_task_fits(answer: Reply) -> None:
    """In the words of any gateway, or with the id that was asked after."""
    assert is_about_no_task(read_query(answer, task_id=ASKED), ASKED)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(200, LOGIN), "HTTP 200, a page called 'Login & more'"),
        (reply(404, b"<html>"), "HTTP 404, a page"),
        (reply(302, b"", location="/login"), "HTTP 302, which sends on to /login"),
        (reply(404, {"detail": "Not Found"}), "HTTP 404: Not Found"),
        (
            reply(404, {"error": {"message": "Unknown request URL: GET /v1/videos/x"}}),
            "HTTP 404: Unknown request URL: GET /v1/videos/x",
        ),
        (reply(200, {"object": "list", "data": []}), "HTTP 200, JSON with object, data"),
        (reply(200, {}), "HTTP 200, JSON with nothing in it"),
        (reply(200, {"status": "ok"}), "HTTP 200, JSON with status"),
        (reply(200, [1], content_type="application/json"), "HTTP 200, application/json"),
        (reply(200, b"hello"), "HTTP 200, text"),
        (
            reply(200, b"{}", content_encoding="gzip, br"),
            "HTTP 200, packed as gzip, br, which klingflow cannot read",
        ),
        (reply(200, b"{}", content_encoding="gzip"), "HTTP 200, JSON with nothing in it"),
        (reply(204, b""), "HTTP 204 and nothing else"),
        (NoReply(False, "no connection"), "no connection"),
    ],
)
def test_what_else_came_is_said_and_does_not_fit(answer: Reply | NoReply, said: str) -> None:
    """A page, a 200 of another product, a redirect to a login, a chat API's 404."""
    assert not is_about_no_task(read_query(answer, task_id=ASKED), ASKED)
    assert seen(answer) == said


@pytest.mark.parametrize("part", [b"<title", b"<title>", b"<title><"])
def test_a_page_of_many_titles_is_soon_read(part: bytes) -> None:
    """A server may send anything, and a run waits for no page."""
    assert seen(reply(200, part * 200_000)).startswith("HTTP 200, a page")


def test_a_page_tells_of_no_error() -> None:
    """A proxy's login says 401 as well as a gateway does."""
    assert has_an_error(reply(401, {"error": {"message": "invalid token"}}))
    assert not has_an_error(reply(401, LOGIN))
    assert not has_an_error(NoReply(True, "x"))


@pytest.mark.parametrize(
    ("answer", "is_open"),
    [
        (reply(404, {"detail": "Not Found"}), True),
        (reply(404, {"error": {"message": "Unknown request URL"}}), True),
        (reply(404, b"<html>"), False),
        (reply(400, {"detail": "Not Found"}), False),
        (NoReply(True, "x"), False),
    ],
)
def test_a_404_in_json_leaves_open_what_is_unknown(answer: Reply | NoReply, is_open: bool) -> None:
    """Task or route: FastAPI has the same words for both."""
    assert leaves_open(answer) is is_open


@pytest.mark.parametrize(
    ("answer", "takes"),
    [
        (reply(405, {}, allow="POST"), True),
        (reply(405, b"", allow="options, post"), True),
        (reply(405, {}, allow="GET, POSTER"), False),
        (reply(405, {}), False),
        (reply(404, {}, allow="POST"), False),
        (NoReply(True, "x"), False),
    ],
)
def test_a_405_with_its_allow_shows_a_route_of_creates(
    answer: Reply | NoReply, takes: bool
) -> None:
    assert takes_a_post(answer) is takes


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
