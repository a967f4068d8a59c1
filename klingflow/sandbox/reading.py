"""Requests as the sandbox reads them: the body's bytes, the Spec that they ask for, and the key."""

from __future__ import annotations

import hmac
import json
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from klingflow.sandbox import forms
from klingflow.sandbox.billing import Spec
from klingflow.sandbox.rules import Refusal, check

MOST_BODY = 10 * 2**20  # bytes


async def body_of(request: Request) -> bytes:
    """Return the whole body, or one byte more than MOST_BODY in place of a larger one."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        parts.append(part if size <= MOST_BODY else b"")
    return b"".join(parts) if size <= MOST_BODY else b"\0" * (MOST_BODY + 1)


async def spec_of(request: Request, raw: bytes) -> Spec:
    """Return the Spec of a create's body, which is JSON or a form. Raises Refusal."""
    if len(raw) > MOST_BODY:
        raise Refusal(413, "request_too_large", "请求体过大 (the body is too large)")
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    try:
        body = await _form(request, raw) if is_form else json.loads(raw)
    except (ValueError, RecursionError, HTTPException) as error:
        message = f"参数错误:请求体无法解析 (the body cannot be read: {error})"
        raise Refusal(400, "invalid_request", message) from error
    return check(body)


async def _form(request: Request, raw: bytes) -> dict[str, Any]:
    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    fields = []
    async with Request(request.scope, again).form() as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                zh, en = "仅支持 http(s) 链接", "must be an http(s) URL, not a file"
                raise ValueError(f"{name} {zh}, {name} {en}")
            fields.append((name, value))
    return forms.body_of(fields)


def has_key(request: Request, key: str | None) -> bool:
    """True if the request carries `key`, or any key at all if None is asked for."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    given = given.strip()
    if scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.encode("latin-1"), key.encode()) if key else bool(given)
