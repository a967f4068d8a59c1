"""Local references in a bucket of a server that speaks S3's protocol, and a sandbox as the gateway,
whose ledger is the judge.
"""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from klingflow.cluster.temporal.server import free_port
from tests.campaigns import siege
from tests.campaigns.aftermath import Found
from tests.campaigns.cluster import clustered, has_server
from tests.harness import Pipeline, charges, sandboxed
from tests.peers.conftest import serving
from tests.pictures import png

pytestmark = pytest.mark.peers
pytest.importorskip("obstore")

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
SHOTS = {f"s{n:02}": {"prompt": f"{n}", "image": f"refs/{n % 6}.png"} for n in range(12)}


@dataclass(frozen=True)
class Service:
    """A running server: its address, and the folder with its log."""

    endpoint: str
    folder: Path

    def make(self, bucket: str, *, public: bool = True) -> None:
        """Make a bucket, as its owner would; if `public`, one that everybody may read."""
        self._put(bucket, b"")
        if public:
            statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
            policy = {"Statement": [{**statement, "Resource": f"arn:aws:s3:::{bucket}/*"}]}
            self._put(f"{bucket}?policy", json.dumps({"Version": "2012-10-17", **policy}).encode())

    def _put(self, path: str, data: bytes) -> None:
        address, kind = f"{self.endpoint}/{path}", {"content-type": "application/json"}
        request = urllib.request.Request(address, data, kind, method="PUT")
        urllib.request.urlopen(request).close()

    def puts(self, bucket: str) -> int:
        """How many objects were put there so far."""
        log = (self.folder / "server.log").read_text(encoding="utf-8")
        return log.count(f'"PUT /{bucket}/')


