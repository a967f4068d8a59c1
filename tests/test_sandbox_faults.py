"""Every fault of the catalogue, over real HTTP: what the client sees, and what was charged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from klingflow.sandbox import child
from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.faults import CATALOGUE
from klingflow.sandbox.options import Options

BODY = {"model": "kling-3.0-omni", "prompt": "雨夜", "seconds": "5"}
KEY = {"authorization": "Bearer any"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with child.start(Options(task_time="0s", plain_clips=True)) as running:
        yield running


@pytest.fixture(scope="module")
def connected(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=sandbox.base_url, headers=KEY, timeout=5.0, trust_env=False
    ) as opened:
        yield opened


@pytest.fixture
def client(sandbox: Sandbox, connected: httpx.Client) -> httpx.Client:
    """A client with a key; the faults of the test before are gone."""
    sandbox.set(faults=[], max_running=None, rate=None, task_time="0s")
    return connected


def ask(client: httpx.Client, method: str, url: str, **more: Any) -> str | httpx.Response:
    """The reply, or what came in its place: dropped, reset, cut or timeout."""
    try:
        return client.request(method, url, **more)
    except httpx.TimeoutException:
        return "timeout"
    except httpx.ReadError:
        return "reset"
    except httpx.RemoteProtocolError as error:
        return "cut" if "complete message" in str(error) else "dropped"


def shown(reply: str | httpx.Response) -> str:
    """What a reply is, in a few words: `dropped`, `502 html`, `200 empty`, `400 flat`, `401
    nested`, `200 task`.
    """
    if isinstance(reply, str):
        return reply
    return f"{reply.status_code} {_kind(reply)}"


def _kind(reply: httpx.Response) -> str:
    if not reply.content:
        return "empty"
    if reply.headers["content-type"].startswith("text/html"):
        return "html"
    if reply.headers["content-type"] == "video/mp4":
        return "video"
    try:
        document = reply.json()
    except ValueError:
        return "broken"
    shapes = {"error": "nested", "code": "flat"}
    return (
        "task"
        if "id" in document
        else next((s for n, s in shapes.items() if n in document), "json")
    )


def create(client: httpx.Client) -> str | httpx.Response:
    return ask(client, "POST", "/v1/videos", json=BODY)


def bought(client: httpx.Client) -> str:
    reply = create(client)
    assert isinstance(reply, httpx.Response)
    return str(reply.json()["id"])


def charges(sandbox: Sandbox) -> int:
    return int(sandbox.ledger()["totals"]["charges"])


CREATE = {
    "drop_before": ("dropped", 0),
    "reset_before": ("reset", 0),
    "html502_before": ("502 html", 0),
    "err400_flat": ("400 flat", 0),
    "err400_nested": ("400 nested", 0),
    "err400_html": ("400 html", 0),
    "err400_empty": ("400 empty", 0),
    "err401": ("401 nested", 0),
    "err403_quota": ("403 nested", 0),
    "err413": ("413 html", 0),
    "err429": ("429 nested", 0),
    "err429_plain": ("429 nested", 0),
    "err429_bare": ("429 empty", 0),
    "err429_endless": ("429 nested", 0),
    "err429_pack": ("429 flat", 0),
    "err400_pack": ("400 flat", 0),
    "err400_upstream": ("400 nested", 0),
    "err500_json": ("500 nested", 0),
    "err503_model_not_found": ("503 nested", 0),
    "redirect": ("307 empty", 0),
    "drop_after": ("dropped", 1),
    "reset": ("reset", 1),
    "cut": ("cut", 1),
    "hang": ("dropped", 1),
    "slow": ("200 task", 1),
    "html502": ("502 html", 1),
    "html504": ("504 html", 1),
    "html524": ("524 html", 1),
    "empty502": ("502 empty", 1),
    "err500_charged": ("500 nested", 1),
    "empty200": ("200 empty", 1),
    "html200": ("200 html", 1),
    "cut_json200": ("200 broken", 1),
    "no_id": ("200 json", 1),
    "same_id": ("200 task", 1),
    "legacy_shape": ("200 flat", 1),
    "number_id": ("200 task", 1),
    "limit_bare": ("200 task", 1),
    "limit_as_failure": ("200 task", 1),
}


@pytest.mark.parametrize("name", CREATE)
def test_a_create_goes_wrong_as_its_fault_says(
    sandbox: Sandbox, client: httpx.Client, name: str
) -> None:
    """The client sees the one, the ledger knows the other."""
    before = charges(sandbox)
    sandbox.set(faults=[f"create:{name}=first:1,50ms"])
    assert (shown(create(client)), charges(sandbox) - before) == CREATE[name]
    assert shown(create(client)) == "200 task"


def test_the_odd_ids_of_a_create(sandbox: Sandbox, client: httpx.Client) -> None:
    """Another task's, numbers that can be queried, and the legacy shape's."""
    first = bought(client)
    sandbox.set(faults=["create:same_id"])
    assert bought(client) == first
    sandbox.set(faults=["create:number_id"])
    number = bought(client)
    assert number.isdigit() and client.get(f"/v1/videos/{number}").status_code == 200
    sandbox.set(faults=["create:legacy_shape"])
    reply = create(client)
    assert isinstance(reply, httpx.Response)
    assert client.get(f"/v1/videos/{reply.json()['data']['task_id']}").status_code == 200


def test_refusals_that_ask_for_patience(sandbox: Sandbox, client: httpx.Client) -> None:
    """Retry-After is there where the name does not say bare."""
    sandbox.set(faults=["create:err429,7s"])
    limited = create(client)
    assert isinstance(limited, httpx.Response) and limited.headers["retry-after"] == "7"
    sandbox.set(faults=["create:limit_bare"], max_running=1, task_time="60s")
    create(client)
    assert shown(create(client)) == "429 empty"


def test_a_limit_may_come_as_a_failed_task(sandbox: Sandbox, client: httpx.Client) -> None:
    """Above --max-running the task is taken, charged, then fails for want of capacity and is
    refunded.
    """
    sandbox.set(faults=["create:limit_as_failure"], max_running=1, task_time="1h")
    create(client)
    sandbox.set(task_time="100ms")
    late = bought(client)
    deadline = time.monotonic() + 60
    while client.get(f"/v1/videos/{late}").json()["status"] != "failed":
        assert time.monotonic() < deadline
    assert late in [refund["task_id"] for refund in sandbox.ledger()["refunds"]]


def test_who_follows_a_redirected_create_buys_there(sandbox: Sandbox, client: httpx.Client) -> None:
    """And is charged for it."""
    before = charges(sandbox)
    sandbox.set(faults=["create:redirect=first:1"])
    assert shown(ask(client, "POST", "/v1/videos", json=BODY, follow_redirects=True)) == "200 task"
    assert charges(sandbox) - before == 1


QUERY = {
    "html502": "502 html",
    "html504": "504 html",
    "html524": "524 html",
    "err500": "500 nested",
    "err429": "429 nested",
    "err401": "401 nested",
    "err403_quota": "403 nested",
    "drop": "dropped",
    "reset": "reset",
    "cut": "cut",
    "cut_json200": "200 broken",
    "empty200": "200 empty",
    "html200": "200 html",
    "hang": "dropped",
    "slow": "200 task",
}


@pytest.mark.parametrize("name", QUERY)
def test_a_query_goes_wrong_as_its_fault_says(
    sandbox: Sandbox, client: httpx.Client, name: str
) -> None:
    """Once; the next one is answered."""
    task_id = bought(client)
    sandbox.set(faults=[f"query:{name}=first:1,50ms"])
    assert shown(ask(client, "GET", f"/v1/videos/{task_id}")) == QUERY[name]
    assert client.get(f"/v1/videos/{task_id}").json()["status"] == "completed"


STATUS = {name: name.removeprefix("status_") for name in (
    "status_succeed", "status_succeeded", "status_success", "status_SUCCESS", "status_FAILURE",
    "status_error", "status_canceled", "status_cancelled", "status_expired", "status_pending",
    "status_processing", "status_unknown", "status_generated", "status_rejected",
    "status_moderated", "status_blocked",
)}  # fmt: skip
_LEADS_TO = {
    "completed": ("0s", []),
    "failed": ("0s", ["query:fail_parameters"]),
    "queued": ("1h", []),
    "in_progress": ("1h", ["query:stuck"]),
}


@pytest.mark.parametrize("name", STATUS)
def test_a_status_has_synonyms(sandbox: Sandbox, client: httpx.Client, name: str) -> None:
    """Each is said in place of the document's word."""
    fault = next(fault for fault in CATALOGUE if fault.name == name)
    honest = fault.does.rsplit(" ", 1)[1]
    task_time, fates = _LEADS_TO[honest]
    # A stuck task of no duration is in progress from its first moment.
    sandbox.set(task_time="0s" if honest == "in_progress" else task_time, faults=fates)
    task_id = bought(client)
    assert client.get(f"/v1/videos/{task_id}").json()["status"] == honest
    sandbox.set(faults=[*fates, f"query:{name}"])
    assert client.get(f"/v1/videos/{task_id}").json()["status"] == STATUS[name]


