"""A film that is made at a cluster while something happens to hosts, server and store every few
seconds; and what is held against it at the end.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.campaigns.aftermath import Found, ends
from tests.campaigns.cluster import HOSTS, KEY, Cluster, Peer
from tests.campaigns.judge import judge
from tests.harness import Pipeline, Process, charges

# By the sandbox's own count, and what the desk is told: a tenth less, because a create that is
# granted in time may arrive some seconds later.
RATE, MOST = "150/1m", 20
DESK = ("--submit", "120/1m", "-j", "18")
LIMITS = {"submit": "120/1m", "max_running": 18, "poll_floor": "1s"}
# A run that follows has no end of its own as long as something is away. An answer that died with
# its host is waited for four minutes.
PATIENCE_S = 600.0
# The server's memory of a few seconds is lost by a backup.
_OLD_S = 4.0

Blow = Callable[["Siege"], None]


@dataclass
class Siege:
    """A film of a person, who follows it, at a cluster. Nothing is left undone for a blow: what was
    killed is started again.
    """

    cluster: Cluster
    film: Pipeline
    blow_s: float  # how long a cut or a stop lasts
    run: Process
    deaths: list[float] = field(default_factory=list)  # of hosts and the server, Unix time
    broken: list[str] = field(default_factory=list)  # promises, during a blow

    def desk(self) -> None:
        """Say the limits of the account, as a person does once, and again after a loss."""
        settle(self.film, *DESK)

    def follow(self) -> None:
        """Start the run that follows, again."""
        self.run = self.film.begin(*FOLLOW)


FOLLOW = ("run", "film.yaml", "--cluster", "-y", "-q")


def begun(cluster: Cluster, film: Pipeline, shots: int, blow_s: float = 0.0) -> Siege:
    """Hand a film of plain shots over, and follow it. The hosts are started."""
    film.write(shots, run=LIMITS)
    commit(film)
    cluster.work(*HOSTS)
    settle(film, *DESK)
    return Siege(cluster, film, blow_s, film.begin(*FOLLOW))


def settle(film: Pipeline, *limits: str) -> None:
    """Say the limits of the account."""
    asked(film, "desk", *limits)


def hand_over(film: Pipeline, *options: str) -> None:
    """Hand a film over, and follow nothing."""
    asked(film, "run", "film.yaml", "--cluster", "-y", "--detach", *options)


def asked(film: Pipeline, *command: str) -> str:
    """Ask the server something, as often as it takes, and return what is said: a server that has
    just started may need longer for an answer than a person's command waits.
    """
    until = time.monotonic() + PATIENCE_S
    while (told := ends(film, *command))[0] != 0:
        assert time.monotonic() < until, told
    return told[1]


def commit(film: Pipeline) -> None:
    """Make the lock, which every copy of a film has to share before anything is handed over."""
    said = film.do("run", "film.yaml", "--cluster", "-y", code=2)
    assert "commit it first" in said


# ---------------------------------------------------------------- blows


def kill_a(siege: Siege) -> None:
    """A host's process dies, and is started again."""
    _kill(siege, "a")


def kill_b(siege: Siege) -> None:
    """The other host."""
    _kill(siege, "b")


def _kill(siege: Siege, host: str) -> None:
    siege.cluster.kill(host)
    siege.deaths.append(time.time())
    siege.cluster.work(host)


def kill_server(siege: Siege) -> None:
    """The server dies and is started again with its database."""
    siege.cluster.server.kill()
    siege.cluster.server.start()
    siege.deaths.append(time.time())


def kill_follower(siege: Siege) -> None:
    """The run of the person who follows dies."""
    siege.run.send_signal(signal.SIGKILL)
    siege.run.communicate()
    siege.follow()


def forget(siege: Siege) -> None:
    """The server's database is deleted."""
    siege.cluster.forget()
    siege.desk()
    siege.deaths.append(time.time())


