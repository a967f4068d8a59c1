"""Replies of a gateway for tests: as its document has them, and what else a server may say."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from klingflow.gateway.outcomes import Reply

ID = "task_uS28Df3npjkcVE8FfH9JQcvjWKxUgrsG"
UPSTREAM = "task_xKFlPhfIcFR1dKWSr9akbE59umufNdju"
TIER = "kling-2.5-motion-std-720p"
HTML = b"<html><body>502 Bad Gateway</body></html>"
CREATED = {
    "id": ID, "task_id": ID, "object": "video", "model": TIER, "status": "queued", "progress": 0,
    "created_at": 1780891541,
}  # fmt: skip


def reply(status: int, body: Any = b"", /, **headers: str) -> Reply:
    """A whole reply; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def error(message: str, code: str = "") -> dict[str, Any]:
    """An error as the gateway's document has them."""
    return {"error": {"message": message, "type": "relay", "code": code}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "task_id",
                    "data",
                    "error",
                    "code",
                    "message",
                    "status",
                    "progress",
                    "model",
                    "url",
                    "video_url",
                    "metadata",
                    "seconds",
                    "detail",
                    "fail_reason",
                    "type",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "openai-poll-after-ms"]), st.text(max_size=40)
)
