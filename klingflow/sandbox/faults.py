"""The catalogue of faults: what real servers do wrong, by name. dice.py decides when.

The evidence names the section and line of gateway.md. A fault happens at one of five moments:
    before   in place of doing anything: nothing is charged
    after    to a reply, when everything was done: a create is charged
    edit     to the document in the reply
    task     to a task for good (its fate), decided when the task is bought
    manner   in how the sandbox itself refuses or serves
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from klingflow.sandbox import shapes, wire
from klingflow.sandbox.shapes import Edit, flat_error, nested_error
from klingflow.sandbox.tasks import STATES, Fate
from klingflow.sandbox.wire import Wire, answer

Stage = Literal["create", "query", "content"]
Moment = Literal["before", "after", "edit", "task", "manner"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its stage, moment and name, what it does, and the evidence that it imitates.

    `safe_to_retry`: a good client gets every video with one charge, without a person's help.
    `seconds` is the default of the faults that take some.
    """

    stage: Stage
    moment: Moment
    name: str
    does: str
    evidence: str
    safe_to_retry: bool = False
    seconds: float = 0.0
    wire: Wire | None = None
    edit: Edit | None = None
    fate: Fate | None = None


def _fated(
    stage: Stage,
    fate: Fate,
    does: str,
    evidence: str,
    safe_to_retry: bool = False,
    seconds: float = 0.0,
    edit: Edit | None = None,
) -> Fault:
    """Return a fault of the moment "task"; its name is its fate."""
    return Fault(stage, "task", fate, does, evidence, safe_to_retry, seconds, edit=edit, fate=fate)


_NOT_STOPPED = "4 create: a client that times out does not stop the server"
_UNREADABLE = "4 create: 200 with HTML, an empty body, cut JSON or no id"
_SHAPES = "4 create: errors come in three shapes"
_401 = "4 create: 401 invalid or exhausted key, on every route"
_429 = "4 create: 429 mostly without Retry-After, sometimes with an empty body"
_EMPTY_PACK = "4 create: an empty prepaid pack comes as 429, or as 400 from a relay"
_DOUBT = "5: read timeout, reset, broken or HTML 5xx, a 200 that cannot be read"
_BURSTS = "4 query: 5xx bursts, hangs"
_UNKNOWN_ID = "4 query: unknown id is 400 or 404, sometimes only for the first seconds"
_WORDS = "4 query: status synonyms and cases"
_LEGACY = "4 query: legacy shape"
_URLS = "4 query: the URL may be in video_url, url, metadata.url or result_url"
_CLASSES = "4 query: failure classes; capacity comes as a failed task"
_TOLD = "4 query: a failed task can be told with HTTP 400, 404, 422 or 500"
_REASONS: tuple[tuple[str | int, ...], ...] = (
    ("error_message",), ("task_status_msg",), ("reason",), ("failure_reason",), ("message",),
    ("metadata", "error"),
)  # fmt: skip
_CUT = "4 content: a slow download is cut; when chunked, invisibly"
_ODD_200 = "4 content: JSON or HTML may arrive with status 200"

_EMPTY200, _HTML200 = answer(200), answer(200, "Welcome")
_HTML502, _HTML504 = answer(502, "502 Bad Gateway"), answer(504, "504 Gateway Time-out")
_HTML524 = answer(524, "524 A timeout occurred")
_BAD_KEY = answer(401, nested_error("invalid_token", "无效的令牌 (invalid token)"))
_NO_QUOTA = answer(
    403, nested_error("insufficient_user_quota", "用户额度不足 (insufficient user quota)")
)
_LIMITED = answer(
    429, nested_error("rate_limit_exceeded", "请求过于频繁 (rate limit)"), retry_after="{seconds}"
)
_PATIENCE = answer(429, nested_error("rate_limit_exceeded", "请求过于频繁 (rate limit)"))
_ARREARS = answer(
    429, nested_error("insufficient_balance", "账户已欠费,请充值 (account in arrears)")
)
_PACK = flat_error("1102", "Resource pack depleted or expired (prepaid scenario)")
_ODD_WORDS = nested_error("", "Invalid value for prompt: too many characters")
_ODD_WORDS["error"]["type"] = "upstream_error"
_BROKEN = answer(500, nested_error("do_request_failed", "上游请求失败 (upstream request failed)"))
_NO_MODEL = answer(
    503, nested_error("model_not_found", "当前分组下无可用渠道 (no available channel)")
)
_NO_VIDEO = answer(200, nested_error("upstream_error", "获取视频失败 (failed to fetch the video)"))
_INVALID = ("invalid_request", "参数错误:请求无效 (invalid request)")

