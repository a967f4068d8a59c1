"""PURE. Which bodies the gateway's document refuses, and why; billing.py prices the others.

This is the judge, and on purpose independent of the client. No rule is stricter than the document:
what the sandbox refuses, the document forbids. Numbers in comments are the document's sections.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from klingflow.sandbox.billing import (
    ASPECTS,
    METADATA_LENGTHS,
    SCENE_OF_MODEL,
    SHORT_SIDE,
    Body,
    Spec,
    prompt_of,
    shape_of,
    spec_of,
)

MODELS = (
    "kling-1.0", "kling-1.5", "kling-2.0", "kling-2.1", "kling-2.5", "kling-2.6", "kling-3.0",
    "kling-3.0-omni", "kling-o1", "kling-identify-face", "kling-avatar-720p", "kling-avatar-1080p",
)  # fmt: skip
_SCENES = ("motion_control", "avatar_i2v", "lip_sync")
_SWITCH = ("Enabled", "Disabled")
_MOST_S = 600  # no document says so; a longer clip could not be made here


class Refusal(Exception):
    """Why a body is refused. `message` is Chinese, then English."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status: int = status
        self.code: str = code
        self.message: str = message


def check(body: object) -> Spec:
    """Return the Spec of a parsed body. Raises Refusal."""
    if not isinstance(body, dict):
        raise _bad("请求体必须是 JSON 对象", "the body must be a JSON object")
    metadata = _object(body, "metadata")
    whole = Body(body, metadata, _object(metadata, "output_config"))
    model = _model(body)
    for rule in _RULES:
        rule(whole)
    scene = metadata.get("scene_type") or SCENE_OF_MODEL.get(model)
    _required(whole, scene)
    return spec_of(whole, model, scene)


def _bad(zh: str, en: str) -> Refusal:
    return Refusal(400, "invalid_request", f"参数错误:{zh} ({en})")


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model.strip():
        raise _bad("缺少 model", "model is required")
    if model.lower() not in MODELS:  # 大小写不敏感, 2
        shown = model[:80]
        message = f"分组 default 下模型 {shown} 无可用渠道 (no available channel for model {shown})"
        raise Refusal(503, "model_not_found", message)
    return model.lower()


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad(f"{name} 必须是对象", f"{name} must be an object")
    return value


# One rule each


def _lengths(b: Body) -> None:
    seconds = b.top.get("seconds")
    if seconds is not None and not isinstance(seconds, str):
        raise _bad("seconds 必须是字符串", 'seconds must be a JSON string such as "5"')
    for name, value in _given_lengths(b):
        _length(name, value)


def _length(name: str, value: object) -> None:
    if isinstance(value, str):
        if not _whole(value):
            raise _bad(f"{name} 无效", f"{name} must be a whole number of seconds, 1 to {_MOST_S}")
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _bad(f"{name} 必须是数字", f"{name} must be a number")
    if not 0 < value <= _MOST_S:
        raise _bad(f"{name} 超出范围", f"{name} must be 1 to {_MOST_S} seconds")


def _given_lengths(b: Body) -> Iterator[tuple[str, Any]]:
    top = ("seconds", "duration")
    for holder, names in ((b.top, top), (b.metadata, METADATA_LENGTHS), (b.config, top[1:])):
        for name in names:
            if holder.get(name) is not None:
                yield name, holder[name]


def _whole(text: str) -> bool:
    # The length comes first: int() of a very long text raises.
    return text.isascii() and text.isdigit() and len(text) <= 4 and 0 < int(text) <= _MOST_S


def _size(b: Body) -> None:
    size = b.top.get("size")
    if size is not None and (not isinstance(size, str) or shape_of(size) is None):
        raise _bad("size 无效", "size must be like 720x1280, 720P or 1080P")


def _pictures(b: Body) -> None:
    images = b.top.get("images")
    if images is not None and not isinstance(images, list):
        raise _bad("images 必须是数组", "images must be an array")
    if images and len(images) > 3:
        raise _bad("images 最多 3 张", "at most 3 images")
    for image in images or ():
        _url("images", image)


def _links(b: Body) -> None:
    links = {
        "image": b.top.get("image"),
        "last_frame_url": b.metadata.get("last_frame_url"),
        "video_url": b.metadata.get("video_url"),
    }
    reference = b.top.get("input_reference")
    if isinstance(reference, dict):  # as the SDK sends it; the document knows only the text
        _url("input_reference", reference.get("image_url"))
    else:
        links["input_reference"] = reference
    for name, link in links.items():
        if link not in (None, ""):
            _url(name, link)


