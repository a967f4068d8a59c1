"""A film on its way from a shot list to its last pick, and a person who begins each command again
after it was killed.

The sandbox's ledger says what was charged, the store what was uploaded, the folder of frames what
was decoded: nothing in them may come twice.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klingflow.ledger.book import Book
from klingflow.ledger.places import ledger_paths
from klingflow.ledger.store import read
from klingflow.sandbox.child import Sandbox
from tests.campaigns.aftermath import Found, begun, ends
from tests.harness import FAST, Pipeline, Process, charges
from tests.pictures import png

SHEET = """\
镜号,场景,画面,时长,角色,参考图,条数,台词
1,码头·黄昏,渡轮靠岸，汽笛长鸣,5秒,,refs/ferry.png,2条,
2,,阿薇提着行李箱走上甲板,5秒,阿薇,refs/awei.png,,等一等！
3,船舱·夜,船长推开舱门，灯光摇晃,4秒,船长,,,
4,,阿薇回头，看见窗外的灯塔,5秒,阿薇,refs/awei.png,×2,
"""
# What a person adds to the manifest that `init --from` has written: shots made from others' videos.
# The sandbox's plain clips are small.
CHAIN = """\
  door:
    first_frame: { from: "1", frame: last }
    prompt: 门后是霓虹走廊
    allow: [image-size]
  wide:
    files: [{ video: { from: door }, reference_type: feature }]
    prompt: 同一条走廊，改为远景长焦
  back:
    first_frame: { from: "4", frame: 50% }
    last_frame: { from: "1", frame: last }
    prompt: 从灯塔回到码头
    allow: [image-size]
