"""PURE. The kinds of a Failure: one row each, with all that any room asks of a kind.

Also which kind an error is, by its HTTP status, its code and its words in English and Chinese.
Words are compared in lower case with spaces, `_` and `-` taken out, so that
`insufficient_user_quota`, `InsufficientUserQuota` and "insufficient user quota" are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from klingflow.model import Failure, FailureKind


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of Failure means and what follows from it. A row has every field."""

    meaning: str  # for people, as docs/failures.md has it
    stops_buying: bool  # the account is refused, not one shot: nothing more is bought
    passes: bool  # a limit that ends by itself: the create is tried again
    retried: bool  # a task that failed so may be bought again, under `retries`
    answered: bool  # the gateway said it; False where no byte was sent
    statuses: tuple[int, ...]  # HTTP statuses that mean this kind, where the words do not decide
    overrules: tuple[int, ...]  # sure statuses (see _SURE) that the words overrule all the same
    words: tuple[str, ...]  # any of them in an error means this kind

    @property
    def of_the_request(self) -> bool:
        """True if an error of this kind may be about the query and not about its task."""
        return self.stops_buying or self.passes


# Statuses that are surer witnesses than words: a limit is a limit unless it is arrears, and relays
# answer an unknown or exhausted key with 401 and a spent quota with 403 (gateway.md 4).
_SURE = frozenset({401, 402, 403, 413, 429})

# In the order in which words are looked for: "parameter error: the prompt is sensitive" is
# moderation, "invalid image url" is input.
KINDS: dict[FailureKind, Kind] = {
    # Words that mean an empty account and nothing else. The bare word "quota" is not among them:
    # clouds also say it of requests per minute, and a limit taken for arrears would end a night's
    # run.
    "quota": Kind(
        meaning="the balance or the quota is used up",
        stops_buying=True,
        passes=False,
        retried=False,
        answered=True,
        statuses=(402, 403),
        overrules=(401, 403, 429),
        words=(
            "insufficientquota", "insufficientuserquota", "insufficientbalance",
            "insufficientcredit", "insufficientfund", "notenoughcredit", "notenoughbalance",
            "balancenotenough", "creditnotenough", "outofcredit", "currentquota", "quotanotenough",
            "quotaisnotenough", "arrear", "overdue", "billinghardlimit", "paymentrequired",
            "余额", "欠费", "额度不足", "额度已用", "额度用尽", "额度耗尽", "配额不足", "充值",
        ),
    ),
    "moderation": Kind(
        meaning="the prompt, an input or the video breaks a content rule",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=True,
        statuses=(),
        overrules=(403,),
        words=(
            "moderat", "sensitive", "riskcontrol", "contentpolicy", "policyviolation", "violat",
            "nsfw", "unsafe", "safety", "prohibited", "contentfilter", "compliance", "copyright",
            "敏感", "违规", "审核", "风控", "违禁", "违法", "合规", "色情", "涉黄", "版权",
            "内容安全",
        ),
    ),
    "model": Kind(
        meaning="the gateway does not offer the model",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=True,
        statuses=(),
        overrules=(403,),
        words=(
            "modelnotfound", "modelnotexist", "modeldoesnotexist", "unknownmodel", "invalidmodel",
            "unsupportedmodel", "modelnotsupported", "noavailablechannel", "nosuchmodel",
            "模型不存在", "无可用渠道", "不支持的模型",
        ),
    ),
    "input": Kind(
        meaning="a reference picture or video cannot be fetched or used",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=True,
        statuses=(),
        overrules=(),
        words=(
            "unreachable", "inaccessible", "notaccessible", "cannotaccess", "failedtofetch",
            "fetchfail", "downloadfail", "failedtodownload", "downloaderror", "imageurl",
            "videourl", "invalidurl", "invalidimage", "imageformat", "imagesize",
            "无法访问", "不可访问", "下载失败", "无法下载", "下载超时", "图片解析", "图片格式",
            "图片尺寸", "获取图片", "获取视频",
        ),
    ),
    # No loose words such as "too many" or "try again later": `retries` lets a task that failed for
    # want of capacity be bought again.
    "capacity": Kind(
        meaning="the gateway has no room at the moment: concurrency, backlog",
        stops_buying=False,
        passes=True,
        retried=True,
        answered=True,
        statuses=(),
        overrules=(),
        words=(
            "concurren", "capacity", "overload", "backlog", "queuefull", "queueisfull",
            "serverbusy", "systembusy", "toobusy", "resourceinsufficient", "insufficientresource",
            "resourceexhausted", "toomanyrequests", "toomanytasks", "ratelimit",
            "requestlimitexceeded", "throttl",
            "并发", "繁忙", "拥挤", "拥堵", "排队", "积压", "过载", "饱和", "资源不足", "限流",
            "任务过多", "请求过多", "频率过高",
        ),
    ),
    "key": Kind(
        meaning="the key is unknown, expired or exhausted",
        stops_buying=True,
        passes=False,
        retried=False,
        answered=True,
        statuses=(401,),
        overrules=(403,),
        words=(
            "invalidtoken", "invalidapikey", "invalidkey", "unauthorized", "authentication",
            "tokenexpired", "无效的令牌", "令牌已过期", "令牌状态", "令牌无效", "无效的密钥",
            "密钥无效", "未提供令牌",
        ),
    ),
    "parameters": Kind(
        meaning="the gateway does not accept a field of the request",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=True,
        statuses=(400, 411, 414, 415, 422),
        overrules=(),
        words=(
            "param", "invalid", "unsupported", "notsupport", "illegal", "mustbe", "required",
            "missing", "outofrange", "badrequest", "参数", "不支持", "非法", "无效", "必填", "缺少",
            "格式", "不能为空", "超出范围",
        ),
    ),
    "limited": Kind(
        meaning="too many requests at the moment (HTTP 429)",
        stops_buying=False,
        passes=True,
        retried=False,
        answered=True,
        statuses=(429,),
        overrules=(),
        words=(),
    ),
    "too_large": Kind(
        meaning="the request is too large",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=True,
        statuses=(413, 431),
        overrules=(),
        words=(),
    ),
    "not_sent": Kind(
        meaning="no connection could be made, so nothing was sent",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=False,
        statuses=(),
        overrules=(),
        words=(),
    ),
    "unknown": Kind(
        meaning="none of the above",
        stops_buying=False,
        passes=False,
        retried=False,
        answered=True,
        statuses=(),
        overrules=(),
        words=(),
    ),
}  # fmt: skip

