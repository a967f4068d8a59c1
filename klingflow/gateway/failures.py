"""PURE. The kinds of a Failure: one row each, with all that any room asks of a kind.

Also which kind an error is, by its HTTP status, its code and its words in English and Chinese. A
code counts before the words of a message, from which the shot's own texts have been taken out
(klingflow.gateway.quotes). How a phrase is found in them is klingflow.gateway.phrases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

from klingflow.gateway.phrases import Phrases
from klingflow.model import Failure, FailureKind
from klingflow.words import _


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of Failure means and what follows from it. A row has every field."""

    meaning: str  # for people, as docs/failures.md has it
    stops_buying: bool  # the account is refused, not one shot: nothing more is bought
    passes: bool  # a limit that ends by itself: the create is tried again
    retried: bool  # a task that failed so may be bought again, under `retries`
    wants_an_edit: bool  # the same request would most likely fail again
    answered: bool  # the gateway said it; False where no byte was sent
    statuses: tuple[int, ...]  # HTTP statuses that mean this kind, where the words do not decide
    overrules: tuple[int, ...]  # sure statuses (see _SURE) that the words overrule all the same
    codes: tuple[str, ...]  # whole codes that mean this kind, as the upstream's numbers do
    words: tuple[str, ...]  # phrases, any of which in a code or a message means this kind

    @property
    def of_the_request(self) -> bool:
        """True if an error of this kind may be about one request alone: not about the task that was
        asked after, and not about the shot that was to be created.
        """
        return self.stops_buying or self.passes


# Statuses that are surer witnesses than words: a limit is a limit unless it is arrears, and relays
# answer an unknown or exhausted key with 401 and a spent quota with 403 (gateway.md 4).
_SURE = frozenset({401, 402, 403, 413, 429})
# Statuses of a refusal that quotes what it refuses. There a quota or a lack of capacity is believed
# by a code alone: they speak of the account and hold up every shot (gateway.md 4).
_QUOTING = frozenset({400, 422})
_BY_CODE_ALONE: Set[FailureKind] = frozenset({"quota", "capacity"})

