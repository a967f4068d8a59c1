"""A film of stills, frames and shots that wait is made at a cluster while nobody follows it, and
while its hosts and its server die.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns import siege
from tests.campaigns.cluster import HOSTS, Cluster, clustered
from tests.campaigns.figures import Report
from tests.harness import Pipeline
from tests.pictures import png

pytestmark = pytest.mark.usefixtures("temporal_server")

PATIENCE_S = 600.0


def chains(number: int) -> dict[str, Any]:
    """So many chains: a still, a frame of its video, that video whole, and a shot after them."""
    shots: dict[str, Any] = {}
    for n in range(number):
        first, door, same, last = (f"{name}{n}" for name in ("first", "door", "same", "last"))
        shots[first] = {"prompt": f"{first} x", "image": "./mei.png"}
        shots[door] = {"prompt": f"{door} x", "image": {"from": first, "frame": "last"}}
        feature = {"video": {"from": first}, "reference_type": "feature"}
        shots[same] = {"model": "kling-3.0-omni", "prompt": f"{same} x", "files": [feature]}
        shots[last] = {"prompt": f"{last} x", "after": [door, same]}
    return shots


def write(cluster: Cluster, film: Pipeline, shots: dict[str, Any]) -> None:
    """Write a film whose stills and frames go to a folder that the gateway reads."""
    refs = film.folder / "refs"
    refs.mkdir()
    cluster.before_main = f"os.environ['KLINGFLOW_WRITE_BELOW'] = {str(refs)!r};"
    (film.folder / "mei.png").write_bytes(png(640, 640))
    film.write(
        shots,
        run={**siege.LIMITS, "max_running": 8},
        assets={"store": f"file://{refs}", "public_url": f"{cluster.sandbox.base_url}/refs"},
        defaults={"model": "kling-3.0", "resolution": "720P", "allow": ["image-size"]},
    )
    siege.commit(film)


def test_a_film_is_there_in_the_morning(tmp_path: Path, long: bool, report: Report) -> None:
    """Handed over and left alone: each shot is charged once, by the body that its plan would have
    bought, whatever died in the night.
    """
    number = 20 if long else 2
    options: dict[str, Any] = {"rate": siege.RATE, "max_running": siege.MOST, "task_time": "2s"}
    refs = str(tmp_path / "person" / "film" / "refs")
    with clustered(tmp_path, refs=refs, **options) as cluster:
        film = cluster.person("person")
        write(cluster, film, chains(number))
        cluster.work(*HOSTS)
        siege.settle(film, *siege.DESK)
        siege.hand_over(film, "-q")
        blows = _night(cluster, 4 * number)
        run = film.begin("run", "film.yaml", "--cluster", "-y", "-q")
        _, complaints = run.communicate(timeout=PATIENCE_S)
        states = Counter(p["state"] for p in film.purchases())
        plan = Counter(action["action"] for action in film.data("plan", "film.yaml")["actions"])
        charged = cluster.charged()
    tried = {"shots": 4 * number, "blows": blows, "in doubt": states["in_doubt"]}
    wrong = {
        "charged twice": sum(times - 1 for times in charged.values()),
        "ids lost": len(charged) - states["done"] - states["in_doubt"],
    }
    report.add("cluster: a film is there in the morning", tried, wrong=wrong, found=complaints)
    assert plan["keep"] == states["done"], complaints  # the very bodies that a plan makes
    assert plan["keep"] == 4 * number or states["in_doubt"], complaints


def _night(cluster: Cluster, shots: int) -> int:
    """Let hosts and the server die in turn, until all is bought or nothing more comes."""
    until, blows, next_at = time.monotonic() + PATIENCE_S / 6, 0, time.monotonic() + 4
    while len(cluster.charged()) < shots and time.monotonic() < until:
        if time.monotonic() > next_at and blows < 9:
            if blows % 3 == 1:
                cluster.server.kill()
                cluster.server.start()
            else:
                host = HOSTS[blows % 2]
                cluster.kill(host)
                cluster.work(host)
            blows, next_at = blows + 1, time.monotonic() + 6
        time.sleep(0.5)  # a moment of the night
    return blows