_BY_STATUS: dict[int, FailureKind] = {
    status: name for name, kind in KINDS.items() for status in kind.statuses
}

_NO_SUCH_TASK = (
    "tasknotexist", "tasknotfound", "taskdoesnotexist", "nosuchtask", "videonotfound",
    "recordnotfound", "任务不存在", "任务未找到", "未找到任务", "找不到任务",
)  # fmt: skip

# Words for a body of which nothing or only half arrived, or which named no model. Our body was sent
# whole, so they speak of another request: a relay that repeats a POST by itself after a broken
# connection may leave the body out (LiteLLM 1.106 does), and the first one may have been charged.
_BODY_LOST = (
    "unexpectedendofjson", "expectingvalue:line1column1(char0)", "emptybody", "emptyrequestbody",
    "bodyisempty", "bodywasempty", "bodycannotbeempty", "bodyisrequired", "bodyismissing",
    "missingrequestbody", "'loc':['body']", "请求体为空", "请求体不能为空", "modelisrequired",
    "modelnameisrequired", "mustprovideamodel", "未指定模型", "模型名称不能为空",
)  # fmt: skip
# Words for a broken way onward, in the spellings of Go, Node, Python, PHP, Java and proxies. The
# server behind the relay may have taken the request all the same, and some relays pass such words
# on with a 4xx of their own.
_WAY_LOST = (
    "timeout", "timedout", "deadlineexceed", "msexceeded", "超时", "contextcancel", "requestcancel",
    "abort", "connectionreset", "connectionclosed", "connectionbroken", "connectionlost",
    "closednetworkconnection", "closedidleconnection", "prematurely", "disconnect", "brokenpipe",
    "hangup", "othersideclosed", "goaway", "streamerror", "emptyreply", "econnreset",
    "econnaborted", "etimedout", "epipe", "curlerror", "socketexception", "badgateway",
    "invalidcharacter'<'", "unexpectedtoken<", "网络异常", "网络错误", "网络中断", "连接断开",
    "连接中断", "连接被重置", "连接异常",
)  # fmt: skip
# About a picture or a video that could not be fetched such words are definite.
_INPUTS = ("image", "picture", "videourl", "fileurl", "图片", "图像", "照片", "素材", "下载")
# Words that say that nobody offers the model, so that nothing was passed on. They are narrower than
# the kind `model`, which also takes in what came back from there ("invalid model response").
_NOT_OFFERED = (
    "modelnotfound", "modelnotexist", "modeldoesnotexist", "noavailablechannel", "nosuchmodel",
    "模型不存在", "无可用渠道",
)  # fmt: skip
_EOF = re.compile(r"\bEOF\b")  # Go's and Rust's whole word for it


def kind_of(failure: Failure) -> Kind:
    """The row of a failure; that of `unknown` for a kind from another version's ledger."""
    return KINDS.get(failure.kind, KINDS["unknown"])


def classify_task(code: str, message: str) -> FailureKind:
    """The kind of a task's own failure."""
    squeezed = _squeeze(code, message)
    for name, kind in KINDS.items():
        if _any(kind.words, squeezed):
            return name
    return "unknown"


def classify_refusal(status: int, code: str, message: str) -> FailureKind:
    """The kind of a refused request: by its words, except where the status is surer."""
    said = classify_task(code, message)
    words_decide = status not in _SURE or status in KINDS[said].overrules
    if words_decide and said != "unknown":
        return said
    return _BY_STATUS.get(status, "unknown")


def says_no_such_task(code: str, message: str) -> bool:
    """True if an error is about an id that the gateway does not know."""
    return _any(_NO_SUCH_TASK, _squeeze(code, message))


def says_body_was_lost(code: str, message: str) -> bool:
    """True if a refusal is about a body that did not arrive, or not whole."""
    return _any(_BODY_LOST, _squeeze(code, message)) or _EOF.search(message) is not None


def says_way_was_lost(code: str, message: str) -> bool:
    """True if an error is about the connection onward from the gateway, and not about an input."""
    squeezed = _squeeze(code, message)
    return _any(_WAY_LOST, squeezed) and not _any(_INPUTS, squeezed)


def says_model_is_not_offered(code: str, message: str) -> bool:
    """True if an error says that there was nobody to pass the request on to."""
    offered_by_none = _any(_NOT_OFFERED, _squeeze(code, message))
    return offered_by_none and not says_way_was_lost(code, message)


def _any(words: Iterable[str], squeezed: str) -> bool:
    return any(word in squeezed for word in words)


def _squeeze(code: str, message: str) -> str:
    return re.sub(r"[\s_\-]+", "", f"{code}{message}".lower())