EDITS: dict[str, Any] = {
    "progress_text": lambda d: d["progress"] == "100%",
    "created_ms": lambda d: d["created_at"] > 10**12,
    "completed_at_early": lambda d: "completed_at" in d,
    "legacy_shape": lambda d: (
        d["data"]["status"] == "SUCCESS" and d["data"]["result_url"].endswith(".mp4")
    ),
    "url_url": lambda d: "video_url" not in d and d["url"].endswith(".mp4"),
    "url_metadata": lambda d: "video_url" not in d and d["metadata"]["url"].endswith(".mp4"),
    "url_result_url": lambda d: "video_url" not in d and d["result_url"].endswith(".mp4"),
    "url_none": lambda d: "mp4" not in str(d),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_query_reply_may_be_odd(sandbox: Sandbox, client: httpx.Client, name: str) -> None:
    """Its shape, never its truth, is changed."""
    task_id = bought(client)
    sandbox.set(faults=[f"query:{name}"])
    assert EDITS[name](client.get(f"/v1/videos/{task_id}").json())


REASONS: dict[str, Callable[[Any], Any]] = {
    "reason_error_message": lambda d: d["error_message"],
    "reason_task_status_msg": lambda d: d["task_status_msg"],
    "reason_reason": lambda d: d["reason"],
    "reason_failure_reason": lambda d: d["failure_reason"],
    "reason_message": lambda d: d["message"],
    "reason_metadata": lambda d: d["metadata"]["error"],
}


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_may_stand_elsewhere(sandbox: Sandbox, client: httpx.Client, name: str) -> None:
    """And no error beside it; a task that has not failed is told as ever."""
    sandbox.set(faults=["query:fail_moderation", f"query:{name}"])
    document = client.get(f"/v1/videos/{bought(client)}").json()
    assert "审核" in REASONS[name](document) and "error" not in document
    sandbox.set(faults=[f"query:{name}"])
    assert "video_url" in client.get(f"/v1/videos/{bought(client)}").json()


@pytest.mark.parametrize(("name", "status"), [("failed_400", 400), ("failed_500", 500)])
def test_a_failure_may_be_told_with_another_status(
    sandbox: Sandbox, client: httpx.Client, name: str, status: int
) -> None:
    """The body is the task's; one that has not failed is told with 200."""
    sandbox.set(faults=["query:fail_input", f"query:{name}"])
    told = client.get(f"/v1/videos/{bought(client)}")
    assert (told.status_code, told.json()["status"]) == (status, "failed")
    sandbox.set(faults=[f"query:{name}"])
    assert client.get(f"/v1/videos/{bought(client)}").status_code == 200


FATES = {
    "query:fail_quotes": "参数错误:雨夜",
    "query:fail_moderation": "审核",
    "query:fail_parameters": "参数错误:duration",
    "query:fail_input": "URL 无法访问",
    "query:fail_capacity": "并发",
    "query:error_without_status": "参考图",
}


@pytest.mark.parametrize("name", FATES)
def test_a_task_may_fail(sandbox: Sandbox, client: httpx.Client, name: str) -> None:
    """It says why, is refunded, and has no video."""
    sandbox.set(faults=[name])
    task_id = bought(client)
    document = client.get(f"/v1/videos/{task_id}").json()
    assert FATES[name] in document["error"]["message"]
    assert document.get("status") == (None if name.endswith("without_status") else "failed")
    assert sandbox.ledger()["refunds"][-1]["task_id"] == task_id
    assert shown(ask(client, "GET", f"/v1/videos/{task_id}/content")) == "400 flat"


def test_a_stuck_task_says_failure_at_content_alone(sandbox: Sandbox, client: httpx.Client) -> None:
    """And is not refunded."""
    sandbox.set(faults=["query:stuck"])
    task_id = bought(client)
    assert client.get(f"/v1/videos/{task_id}").json()["status"] == "in_progress"
    assert "FAILURE" in client.get(f"/v1/videos/{task_id}/content").text
    assert task_id not in [refund["task_id"] for refund in sandbox.ledger()["refunds"]]


@pytest.mark.parametrize(
    ("name", "kind"), [("not_found_first", "400 flat"), ("not_found_404", "404 nested")]
)
def test_an_id_may_be_unknown_at_first(
    sandbox: Sandbox, client: httpx.Client, name: str, kind: str
) -> None:
    """For its first seconds only."""
    sandbox.set(faults=[f"query:{name},1h"])
    assert shown(ask(client, "GET", f"/v1/videos/{bought(client)}")) == kind
    sandbox.set(faults=[f"query:{name},0s"])
    assert shown(ask(client, "GET", f"/v1/videos/{bought(client)}")) == "200 task"


CONTENT = {
    "html502": "502 html",
    "json200": "200 nested",
    "html200": "200 html",
    "err401": "401 nested",
    "err429": "429 nested",
    "drop": "dropped",
    "reset": "reset",
    "cut": "cut",
    "stall": "cut",
    "cut_chunked": "200 video",
    "trailing": "200 video",
    "hang": "dropped",
    "slow": "200 video",
    "redirect_away": "307 empty",
    "no_range": "200 video",
}


@pytest.mark.parametrize("route", ["/v1/videos/{}/content", "/files/{}.mp4"])
@pytest.mark.parametrize("name", CONTENT)
def test_a_download_goes_wrong_as_its_fault_says(
    sandbox: Sandbox, client: httpx.Client, name: str, route: str
) -> None:
    """Once, on both routes; the next download is whole."""
    url = route.format(bought(client))
    whole = client.get(url)
    sandbox.set(faults=[f"content:{name}=first:1,50ms"])
    reply = ask(client, "GET", url)
    assert shown(reply) == CONTENT[name]
    if name in ("cut_chunked", "trailing"):
        assert isinstance(reply, httpx.Response) and reply.content != whole.content
    assert client.get(url).content == whole.content


@pytest.mark.parametrize(
    ("name", "kind"), [("not_ready,1h", "400 flat"), ("dead502", "502 html"), ("gone", "404 flat")]
)
def test_a_result_may_be_missing_for_long(
    sandbox: Sandbox, client: httpx.Client, name: str, kind: str
) -> None:
    """Although the task is completed."""
    sandbox.set(faults=[f"content:{name}"])
    task_id = bought(client)
    assert client.get(f"/v1/videos/{task_id}").json()["status"] == "completed"
    assert shown(ask(client, "GET", f"/v1/videos/{task_id}/content")) == kind
    assert shown(ask(client, "GET", f"/files/{task_id}.mp4")) == kind


def test_the_ledger_says_which_faults_fell(sandbox: Sandbox, client: httpx.Client) -> None:
    """By name and number, and on whose create."""
    before = sandbox.ledger()["faults"].get("create:html502", 0)
    sandbox.set(faults=["create:html502=first:1"])
    create(client)
    honest = bought(client)
    ledger = sandbox.ledger()
    assert ledger["faults"]["create:html502"] == before + 1
    assert [charge["faults"] for charge in ledger["charges"][-2:]] == [["html502"], []]
    assert ledger["charges"][-1]["task_id"] == honest


def test_range_is_ignored_when_the_fault_says_so(sandbox: Sandbox, client: httpx.Client) -> None:
    """200 where 206 was asked."""
    url = f"/files/{bought(client)}.mp4"
    assert client.get(url, headers={"range": "bytes=8-"}).status_code == 206
    sandbox.set(faults=["content:no_range"])
    assert client.get(url, headers={"range": "bytes=8-"}).status_code == 200


def test_the_other_origin_notes_a_key_that_came_along(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    """A good client leaves it behind; one that does not is found out."""
    task_id = bought(client)
    sandbox.set(faults=["content:redirect_away"])
    reply = client.get(f"/v1/videos/{task_id}/content", follow_redirects=True)
    assert shown(reply) == "200 video" and reply.url.port != client.base_url.port
    before = sandbox.ledger()["requests"]["away_with_key"]
    client.get(str(reply.url), headers=KEY)
    assert sandbox.ledger()["requests"]["away_with_key"] - before == 1


def test_every_fault_of_the_catalogue_is_tested_here() -> None:
    """By its full name."""
    tested = {f"create:{name}" for name in CREATE} | {f"content:{name}" for name in CONTENT}
    tested |= {f"query:{name}" for name in (*QUERY, *STATUS, *EDITS)} | set(FATES)
    tested |= {f"query:{name}" for name in (*REASONS, "failed_400", "failed_500")}
    tested |= {"query:stuck", "query:not_found_first", "query:not_found_404"}
    tested |= {"content:not_ready", "content:dead502", "content:gone"}
    assert tested == {f"{fault.stage}:{fault.name}" for fault in CATALOGUE}


def test_no_fault_that_hides_a_charge_is_safe_to_retry() -> None:
    """What is safe either refuses plainly or tells the id."""
    hides = {
        name
        for name, (reply, charged) in CREATE.items()
        if charged and reply not in ("200 task", "200 flat")
    }
    safe = {fault.name for fault in CATALOGUE if fault.stage == "create" and fault.safe_to_retry}
    assert not hides & safe
    assert safe == {
        "err429",
        "err429_plain",
        "err429_bare",
        "slow",
        "legacy_shape",
        "number_id",
        "limit_bare",
    }