_before = partial(Fault, "create", "before")
_after = partial(Fault, "create", "after")
_edit = partial(Fault, "create", "edit")
_manner = partial(Fault, "create", "manner")
_fate = partial(_fated, "create")
_CREATE = (
    _before("drop_before", "closes the connection; nothing is done", _DOUBT, wire=wire.drop),
    _before("reset_before", "resets the connection; nothing is done", _DOUBT, wire=wire.reset),
    _before("html502_before", "HTML 502; nothing is done", _SHAPES, wire=_HTML502),
    _before(
        "err400_flat",
        "400 as {code,message,data}",
        _SHAPES,
        wire=answer(400, flat_error(*_INVALID)),
    ),
    _before(
        "err400_nested", "400 as {error:{…}}", _SHAPES, wire=answer(400, nested_error(*_INVALID))
    ),
    _before("err400_html", "400 as HTML", _SHAPES, wire=answer(400, "400 Bad Request")),
    _before("err400_empty", "400 with nothing in it", _SHAPES, wire=answer(400)),
    _before("err401", "401: invalid key", _401, wire=_BAD_KEY),
    _before("err403_quota", "403: quota", "4 create: 403 quota", wire=_NO_QUOTA),
    _before(
        "err413", "413 as HTML", "4 create: 413", wire=answer(413, "413 Request Entity Too Large")
    ),
    _before("err429", "429 with Retry-After", _429, True, 1, wire=_LIMITED),
    _before("err429_plain", "429 without Retry-After", _429, True, wire=_PATIENCE),
    _before("err429_bare", "429 with nothing in it", _429, True, wire=answer(429)),
    _before(
        "err429_endless",
        "429: arrears",
        "4 create: some 429s mean arrears and never end",
        wire=_ARREARS,
    ),
    _before("err429_pack", "429: an empty prepaid pack", _EMPTY_PACK, wire=answer(429, _PACK)),
    _before("err400_pack", "400: an empty prepaid pack", _EMPTY_PACK, wire=answer(400, _PACK)),
    _before(
        "err400_upstream",
        "400 whose type holds other words within a word",
        "4 create: relays call every refusal upstream_error",
        wire=answer(400, _ODD_WORDS),
    ),
    _before(
        "err500_json",
        "JSON 500; nothing is done",
        "5: the gateway's own error shapes",
        wire=_BROKEN,
    ),
    _before(
        "err503_model_not_found",
        "503",
        "4 create: 503 model_not_found is permanent",
        wire=_NO_MODEL,
    ),
    _before(
        "redirect",
        "307 to itself: who follows, buys",
        _DOUBT,
        wire=answer(307, location="/v1/videos?again"),
    ),
    _after("drop_after", "charges, then closes without a reply", _NOT_STOPPED, wire=wire.drop),
    _after("reset", "charges, then resets the connection", _DOUBT, wire=wire.reset),
    _after("cut", "charges, then breaks the reply off in its middle", _DOUBT, wire=wire.cut),
    _after(
        "hang", "charges, then says nothing for long", _NOT_STOPPED, seconds=300, wire=wire.drop
    ),
    _after("slow", "charges and answers late", _NOT_STOPPED, True, 2, wire=wire.slow),
    _after("html502", "charges, then HTML 502", _DOUBT, wire=_HTML502),
    _after("html504", "charges, then HTML 504", _DOUBT, wire=_HTML504),
    _after("html524", "charges, then HTML 524", _DOUBT, wire=_HTML524),
    _after("empty502", "charges, then 502 with nothing in it", _SHAPES, wire=answer(502)),
    _after("err500_charged", "charges, then JSON 500", _DOUBT, wire=_BROKEN),
    _after("empty200", "charges, then 200 with nothing in it", _UNREADABLE, wire=_EMPTY200),
    _after("html200", "charges, then 200 with HTML", _UNREADABLE, wire=_HTML200),
    _after("cut_json200", "charges, then 200 with half a JSON", _UNREADABLE, wire=wire.cut_json),
    _edit("no_id", "charges; the reply has no id", _UNREADABLE, edit=shapes.no_id),
    _edit("same_id", "charges; the reply has another task's id", _UNREADABLE, edit=shapes.same_id),
    _edit("legacy_shape", "the id is in data.task_id", _LEGACY, True, edit=shapes.legacy_created),
    _fate("number_id", "ids are JSON numbers", _LEGACY, True, edit=shapes.number_id),
    _manner("limit_bare", "the limits' 429 has no Retry-After and no body", _429, True),
    _manner("limit_as_failure", "above --max-running a task is taken, then fails", _CLASSES),
)