@pytest.fixture(scope="module")
def service(moto: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    port, folder = free_port(), tmp_path_factory.mktemp("moto")
    endpoint = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [moto, "-H", "127.0.0.1", "-p", str(port)]
    with serving(command, folder, f"{endpoint}/moto-api/"):
        yield Service(endpoint, folder)


@pytest.fixture(scope="module")
def guarded(moto: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks everybody for credentials, once its first bucket is made."""
    port, folder = free_port(), tmp_path_factory.mktemp("guarded")
    endpoint = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [moto, "-H", "127.0.0.1", "-p", str(port)]
    guard = {"INITIAL_NO_AUTH_ACTION_COUNT": "1"}
    with serving(command, folder, f"{endpoint}/moto-api/", **guard):
        yield Service(endpoint, folder)


def write(film: Pipeline, service: Service, bucket: str, *, public: bool = True) -> None:
    """A film of twelve shots that begin at six stills."""
    (film.folder / "refs").mkdir(exist_ok=True)
    for number in range(6):
        (film.folder / "refs" / f"{number}.png").write_bytes(png(shade=number))
    assets = {"store": f"s3://{bucket}/refs", "endpoint": service.endpoint}
    if public:
        assets["public_url"] = f"{service.endpoint}/{bucket}/refs"
    film.write(SHOTS, assets=assets)


def run(film: Pipeline, *options: str, code: int = 0) -> str:
    """Run the film with the credentials of the bucket's owner."""
    return film.do("run", "film.yaml", "-y", *options, code=code, **CREDENTIALS)


def everything_written(film: Pipeline) -> str:
    """All that stands in the film's folder and in the state folder, videos left out."""
    state = Path(film.environ["KLINGFLOW_STATE_DIR"])
    files = [p for folder in (film.folder, state) for p in folder.rglob("*") if p.is_file()]
    return "\n".join(p.read_text("utf-8", "replace") for p in files if p.suffix != ".mp4")


@pytest.mark.parametrize("public", [True, False])
def test_a_film_is_bought_with_its_stills(tmp_path: Path, service: Service, public: bool) -> None:
    """Over the bucket's public address, and over signed ones. Each content is put once, and another
    run puts nothing; no secret and no signature is written or said.
    """
    bucket = f"neon-{'open' if public else 'signed'}"
    service.make(bucket, public=public)
    with sandboxed(tmp_path / "film") as (film, sandbox):
        write(film, service, bucket, public=public)
        said = run(film, "--log", "run.log", "-v")
        assert (len(charges(sandbox)), service.puts(bucket)) == (12, 6)
        shots = {name: {**shot, "prompt": f"{name} again"} for name, shot in SHOTS.items()}
        film.manifest.write_text(
            json.dumps({**json.loads(film.manifest.read_text("utf-8")), "shots": shots})
        )
        said += run(film, "--rerun", "changed")
        assert (len(charges(sandbox)), service.puts(bucket)) == (24, 6)
        written = everything_written(film)
    assert film.purchases()[0]["body"]["image"] == {
        "file": "refs/0.png",
        "sha256": hashlib.sha256(png(shade=0)).hexdigest(),
    }
    for secret in (SECRET, "X-Amz-Signature", "X-Amz-Credential"):
        assert secret not in written + said


def test_a_bucket_that_only_its_owner_reads_buys_nothing(tmp_path: Path, service: Service) -> None:
    """The files are there, and the gateway could not read them."""
    service.make("closed", public=False)
    with sandboxed(tmp_path / "film") as (film, sandbox):
        write(film, service, "closed")
        said = run(film, code=3)
        assert charges(sandbox) == []
    assert "answers HTTP 403: the store must be open to everybody, or have no public_url" in said


def test_wrong_credentials_buy_nothing(tmp_path: Path, guarded: Service) -> None:
    """The service's own code is named, and neither key nor secret."""
    guarded.make("guarded", public=False)
    with sandboxed(tmp_path / "film") as (film, sandbox):
        write(film, guarded, "guarded")
        said = run(film, code=3)
        assert charges(sandbox) == []
    said = " ".join(said.split())
    assert "refuses the credentials of the environment (InvalidAccessKeyId)" in said
    assert not any(secret in said for secret in CREDENTIALS.values())


def test_a_killed_run_puts_nothing_twice(tmp_path: Path, service: Service) -> None:
    """Nor does it buy anything twice."""
    service.make("killed")
    with sandboxed(tmp_path / "film") as (film, sandbox):
        write(film, service, "killed")
        process = film.start("run", "film.yaml", "-y", **CREDENTIALS)
        assert process.stdout is not None
        while "uploaded" not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
        process.communicate()
        film.start("run", "film.yaml", "-y", **CREDENTIALS).communicate()
        bodies = [charge["client_request_id"].split("/")[1] for charge in charges(sandbox)]
        assert len(bodies) == len(set(bodies))
    assert 6 <= service.puts("killed") <= 9  # what was on its way may go once more


@pytest.mark.parametrize(
    ("bucket", "endpoint", "why"),
    [
        ("nowhere", "", "is not there (NoSuchBucket)"),
        ("neon", "http://127.0.0.1:9", "cannot be reached"),
    ],
)
def test_a_store_that_takes_nothing_is_named(
    tmp_path: Path, service: Service, bucket: str, endpoint: str, why: str
) -> None:
    """Nothing is bought with its files; the other shots are."""
    with sandboxed(tmp_path / "film") as (film, sandbox):
        write(film, service, bucket)
        manifest = json.loads(film.manifest.read_text("utf-8"))
        manifest["assets"]["endpoint"] = endpoint or service.endpoint
        manifest["shots"] = {**dict(list(SHOTS.items())[:3]), "plain": {"prompt": "x"}}
        film.manifest.write_text(json.dumps(manifest))
        said = run(film, code=3)
        assert len(charges(sandbox)) == 1
    assert said.count(why) == 3 and f"s3://{bucket}/refs at" in said and SECRET not in said


@pytest.mark.skipif(sys.platform == "win32", reason="kills process groups")
@pytest.mark.skipif(not has_server(), reason="the program `temporal` is missing")
def test_hosts_that_share_a_bucket_buy_a_film_once(tmp_path: Path, service: Service) -> None:
    """It honours conditional puts, so that claims keep what they promise when a host, the server
    and the server's memory are lost.
    """
    service.make("claims")
    environ = {**CREDENTIALS, "AWS_ENDPOINT_URL": service.endpoint}
    tried, found = Counter[str](), Found()
    blows = (siege.kill_a, siege.kill_server, siege.forget)
    night = siege.Night(blows, 16, 3.0, in_turn=True)
    options = {"task_time": "3s", "rate": siege.RATE, "max_running": siege.MOST}
    with clustered(tmp_path, bucket="s3://claims/store", secrets=environ, **options) as cluster:
        siege.play(cluster, night, tried, found)
    assert not found.wrong, found.complaints
    assert service.puts("claims") > 3 * 16
