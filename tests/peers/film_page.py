"""Serves the page of a film that nobody bought, and writes it as a report: as many takes as asked
for, with texts that try to become code. For a browser of the tests.

python -m tests.peers.film_page FOLDER TAKES
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from klingflow.api.gallery import Gallery, Video
from klingflow.pages import report
from klingflow.pages.posters import Posters
from klingflow.pages.server import serve
from klingflow.pages.watching import Watch
from tests.clips import clip

EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
    " javascript:alert(4) \u202eevil\u2069 </style>*{display:none}"
)
WORDS = ("雨夜，林夏推门而入", EVIL, "a quiet street, early")


def take(number: int) -> dict[str, Any]:
    """One of two takes of a shot."""
    shot, which = divmod(number, 2)
    words = WORDS[shot % len(WORDS)]
    times = {
        "intent": f"2026-06-08T1{number % 10}:00:00.000Z",
        "submitted": f"2026-06-08T1{number % 10}:00:01.000Z",
        "finished": f"2026-06-08T1{number % 10}:02:00.000Z",
        "done": f"2026-06-08T1{number % 10}:02:05.000Z",
    }
    return {
        "id": f"s{shot}",
        "take": which + 1,
        "key": f"s{shot}" if which == 0 else f"s{shot}#2",
        "uid": f"u{number}",
        "state": "done" if number % 7 else "failed",
        "error": None if number % 7 else {"kind": "moderation", "code": EVIL, "message": EVIL},
        "scene": ("雨夜", EVIL, None)[shot // 10 % 3],
        "title": words,
        "prompt": words,
        "dialogue": [words, words],
        "note": words,
        "model": "kling-3.0",
        "ratio": "16:9",
        "tags": [EVIL, "act1"][: shot % 3],
        "task_id": f"task_{number}",
        "billed_tier": "kling-3.0-720p",
        "predicted_tier": EVIL if number % 5 == 0 else "kling-3.0-720p",
        "price": {"amount": "3.00", "currency": "CNY", "basis": EVIL},
        "seconds": 5,
        "times": times,
        "file": f"outputs/{EVIL}.mp4",
        "pick": ("open", "picked", "rejected")[number % 3],
        "pick_note": words if number % 3 else None,
        "references": [
            {"kind": "image", "address": "javascript:alert(5)"},
            {"kind": "image", "address": "https://example.com/a.png"},
            {"kind": "image", "file": "refs/a.png", "sha256": None},
        ],
        "changes": [{"field": "prompt", "old": EVIL, "new": words, "where": "film.yaml:3:4"}],
        "media": {"width": 1280, "height": 720, "seconds": 5.04, "fps": 24, "sound": "none",
                  "labels": [EVIL], "remarks": [{"kind": "smaller", "got": EVIL, "bought": EVIL}]},
        "versions": [],
    }  # fmt: skip


def film(folder: Path, takes: int, picks: Path) -> Gallery:
    """The film as the page shows it: what was picked meanwhile counts."""
    said = dict(json.loads(line) for line in picks.read_text("utf-8").splitlines())
    shown = [take(number) for number in range(takes)]
    for one in shown:
        one["pick"] = said.get(one["key"], one["pick"])
    shares = {"spent": {"purchases": 3, "amounts": {EVIL: "9.00"}, "unpriced": 1}}
    data = {
        "name": f"film {EVIL}",
        "manifest": "film.yaml",
        "generated_at": "",
        "gateway": "sandbox",
        "command": "film.yaml",
        "takes": shown,
        "by_tier": {EVIL: {"tasks": 3, "seconds": 15, "amounts": {"CNY": "9.00"}, "unpriced": 0}},
        "by_scene": [{"name": EVIL, "shares": shares}],
        "by_day": [{"name": "2026-06-08", "shares": shares}],
        "money": {"budget": "100", "left": "91"},
        "problems": [],
        "marks": [{"at": "2026-06-08T11:00:30.000Z"}],
    }
    video = folder / "a.mp4"
    sha256 = hashlib.sha256(video.read_bytes()).hexdigest()
    videos = {one["uid"]: Video(video, sha256) for one in shown if one["state"] == "done"}
    return Gallery(data, videos, {}, (picks,))


def main() -> None:
    """Serve until SIGTERM; the first line says the address."""
    folder, takes = Path(sys.argv[1]), int(sys.argv[2])
    picks = folder / "picks.jsonl"
    picks.touch()
    (folder / "a.mp4").write_bytes(clip())

    def pick(verb: str, key: str, uid: str, note: str) -> None:
        word = {"pick": "picked", "reject": "rejected", "unpick": "open"}[verb]
        with picks.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps([key, word]) + "\n")

    def say(address: str) -> None:
        print(address, flush=True)

    with Posters(folder / "posters") as posters:
        shown = film(folder, takes, picks)
        report.write(shown, folder / "report", posters, copies=False, tell=lambda *_: None)
        serve(Watch(lambda: film(folder, takes, picks)), posters, pick, 0, say, say)


if __name__ == "__main__":
    main()