_before = partial(Fault, "query", "before")
_after = partial(Fault, "query", "after")
_edit = partial(Fault, "query", "edit", safe_to_retry=True)
_fate = partial(_fated, "query")
_QUERY = (
    _before("html502", "HTML 502", _BURSTS, True, wire=_HTML502),
    _before("html504", "HTML 504", _BURSTS, True, wire=_HTML504),
    _before("html524", "HTML 524", _BURSTS, True, wire=_HTML524),
    _before("err500", "JSON 500", _BURSTS, True, wire=_BROKEN),
    _before("err429", "429 with Retry-After", _429, True, 1, wire=_LIMITED),
    _before("err401", "401: the key, or an empty balance", _401, wire=_BAD_KEY),
    _before("err403_quota", "403: quota", _401, wire=_NO_QUOTA),
    _after("drop", "closes without a reply", _BURSTS, True, wire=wire.drop),
    _after("reset", "resets the connection", _BURSTS, True, wire=wire.reset),
    _after("cut", "breaks the reply off in its middle", _BURSTS, True, wire=wire.cut),
    _after("cut_json200", "200 with half a JSON", _BURSTS, True, wire=wire.cut_json),
    _after("empty200", "200 with nothing in it", _BURSTS, True, wire=_EMPTY200),
    _after("html200", "200 with HTML", _BURSTS, True, wire=_HTML200),
    _after("hang", "says nothing for long", _BURSTS, True, 300, wire=wire.drop),
    _after("slow", "answers late", _BURSTS, True, 2, wire=wire.slow),
    *(
        _edit(
            f"status_{word}",
            f"says {word} for {honest}",
            _WORDS,
            edit=shapes.status_as(honest, word),
        )
        for honest, state in STATES.items()
        for word in state.synonyms
    ),
    _edit(
        "progress_text",
        'progress is "30%"',
        "4 query: progress an int or text",
        edit=shapes.progress_text,
    ),
    _edit(
        "created_ms", "created_at in ms", "4 query: created_at in s or ms", edit=shapes.created_ms
    ),
    _edit(
        "completed_at_early",
        "completed_at from the first moment",
        "2",
        edit=shapes.completed_at_early,
    ),
    *(
        _edit(
            f"reason_{path[0]}",
            f"why it failed is in {'.'.join(map(str, path))}",
            "4 query: where the reason stands",
            edit=shapes.reason_in(*path),
        )
        for path in _REASONS
    ),
    _after("failed_400", "tells a failure with HTTP 400", _TOLD, True, wire=wire.failure_as(400)),
    _after("failed_500", "tells a failure with HTTP 500", _TOLD, True, wire=wire.failure_as(500)),
    _edit("legacy_shape", "the older shape, all in data", _LEGACY, edit=shapes.legacy_queried),
    _edit("url_url", "the result is in url", _URLS, edit=shapes.url_in("url")),
    _edit(
        "url_metadata",
        "the result is in metadata.url",
        _URLS,
        edit=shapes.url_in("metadata", "url"),
    ),
    _edit("url_result_url", "the result is in result_url", _URLS, edit=shapes.url_in("result_url")),
    _edit("url_none", "no URL: only /content has it", _URLS, edit=shapes.url_in()),
    _fate("not_found_first", "400 task_not_exist in its first seconds", _UNKNOWN_ID, True, 2),
    _fate("not_found_404", "404 in its first seconds", _UNKNOWN_ID, True, 2),
    _fate(
        "error_without_status", "it fails; the replies say no status", _WORDS, edit=shapes.no_status
    ),
    _fate(
        "stuck",
        "in_progress for ever, while /content says FAILURE",
        "4 query: a task swept after 24 h",
    ),
    _fate("fail_moderation", "it fails: moderation", _CLASSES),
    _fate("fail_parameters", "it fails: bad parameters", _CLASSES),
    _fate("fail_input", "it fails: unreachable input", _CLASSES),
    _fate("fail_capacity", "it fails: concurrency, backlog", _CLASSES),
    _fate("fail_quotes", "it fails: bad parameters, with the prompt", "4 create: errors quote it"),
)

