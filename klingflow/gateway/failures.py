"""PURE. Which class an error belongs to, from its status, code and words in English and Chinese.
Tables, no I/O.

The classes decide what happens next: `limited` and `capacity` may be tried again, `key` and `quota`
stop buying, the others are for the author of the shot. Words are compared in lower case with
spaces, `_` and `-` taken out, so that `insufficient_user_quota`, `InsufficientUserQuota` and
"insufficient user quota" are one.
"""

from __future__ import annotations

import re

# `not_sent` is the runner's own word for a request that never left.
KINDS = (
    "limited", "key", "quota", "capacity", "moderation", "parameters", "input", "model", "too_large",
    "not_sent", "unknown",
)  # fmt: skip

# Words that mean an empty account and nothing else. The bare word "quota" is not among them: clouds
# also say it of requests per minute, and taking that for arrears would end a night's run.
_ARREARS = (
    "insufficientquota", "insufficientuserquota", "insufficientbalance", "insufficientcredit",
    "insufficientfund", "notenoughcredit", "notenoughbalance", "balancenotenough", "creditnotenough",
    "outofcredit", "currentquota", "quotanotenough", "quotaisnotenough", "arrear", "overdue",
    "billinghardlimit", "paymentrequired", "余额", "欠费", "额度不足", "额度已用", "额度用尽", "额度耗尽",
    "配额不足", "充值",
)  # fmt: skip

# In order of precedence: "parameter error: the prompt is sensitive" is moderation, "invalid image
# url" input. `capacity` holds no loose words such as "too many" or "try again later": a user may
# let it buy again.
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("quota", _ARREARS),
    ("moderation", (
        "moderat", "sensitive", "riskcontrol", "contentpolicy", "policyviolation", "violat", "nsfw",
        "unsafe", "safety", "prohibited", "contentfilter", "compliance", "copyright", "敏感", "违规",
        "审核", "风控", "违禁", "违法", "合规", "色情", "涉黄", "版权", "内容安全",
    )),
    ("model", (
        "modelnotfound", "modelnotexist", "modeldoesnotexist", "unknownmodel", "invalidmodel",
        "unsupportedmodel", "modelnotsupported", "noavailablechannel", "nosuchmodel", "模型不存在",
        "无可用渠道", "不支持的模型",
    )),
    ("input", (
        "unreachable", "inaccessible", "notaccessible", "cannotaccess", "failedtofetch", "fetchfail",
        "downloadfail", "failedtodownload", "downloaderror", "imageurl", "videourl", "invalidurl",
        "invalidimage", "imageformat", "imagesize", "无法访问", "不可访问", "下载失败", "无法下载",
        "下载超时", "图片解析", "图片格式", "图片尺寸", "获取图片", "获取视频",
    )),
    ("capacity", (
        "concurren", "capacity", "overload", "backlog", "queuefull", "queueisfull", "serverbusy",
        "systembusy", "toobusy", "resourceinsufficient", "insufficientresource", "resourceexhausted",
        "toomanyrequests", "toomanytasks", "ratelimit", "requestlimitexceeded", "throttl", "并发",
        "繁忙", "拥挤", "拥堵", "排队", "积压", "过载", "饱和", "资源不足", "限流",
        "任务过多", "请求过多", "频率过高",
    )),
    ("key", (
        "invalidtoken", "invalidapikey", "invalidkey", "unauthorized", "authentication", "tokenexpired",
        "无效的令牌", "令牌已过期", "令牌状态", "令牌无效", "无效的密钥", "密钥无效", "未提供令牌",
    )),
    ("parameters", (
        "param", "invalid", "unsupported", "notsupport", "illegal", "mustbe", "required", "missing",
        "outofrange", "badrequest", "参数", "不支持", "非法", "无效", "必填", "缺少", "格式", "不能为空",
        "超出范围",
    )),
)  # fmt: skip

# What a status alone says. A relay refuses an unknown or exhausted key with 401, and a spent quota
# with 403.
_BY_STATUS = {
    400: "parameters", 401: "key", 402: "quota", 403: "quota", 411: "parameters", 413: "too_large",
    414: "parameters", 415: "parameters", 422: "parameters", 429: "limited", 431: "too_large",
}  # fmt: skip
# Statuses that only the named kinds may overrule: a limit is a limit unless it is arrears.
_OVERRULED_BY: dict[int, tuple[str, ...]] = {
    401: ("quota",),
    402: (),
    403: ("quota", "moderation", "model", "key"),
    413: (),
    429: ("quota",),
}