def roll_back(siege: Siege) -> None:
    """The server's database is of some seconds ago."""
    copy = siege.cluster.saved()
    time.sleep(_OLD_S)  # what happens meanwhile is forgotten
    siege.cluster.restore(copy)
    siege.deaths.append(time.time())


def stop_a(siege: Siege) -> None:
    """A host sleeps."""
    with siege.cluster.stopped("a"):
        time.sleep(siege.blow_s)


def split(siege: Siege) -> None:
    """One host sees no server, and the other no gateway."""
    with siege.cluster.cut_off("a", "server"), siege.cluster.cut_off("b", "gateway"):
        time.sleep(siege.blow_s)


def take_store_away(siege: Siege) -> None:
    """No host sees the store: what is charged meanwhile was claimed before."""
    cluster = siege.cluster
    with cluster.cut_off("a", "store"), cluster.cut_off("b", "store"):
        claimed = {name.split("/")[1] for name in cluster.store.names("purchases")}
        time.sleep(siege.blow_s)
        charged = {f"{uid}.intent" for uid in uids_charged(cluster)}
    if charged - claimed:
        siege.broken.append(f"charged without a store: {sorted(charged - claimed)}")


def _cut(host: str, peer: Peer) -> Blow:
    def blow(siege: Siege) -> None:
        with siege.cluster.cut_off(host, peer):
            time.sleep(siege.blow_s)

    return blow


DEATHS: tuple[Blow, ...] = (kill_a, kill_b, kill_server)
MEMORY: tuple[Blow, ...] = (roll_back, forget)
PEERS: tuple[Peer, ...] = ("server", "gateway", "store")
CUTS: tuple[Blow, ...] = (*(_cut("a", peer) for peer in PEERS), split, take_store_away, stop_a)


# ---------------------------------------------------------------- a night


@dataclass(frozen=True)
class Night:
    """What happens to a film of so many shots, every few seconds, `most` times: a film that is hit
    for ever comes to no end. A cut lasts `blow_s`. `in_turn` plays every blow once, in order.
    """

    blows: tuple[Blow, ...]
    shots: int
    every_s: float
    blow_s: float = 0.0
    most: int = 0
    seed: int = 1
    in_turn: bool = False

    def drawn(self) -> list[Blow]:
        """The blows that are played."""
        if self.in_turn:
            return [*self.blows]
        chance = random.Random(self.seed)
        return [chance.choice(self.blows) for _ in range(self.most)]


def play(cluster: Cluster, night: Night, tried: Counter[str], found: Found) -> Siege:
    """Let a night happen, and hold against it what every night has to keep."""
    siege = begun(cluster, cluster.person("person"), night.shots, night.blow_s)
    chance, blows = random.Random(night.seed), night.drawn()
    next_at, progress = time.monotonic() + night.every_s, Progress(cluster)
    while siege.run.poll() is None:
        if progress.has_stopped():
            siege.run.kill()
            found.blame("hangs", night.seed, f"nothing went on: {ends(siege.film, 'desk')[1]}")
            return siege
        is_time = time.monotonic() > next_at and len(cluster.charged()) > night.shots // 5
        if blows and is_time:
            blows.pop(0)(siege)
            tried["blows"] += 1
            next_at = time.monotonic() + night.every_s * chance.uniform(0.5, 1.5)
        time.sleep(0.2)  # a moment of the night
    out, err = siege.run.communicate()
    tried += Counter(nights=1, shots=night.shots)
    end(siege, siege.run.returncode, night.shots, f"night {night.seed}", tried, found, out + err)
    return siege


@dataclass
class Progress:
    """How far a cluster has come, and since when it has come no further."""

    cluster: Cluster
    facts: int = 0
    at: float = field(default_factory=time.monotonic)

    def has_stopped(self) -> bool:
        """True if nothing new has been said in the store for longer than anything may take."""
        facts = len([*self.cluster.store.names("purchases")])
        if facts != self.facts:
            self.facts, self.at = facts, time.monotonic()
        return time.monotonic() > self.at + PATIENCE_S