_before = partial(Fault, "content", "before")
_after = partial(Fault, "content", "after")
_fate = partial(_fated, "content")
_CONTENT = (
    _before("html502", "HTML 502, this once", _CUT, True, wire=_HTML502),
    _before("json200", "a JSON error with status 200", _ODD_200, True, wire=_NO_VIDEO),
    _before("html200", "HTML with status 200", _ODD_200, True, wire=_HTML200),
    _before("err401", "401: the key, or an empty balance", _401, wire=_BAD_KEY),
    _before("err429", "429 with Retry-After", _429, True, 1, wire=_LIMITED),
    _after("drop", "closes without a reply", _CUT, True, wire=wire.drop),
    _after("reset", "resets the connection", _CUT, True, wire=wire.reset),
    _after("cut", "sends half of the announced length", _CUT, True, wire=wire.cut),
    _after("stall", "sends half, then nothing for long", _CUT, True, 300, wire=wire.cut),
    _after(
        "cut_chunked", "sends half, chunked, as if it were all", _CUT, True, wire=wire.cut_chunked
    ),
    _after("trailing", "an error page is glued to the end", _CUT, True, wire=wire.trailing),
    _after("hang", "says nothing for long", _CUT, True, 300, wire=wire.drop),
    _after("slow", "comes in pieces", _CUT, True, 2, wire=wire.slow),
    _after(
        "redirect_away",
        "307 to another origin",
        "4 content: … must not carry the key",
        True,
        wire=wire.elsewhere,
    ),
    Fault(
        "content",
        "manner",
        "no_range",
        "200 where 206 was asked",
        "4 content: Range is often ignored",
        True,
    ),
    _fate(
        "not_ready",
        "not there in the first seconds after completed",
        "4 content: not ready",
        True,
        2,
    ),
    _fate("dead502", "502 for ever", "4 content: a dead source gives 502 for ever"),
    _fate("gone", "404 for ever", "4 content: results are deleted"),
)

CATALOGUE: tuple[Fault, ...] = (*_CREATE, *_QUERY, *_CONTENT)
EDITS_BY_FATE = {(f.stage, f.fate): f.edit for f in CATALOGUE if f.fate and f.edit}