_NO_SUCH_TASK = (
    "tasknotexist", "tasknotfound", "taskdoesnotexist", "nosuchtask", "videonotfound", "recordnotfound",
    "任务不存在", "任务未找到", "未找到任务", "找不到任务",
)  # fmt: skip

# That nothing, or half of it, had come, or no model was named: of a body that was sent whole, this
# is said about another request. A relay that repeats a POST by itself, when the connection to the
# next server has broken, may leave the body out (LiteLLM 1.106 does); the first one may have been
# charged.
_BODY_LOST = (
    "unexpectedendofjson", "expectingvalue:line1column1(char0)", "emptybody", "emptyrequestbody", "bodyisempty",
    "bodywasempty", "bodycannotbeempty", "bodyisrequired", "bodyismissing", "missingrequestbody",
    "'loc':['body']", "请求体为空", "请求体不能为空", "modelisrequired", "modelnameisrequired",
    "mustprovideamodel", "未指定模型", "模型名称不能为空",
)  # fmt: skip
# That the way onward failed, not the request: whoever stands behind the relay may have taken it all
# the same. Some relays pass such words on with a 4xx of their own. They are what Go, Node, Python,
# PHP, Java and proxies say.
_WAY_LOST = (
    "timeout", "timedout", "deadlineexceed", "msexceeded", "超时", "contextcancel", "requestcancel", "abort",
    "connectionreset", "connectionclosed", "connectionbroken", "connectionlost", "closednetworkconnection",
    "closedidleconnection", "prematurely", "disconnect", "brokenpipe", "hangup", "othersideclosed", "goaway",
    "streamerror", "emptyreply", "econnreset", "econnaborted", "etimedout", "epipe", "curlerror", "socketexception",
    "badgateway", "invalidcharacter'<'", "unexpectedtoken<", "网络异常", "网络错误", "网络中断", "连接断开",
    "连接中断", "连接被重置", "连接异常",
)  # fmt: skip
# About a picture or a video that could not be fetched such words are definite.
_INPUTS = ("image", "picture", "videourl", "fileurl", "图片", "图像", "照片", "素材", "下载")
# That nobody offers the model, so that nothing was passed on; more exact than the kind `model`,
# which what came back from there may be taken for, too ("invalid model response").
_NOT_OFFERED = (
    "modelnotfound", "modelnotexist", "modeldoesnotexist", "noavailablechannel", "nosuchmodel", "模型不存在",
    "无可用渠道",
)  # fmt: skip
_EOF = re.compile(r"\bEOF\b")  # Go's and Rust's whole word for it


def classify_task(code: str, message: str) -> str:
    """The kind of a task's own failure."""
    squeezed = _squeeze(code, message)
    return next((kind for kind, words in _WORDS if any(w in squeezed for w in words)), "unknown")


def classify_refusal(status: int, code: str, message: str) -> str:
    """The kind of a refused request. Words overrule the status, save where it is the surer witness."""
    said = classify_task(code, message)
    allowed = _OVERRULED_BY.get(status)
    if said != "unknown" and (allowed is None or said in allowed):
        return said
    return _BY_STATUS.get(status, "unknown")


def says_no_such_task(code: str, message: str) -> bool:
    """Whether an error is about an id that the gateway does not know."""
    squeezed = _squeeze(code, message)
    return any(word in squeezed for word in _NO_SUCH_TASK)


def says_body_was_lost(code: str, message: str) -> bool:
    """Whether a refusal is about a body that did not arrive, or not whole."""
    squeezed = _squeeze(code, message)
    return any(word in squeezed for word in _BODY_LOST) or _EOF.search(message) is not None


def says_way_was_lost(code: str, message: str) -> bool:
    """Whether an error is about the connection from the gateway to what is behind it, and not to an
    input.
    """
    squeezed = _squeeze(code, message)
    return any(word in squeezed for word in _WAY_LOST) and not any(
        word in squeezed for word in _INPUTS
    )


def says_model_is_not_offered(code: str, message: str) -> bool:
    """Whether an error says that there was nobody to pass the request on to."""
    squeezed = _squeeze(code, message)
    return any(word in squeezed for word in _NOT_OFFERED) and not says_way_was_lost(code, message)


def _squeeze(code: str, message: str) -> str:
    return re.sub(r"[\s_\-]+", "", f"{code}\n{message}".lower())