"""
# The events of a run after which it is killed, in the order of one shot's life.
STAGES = ("uploading", "uploaded", "intent", "submitted", "succeeded", "downloading", "done")

_PURCHASE = re.compile(r", purchase: [^ }]+")

Key = tuple[str, str]  # profile, take
Mark = tuple[int, int]  # what of a file would be another if it were written again


@dataclass
class Production:
    """A film, its gateway and its store. `expected` are the charges that a person has asked for, by
    take; `stages` those at which each run is killed, "" at a random moment; `often` the share of
    the other commands that are killed.
    """

    film: Pipeline
    sandbox: Sandbox
    store: Path
    chance: random.Random
    stages: Sequence[str]
    often: float = 1.0
    found: Found = field(default_factory=Found)
    expected: Counter[Key] = field(default_factory=Counter)
    kills: int = 0
    _written: dict[Path, Mark] = field(default_factory=dict)
    _logs: int = 0

    def begin(self) -> None:
        """Put a shot list and its stills into the folder."""
        (self.film.folder / "refs").mkdir()
        for shade, name in enumerate(("ferry", "awei")):
            (self.film.folder / "refs" / f"{name}.png").write_bytes(png(shade=shade))
        (self.film.folder / "分镜.csv").write_text(SHEET, encoding="gbk")

    def complete(self) -> None:
        """Write into the manifest what a person adds to it."""
        assets = f'{{ store: "{self.store.as_uri()}", public_url: "{self.sandbox.base_url}/refs" }}'
        limits = ", ".join(f"{name}: {value}" for name, value in FAST.items())
        added = f"run: {{ {limits} }}\nassets: {assets}\nprofiles: {{ draft: {{ seconds: 4 }} }}\n"
        text = self.film.manifest.read_text("utf-8")
        self.film.manifest.write_text(text.replace("shots:\n", f"{added}shots:\n") + CHAIN, "utf-8")

    def write_picks(self, stem: str, *takes: tuple[str, int]) -> None:
        """Write picks into a file of picks by hand, which names no purchases."""
        lines = (f'- {{ shot: "{shot}", take: {take} }}\n' for shot, take in takes)
        with (self.film.folder / f"{stem}.picks.yaml").open("a", encoding="utf-8") as file:
            file.writelines(["# 导演选定\n", *lines])

    # ---------------------------------------------------------------- one command

    def do(self, *arguments: str, may_pick: bool = False) -> None:
        """Kill a command at a random moment; then run it to its end."""
        before = self._said()
        if self.chance.random() < self.often:
            self.kill(*arguments)
            self._look(arguments, None if may_pick else before)
        code, said = ends(self.film, *arguments)
        if code != 0:
            self.found.blame("crashes", arguments, f"exit {code}: {said}")
        self._look(arguments, None if may_pick else before)

    def kill(self, *arguments: str) -> None:
        """Kill a command at a random moment."""
        process = self.film.begin(*arguments)
        time.sleep(self.chance.uniform(0.0, 0.2))
        self._kill(process)

    def run(self, *options: str) -> None:
        """Kill a run at each stage, then run it until nothing is left to do."""
        command, before = ("run", "film.yaml", "-y", "-q", *options), self._said()
        for stage in self.stages:
            log = self.film.folder / f"{self._logs}.jsonl"
            self._logs += 1
            process = self.film.begin(*command, "--log", log.name)
            begun(process, log, stage)
            time.sleep(self.chance.uniform(0.0, 0.04 if stage else 0.8))
            self._kill(process)
            log.unlink(missing_ok=True)
            self._look((*options, stage), before)
        code, said = ends(self.film, *command)
        while code == 4 and self._settle(options):
            code, said = ends(self.film, *command)
        if code != 0:
            self.found.blame("crashes", command, f"exit {code}: {said}")
        self._look(command, before)

    def _kill(self, process: Process) -> None:
        self.kills += process.poll() is None
        process.kill()
        process.communicate()

    def _settle(self, options: Sequence[str]) -> bool:
        """Answer each doubt as the gateway's owner would. Return False where there is none."""
        profile = self._profile(options)
        tasks = {uid: charge["task_id"] for uid, charge in self._charged().items()}
        doubts = [p for p in self._book(profile).purchases.values() if p.state == "in_doubt"]
        self.found.doubts += len(doubts)
        for doubt in doubts:
            task = tasks.get(doubt.uid)
            answer = ("--task", task) if task else ("--resubmit",)
            named = ("--profile", profile) if profile else ()
            self.film.do("resolve", "film.yaml", doubt.key, *answer, *named)
        return bool(doubts)

    # ---------------------------------------------------------------- what is looked at

    def _look(self, where: object, picks: dict[str, str] | None) -> None:
        """Compare what was charged, uploaded and decoded with what may be; picks with what they
        were.
        """
        charged = Counter[Key]()
        books = {profile: self._book(profile) for profile in ("", "draft")}
        for uid, charge in self._charged().items():
            key = charge["client_request_id"].partition("/")[2]
            profile = next((name for name, book in books.items() if uid in book.purchases), None)
            if profile is None:
                self.found.blame("ids lost", where, f"no ledger knows the purchase {uid} of {key}")
            else:
                charged[profile, key] += 1
        for key, number in (charged - self.expected).items():
            self.found.blame("charged twice", where, f"{key} once more than asked for, {number}")
        written = self.marks()
        if again := [p.name for p, mark in self._written.items() if written.get(p) != mark]:
            self.found.blame("rules broken", where, f"uploaded or decoded again: {again}")
        self._written = written
        if picks is not None and picks != self._said():
            self.found.blame("rules broken", where, "the picks are not as they were")

    def missing(self) -> Counter[Key]:
        """Return the takes that were asked for and not charged."""
        uids = self._charged()
        books = {profile: self._book(profile) for profile in ("", "draft")}
        bought = Counter(
            (profile, purchase.key)
            for profile, book in books.items()
            for purchase in book.purchases.values()
            if purchase.uid in uids
        )
        return self.expected - bought

    def marks(self, *folders: Path) -> dict[Path, Mark]:
        """Return the files of the store, and the frames, each with its mark."""
        folders = folders or (self.store, self.film.folder / ".klingflow" / "frames")
        files = [path for folder in folders for path in folder.rglob("*.png")]
        stats = {path: path.stat() for path in files if path.name[0] != "."}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}

    def _charged(self) -> dict[str, dict[str, Any]]:
        """Return the charges by the uids of their purchases; a second one of a uid is blamed."""
        found: dict[str, dict[str, Any]] = {}
        for charge in charges(self.sandbox):
            uid = charge["client_request_id"].partition("/")[0]
            if uid in found:
                self.found.blame("charged twice", uid, "one purchase, two charges")
            found[uid] = charge
        return found

    def _book(self, profile: str) -> Book:
        state = Path(self.film.environ["KLINGFLOW_STATE_DIR"])
        return read(ledger_paths(self.film.manifest, state=state, profile=profile))

    def _said(self) -> dict[str, str]:
        """Return the files of picks, without the purchases that a run writes into a person's
        lines.
        """
        files = self.film.folder.glob("*.picks.yaml")
        return {file.name: _PURCHASE.sub("", file.read_text("utf-8")) for file in files}

    @staticmethod
    def _profile(options: Sequence[str]) -> str:
        return options[options.index("--profile") + 1] if "--profile" in options else ""