def end(
    siege: Siege,
    code: int,
    shots: int,
    where: object,
    tried: Counter[str],
    found: Found,
    said: str = "",
) -> None:
    """Hold against a film that is over what every film has to keep."""
    film, cluster = siege.film, siege.cluster
    verdict = judge(film, cluster.sandbox)
    for kind, number in verdict.wrong.items():
        if number:
            found.blame(kind, where, str(verdict))
    doubts = {p["uid"] for p in film.purchases() if p["state"] == "in_doubt"}
    tried["in doubt"] += len(doubts)
    wanted = 4 if doubts else 0
    if code != wanted:
        found.blame("crashes", where, f"the run ended with exit {code}, not {wanted}: {said}")
    for broken in (*siege.broken, *_broken(film, cluster, shots, doubts)):
        found.blame("rules broken", where, broken)
    _paced(siege, tried)


def uids_charged(cluster: Cluster) -> set[str]:
    """The uids of all purchases that the gateway knows."""
    return {c["client_request_id"].partition("/")[0] for c in charges(cluster.sandbox)}


def _broken(film: Pipeline, cluster: Cluster, shots: int, doubts: set[str]) -> Iterable[str]:
    """What of the promises to a person is broken."""
    if astray := doubts - cluster.on_their_way:
        yield f"in doubt, although no host died with them: {sorted(astray)}"
    uids = {p["uid"] for p in film.purchases()}
    if unknown := uids_charged(cluster) - uids:
        yield f"charged, and not in the lock: {sorted(unknown)}"
    if len(film.videos()) != shots - len(doubts):
        yield f"{len(film.videos())} videos of {shots} shots, {len(doubts)} in doubt"
    plan = film.done("plan", "film.yaml", "--format", "json")
    marks = Counter(action["mark"] for action in json.loads(plan.stdout)["actions"])
    if marks != +Counter({"=": shots - len(doubts), "?": len(doubts)}):
        yield f"the plan afterwards says {dict(marks)}"
    check = film.done("lock", "check", "film.yaml")
    if check.returncode not in (0, 4):
        yield f"lock check says {check.returncode}: {check.stdout}"
    yield from secrets_in(cluster)


def secrets_in(cluster: Cluster, prompt: str = "a quiet street") -> Iterable[str]:
    """What must not be found: a key in the server's database or in the store, and a prompt in the
    database.
    """
    database = b"".join(path.read_bytes() for path in cluster.folder.glob("temporal.db*"))
    # Of the limits, which a server that has forgotten all else was told again.
    assert b'"max_running"' in database, "what is searched holds texts as they are written"
    store = cluster.store
    names = [name for part in ("orders", "purchases") for name in store.names(part)]
    objects = b"".join(store.get(name) or b"" for name in names)
    assert prompt.encode() in objects
    if KEY.encode() in database + objects:
        yield "the key is in the server's database or in the store"
    if prompt.encode() in database:
        yield "a prompt is in the server's database"


# ---------------------------------------------------------------- pace


def _paced(siege: Siege, tried: Counter[str]) -> None:
    """Count the creates, those that the gateway limited, and the longest wait for the next create
    after a death.
    """
    told = siege.cluster.sandbox.ledger()["requests"]
    tried["creates"] += told["create"]
    tried["answered 429"] += told["limited"]
    gap = round(max(gaps(siege), default=0.0))
    tried["s to the next create"] = max(tried["s to the next create"], gap)


def gaps(siege: Siege) -> list[float]:
    """Seconds from each death to the next create; of deaths after which one came."""
    times = sorted(charge["at"] for charge in charges(siege.cluster.sandbox))
    after = [next((at for at in times if at > death), None) for death in siege.deaths]
    return [at - death for at, death in zip(after, siege.deaths, strict=True) if at is not None]