def _url(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _bad(f"{name} 必须是 URL 字符串", f"{name} must be a URL")
    if _web(value) is None:  # 12: 仅支持 http(s) 链接,不支持 base64 data URI
        zh, en = "仅支持 http(s) 链接,不支持 base64 data URI", "must be an http(s) URL, no data URI"
        raise _bad(f"{name} {zh}", f"{name} {en}")


def _web(url: str) -> tuple[str, str] | None:
    """Return (scheme, host) of a usable http(s) URL, otherwise None."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    if not usable or any(c.isspace() or not c.isprintable() for c in url):
        return None
    return parts.scheme, str(parts.hostname)


def _files(b: Body) -> None:
    files = b.metadata.get("file_infos")
    if files is None:
        return
    if not isinstance(files, list) or not all(isinstance(f, dict) for f in files):
        raise _bad("file_infos 必须是对象数组", "file_infos must be an array of objects")
    if len(files) > 3:
        raise _bad("file_infos 最多 3 项", "at most 3 file_infos")
    for file in files:
        _file(file)


def _file(file: Mapping[str, Any]) -> None:
    _one_of(file, "type", ("File", "Url"), required=True)
    _one_of(file, "category", ("Image", "Video"))
    _one_of(file, "reference_type", ("feature", "base"))
    if not isinstance(file.get("usage", ""), str):
        raise _bad("usage 必须是字符串", "usage must be a string")
    if file["type"] == "Url":
        if not file.get("url"):
            raise _bad("type=Url 时必须带 url", "a file of type Url needs url")
        _url("url", file["url"])
    elif not isinstance(file.get("file_id"), str) or not file["file_id"]:
        raise _bad("type=File 时必须带 file_id", "a file of type File needs file_id")


def _one_of(
    holder: Mapping[str, Any], name: str, values: tuple[str, ...], required: bool = False
) -> None:
    value = holder.get(name)
    if value is None and not required:
        return
    if value not in values:
        zh, en = " / ".join(values), ", ".join(values)
        raise _bad(f"{name} 只能是 {zh}", f"{name} must be one of {en}")


_ENUMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("metadata", "scene_type", _SCENES),
    ("metadata", "motion_level", ("std", "pro")),
    ("metadata", "mode", ("std", "pro")),
    ("top", "mode", ("std", "pro")),
    ("metadata", "resolution", tuple(SHORT_SIDE)),
    ("metadata", "audio_generation", _SWITCH),
    ("config", "resolution", tuple(SHORT_SIDE)),
    ("config", "aspect_ratio", tuple(ASPECTS)),
    ("config", "audio_generation", _SWITCH),
    ("config", "storage_mode", ("Permanent", "Temporary")),
    ("config", "person_generation", ("AllowAdult", "Disallowed")),
    ("config", "input_compliance_check", _SWITCH),
    ("config", "output_compliance_check", _SWITCH),
    ("config", "enhance_switch", _SWITCH),
)


def _enums(b: Body) -> None:
    for holder, name, values in _ENUMS:
        _one_of(getattr(b, holder), name, values)


def _plain_types(b: Body) -> None:
    for holder, name, kind in (
        (b.top, "prompt", str),
        (b.top, "content", list),
        (b.metadata, "audio", bool),
        (b.metadata, "last_frame_file_id", str),
        (b.config, "media_name", str),
        (b.config, "class_id", int),
        (b.config, "expire_time", str),
    ):
        value = holder.get(name)
        if value is not None and not isinstance(value, kind):
            raise _bad(f"{name} 类型错误", f"{name} must be a JSON {_JSON_NAMES[kind]}")
    if len(b.config.get("media_name") or "") > 64:
        raise _bad("media_name 最长 64 字符", "media_name has at most 64 characters")


_JSON_NAMES: dict[type, str] = {str: "string", list: "array", bool: "boolean", int: "integer"}


def _content(b: Body) -> None:
    for part in b.top.get("content") or ():
        _part(part)


def _part(part: object) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise _bad("content 条目必须带 type", "each part of content needs a type")
    kind = part["type"]
    if kind == "text" and not isinstance(part.get("text"), str):
        raise _bad("type=text 时必须带 text", "a text part needs text")
    if kind in ("image_url", "video_url"):
        link = part.get(kind)
        _url(kind, link.get("url") if isinstance(link, dict) else link)


def _ext_info(b: Body) -> None:
    text = b.metadata.get("ext_info")
    if text is None:
        return
    if not isinstance(text, str):  # 3.5: 不能传 object
        raise _bad(
            "ext_info 必须是 JSON 字符串,不能传 object", "ext_info must be a string, not an object"
        )
    outer = _json(text)
    inner = outer.get("AdditionalParameters") if isinstance(outer, dict) else None
    if not isinstance(outer, dict) or (inner is not None and not isinstance(_json(inner), dict)):
        raise _bad(
            "ext_info 不是有效的 JSON",
            "ext_info and its AdditionalParameters must hold JSON objects",
        )


def _json(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


_RULES: tuple[Callable[[Body], None], ...] = (
    _lengths,
    _size,
    _enums,
    _plain_types,
    _pictures,
    _links,
    _files,
    _content,
    _ext_info,
)


def _required(b: Body, scene: str | None) -> None:
    """Refuse a body without what its scene needs. 3.1: prompt 多数场景必填; 6.13 has none."""
    if scene == "motion_control":
        _public_video(b)
    if scene is None and not prompt_of(b) and not b.metadata.get("ext_info"):
        raise _bad("缺少 prompt", "prompt is required")


_RESULT = r"files/\w+\.mp4"
_REF = r"refs/\w+\.(mp4|mov)"


def _public_video(b: Body) -> None:
    """6.8, 12: 必须是公网 HTTPS 可下载地址. What the sandbox serves counts as
    public."""
    url = b.metadata.get("video_url")
    found = _web(url) if isinstance(url, str) else None
    if found is None:
        raise _bad(
            "动作控制必须提供参考视频 metadata.video_url", "motion_control needs metadata.video_url"
        )
    if re.fullmatch(rf"http://(127\.0\.0\.1|localhost):\d+/({_RESULT}|{_REF})", str(url)):
        return  # of this sandbox, or of the one before it on another port
    if found[0] != "https" or _private(found[1]):
        raise _bad(
            "参考视频 URL 无法访问,必须是公网 HTTPS 地址", "video_url must be a public https URL"
        )


def _private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))