# In the order in which words are looked for: "parameter error: the prompt is sensitive" is
# moderation, "invalid image url" is input. A Chinese word that a prompt may well hold (排队, 繁忙,
# 饱和) stands here only within a phrase that a server says.
KINDS: dict[FailureKind, Kind] = {
    # Words that mean an empty account and nothing else. The bare word "quota" is not among them:
    # clouds also say it of requests per minute, and a limit taken for arrears would end a night's
    # run. The codes are the upstream's own for an account in arrears and for an empty prepaid pack.
    "quota": Kind(
        meaning=_("the balance or the quota is used up"),
        stops_buying=True,
        passes=False,
        retried=False,
        wants_an_edit=False,
        answered=True,
        statuses=(402, 403),
        overrules=(401, 403, 429),
        codes=("1101", "1102"),
        words=(
            "insufficient quota", "insufficient user quota", "insufficient balance",
            "insufficient account balance", "insufficient credit*", "insufficient fund*",
            "not enough credit*", "not enough balance", "balance not enough",
            "balance is not enough", "balance insufficient", "balance is insufficient",
            "credit not enough", "credits not enough", "out of credit*", "current quota",
            "quota not enough", "quota is not enough", "quota insufficient", "quota exhausted",
            "arrear*", "overdue", "billing hard limit*", "payment required",
            "resource pack depleted", "resource pack exhausted", "resource pack expired",
            "余额不足", "余额不够", "余额已", "余额为", "余额过低", "余额耗尽", "余额用",
            "账户余额", "账号余额", "用户余额", "剩余余额", "欠费", "额度不足", "额度已用",
            "额度用尽", "额度耗尽", "配额不足", "配额已用", "请充值", "请先充值", "请及时充值",
            "充值后", "资源包已", "资源包不足", "资源包耗尽", "资源包余量",
        ),
    ),
    "moderation": Kind(
        meaning=_("the prompt, an input or the video breaks a content rule"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=True,
        answered=True,
        statuses=(),
        overrules=(403,),
        codes=("1301",),
        words=(
            "moderat*", "sensitiv*", "risk control*", "content policy", "policy violation*",
            "violat*", "nsfw", "unsafe", "safety", "prohibit*", "content filter*", "compliance",
            "copyright*", "敏感", "违规", "审核", "风控", "违禁", "违法", "合规", "色情", "涉黄",
            "版权", "内容安全",
        ),
    ),
    "model": Kind(
        meaning=_("the gateway does not offer the model"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=True,
        answered=True,
        statuses=(),
        overrules=(403,),
        codes=(),
        words=(
            "model not found", "model not exist*", "model does not exist", "unknown model*",
            "invalid model*", "unsupported model*", "model not supported", "model is not supported",
            "no available channel*", "no such model", "模型不存在", "无可用渠道", "不支持的模型",
        ),
    ),
    "input": Kind(
        meaning=_("a reference picture or video cannot be fetched or used"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=True,
        answered=True,
        statuses=(),
        overrules=(),
        codes=(),
        words=(
            "unreachable", "inaccessible", "not accessible", "cannot access", "failed to fetch",
            "fetch fail*", "download fail*", "failed to download", "download error*", "image url*",
            "video url*", "invalid url*", "invalid image*", "image format*", "image size*",
            "无法访问", "不可访问", "下载失败", "无法下载", "下载超时", "图片解析", "图片格式",
            "图片尺寸", "获取图片", "获取视频",
        ),
    ),
    # No loose words such as "too many" or "try again later": `retries` lets a task that failed for
    # want of capacity be bought again. The codes are the upstream's own for too many requests and
    # for too many tasks at once.
    "capacity": Kind(
        meaning=_("the gateway has no room at the moment: concurrency, backlog"),
        stops_buying=False,
        passes=True,
        retried=True,
        wants_an_edit=False,
        answered=True,
        statuses=(),
        overrules=(),
        codes=("1302", "1303", "busy"),
        words=(
            "concurren*", "at capacity", "over capacity", "out of capacity",
            "lack of capacity", "insufficient capacity", "not enough capacity",
            "capacity exceeded", "capacity exhausted", "capacity limit*", "capacity reached",
            "capacity is full", "capacity error*", "capacity unavailable", "no capacity*",
            "overload*", "backlog*", "queue full", "queue is full", "server busy", "server is busy",
            "system busy", "system is busy", "service busy", "service is busy", "too busy",
            "resource insufficient", "insufficient resource*", "resource exhausted",
            "resources exhausted", "too many requests", "too many tasks", "rate limit*",
            "request limit exceeded", "throttl*", "parallel task over resource pack limit",
            "并发", "系统繁忙", "系统正忙", "服务繁忙", "服务器繁忙", "服务器忙", "服务正忙",
            "当前繁忙", "资源繁忙", "模型繁忙", "业务繁忙", "平台繁忙", "上游繁忙", "接口繁忙",
            "通道繁忙", "网关繁忙", "请求繁忙", "任务繁忙", "系统拥挤", "通道拥挤", "资源拥挤",
            "当前拥挤", "系统拥堵", "通道拥堵", "队列拥堵", "任务排队", "请求排队", "排队人数",
            "排队已满", "排队任务", "排队超时", "排队过", "队列已满", "队列积压", "任务积压",
            "请求积压", "系统过载", "服务过载", "服务器过载", "模型过载", "上游过载", "负载过载",
            "负载过高", "负载饱和", "负载已饱和", "上游饱和", "资源饱和", "容量饱和", "容量不足",
            "资源不足", "限流", "任务过多", "请求过多", "请求过于频繁", "频率过高",
        ),
    ),
    "key": Kind(
        meaning=_("the key is unknown, expired or exhausted"),
        stops_buying=True,
        passes=False,
        retried=False,
        wants_an_edit=False,
        answered=True,
        statuses=(401,),
        overrules=(403,),
        codes=(),
        words=(
            "invalid token", "invalid api key", "invalid key", "incorrect api key", "unauthorized",
            "authentication", "token expired", "无效的令牌", "令牌已过期", "令牌状态", "令牌无效",
            "无效的密钥", "密钥无效", "未提供令牌",
        ),
    ),
    "parameters": Kind(
        meaning=_("the gateway does not accept a field of the request"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=True,
        answered=True,
        statuses=(400, 411, 414, 415, 422),
        overrules=(),
        codes=(),
        words=(
            "param*", "invalid*", "unsupported", "not support*", "illegal*", "must be", "required",
            "missing", "out of range", "bad request", "参数", "不支持", "非法", "无效", "必填",
            "缺少", "格式", "不能为空", "超出范围",
        ),
    ),
    "limited": Kind(
        meaning=_("too many requests at the moment (HTTP 429)"),
        stops_buying=False,
        passes=True,
        retried=False,
        wants_an_edit=False,
        answered=True,
        statuses=(429,),
        overrules=(),
        codes=(),
        words=(),
    ),
    "too_large": Kind(
        meaning=_("the request is too large"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=True,
        answered=True,
        statuses=(413, 431),
        overrules=(),
        codes=(),
        words=(),
    ),
    "not_sent": Kind(
        meaning=_("no connection could be made, so nothing was sent"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=False,
        answered=False,
        statuses=(),
        overrules=(),
        codes=(),
        words=(),
    ),
    "unknown": Kind(
        meaning=_("none of the above"),
        stops_buying=False,
        passes=False,
        retried=False,
        wants_an_edit=False,
        answered=True,
        statuses=(),
        overrules=(),
        codes=(),
        words=(),
    ),
}  # fmt: skip

_BY_STATUS: dict[int, FailureKind] = {
    status: name for name, kind in KINDS.items() for status in kind.statuses
}

_PHRASES = {name: Phrases(kind.words) for name, kind in KINDS.items()}

# A code that stands within a message, as where a relay passes on the whole error of the service
# behind it.
_CODE_WITHIN = re.compile(
    r"""\b(?:error[ _]?)?code["']?\s*[:=]\s*["']?([\w.\-]{1,60})""", re.IGNORECASE
)

_NO_SUCH_TASK = Phrases((
    "task not exist*", "task not found", "task does not exist", "no such task", "video not found",
    "record not found", "任务不存在", "任务未找到", "未找到任务", "找不到任务",
))  # fmt: skip

# Words for a body of which nothing or only half arrived, or which named no model. Our body was sent
# whole, so they speak of another request: a relay that repeats a POST by itself after a broken
# connection may leave the body out (LiteLLM 1.106 does), and the first one may have been charged.
_BODY_LOST = Phrases((
    "unexpected end of json*", "expecting value: line 1 column 1 (char 0)", "empty body",
    "empty request body", "body is empty", "body was empty", "body cannot be empty",
    "body is required", "body is missing", "missing request body", "'loc': ['body']",
    '"loc": ["body"]', '"loc":["body"]', "body: field required",
    "body: input should be a valid dictionary*", "json decode error", "请求体为空",
    "请求体不能为空", "model is required", "model name is required", "must provide a model",
    "未指定模型", "模型名称不能为空",
))  # fmt: skip
# Words for a broken way onward, in the spellings of Go, Node, Python, PHP, Java and proxies. The
# server behind the relay may have taken the request all the same, and some relays pass such words
# on with a 4xx of their own.
_WAY_LOST = Phrases((
    "*timeout*", "time out*", "timed out", "deadline exceed*", "ms exceeded", "超时",
    "context cancel*", "request cancel*", "abort*", "*connection reset*", "connection closed",
    "connection broken", "connection lost", "closed network connection", "closed idle connection",
    "*prematurely*", "*disconnect*", "broken pipe*", "hang up", "other side closed", "goaway",
    "stream error*", "empty reply", "econnreset", "econnaborted", "etimedout", "epipe",
    "curl error*", "socket exception*", "bad gateway", "invalid character '<'",
    "unexpected token <", "网络异常", "网络错误", "网络中断", "连接断开", "连接中断", "连接被重置",
    "连接异常",
))  # fmt: skip
# About a picture or a video that could not be fetched such words are definite.
_INPUTS = Phrases((
    "image*", "picture*", "video url*", "file url*", "图片", "图像", "照片", "素材", "下载",
))  # fmt: skip
# Words that say that nobody offers the model, so that nothing was passed on. They are narrower than
# the kind `model`, which also takes in what came back from there ("invalid model response").
_NOT_OFFERED = Phrases((
    "model not found", "model not exist*", "model does not exist", "no available channel*",
    "no such model", "模型不存在", "无可用渠道",
))  # fmt: skip
_EOF = re.compile(r"\bEOF\b")  # Go's and Rust's whole word for it


def kind_of(failure: Failure) -> Kind:
    """Return the row of a failure; that of `unknown` for a kind from another version's ledger."""
    return KINDS.get(failure.kind, KINDS["unknown"])


def classify_task(code: str, message: str) -> FailureKind:
    """Return the kind of a task's own failure. A quota or a lack of capacity is not believed of
    words that explain a code about parameters: `retries` would buy the task again.
    """
    is_of_parameters = _named(code) == "parameters"
    return _said(code, message, unsaid=_BY_CODE_ALONE if is_of_parameters else frozenset())


def classify_refusal(status: int, code: str, message: str) -> FailureKind:
    """Return the kind of a refused request: by its code and words, except where the status is
    surer.
    """
    said = _said(code, message, unsaid=_BY_CODE_ALONE if status in _QUOTING else frozenset())
    words_decide = status not in _SURE or status in KINDS[said].overrules
    if words_decide and said != "unknown":
        return said
    return _BY_STATUS.get(status, "unknown")


def says_no_such_task(code: str, message: str) -> bool:
    """True if an error is about an id that the gateway does not know."""
    return _NO_SUCH_TASK.are_in(code, message)


def says_body_was_lost(code: str, message: str) -> bool:
    """True if a refusal is about a body that did not arrive, or not whole."""
    return _BODY_LOST.are_in(code, message) or _EOF.search(message) is not None


def says_way_was_lost(code: str, message: str) -> bool:
    """True if an error is about the connection onward from the gateway, and not about an input."""
    return _WAY_LOST.are_in(code, message) and not _INPUTS.are_in(code, message)


def says_model_is_not_offered(code: str, message: str) -> bool:
    """True if an error says that there was nobody to pass the request on to."""
    offered_by_none = _NOT_OFFERED.are_in(code, message)
    return offered_by_none and not says_way_was_lost(code, message)


def _said(code: str, message: str, *, unsaid: Set[FailureKind]) -> FailureKind:
    """Return the kind by the codes, otherwise by the message's words. The kinds `unsaid` do not
    count in a message.

    A code about parameters is the weakest: many relays give it to every refusal.
    """
    named = [kind for kind in map(_named, _codes(code, message)) if kind is not None]
    telling = next((kind for kind in named if kind != "parameters"), None)
    if telling is not None:
        return telling
    for name, phrases in _PHRASES.items():
        if name not in unsaid and phrases.are_in(message):
            return name
    return named[0] if named else "unknown"


def _codes(code: str, message: str) -> Iterator[str]:
    yield code
    yield from _CODE_WITHIN.findall(message)


def _named(code: str) -> FailureKind | None:
    """Return the kind that a code means, or None."""
    for name, kind in KINDS.items():
        if code in kind.codes or _PHRASES[name].are_in(code):
            return name
    return None
