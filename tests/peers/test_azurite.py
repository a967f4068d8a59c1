"""Local references in a container of Azurite, which speaks Azure's protocol, and a sandbox as the
gateway.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.request
from email.utils import formatdate
from pathlib import Path

import pytest

from klingflow.cluster.temporal.server import free_port
from tests.harness import charges, sandboxed
from tests.peers.conftest import serving
from tests.pictures import png

pytestmark = pytest.mark.peers
pytest.importorskip("obstore")

# Azurite's own account, which its documents name.
ACCOUNT = "devstoreaccount1"
SECRET = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def make(endpoint: str, container: str) -> None:
    """Make a container, as its owner would."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    named = "".join(f"{name}:{value}\n" for name, value in headers.items())
    what = f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    text = f"PUT{12 * chr(10)}{named}{what}".encode()
    signed = hmac.new(base64.b64decode(SECRET), text, "sha256").digest()
    sign = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
    address = f"{endpoint}/{ACCOUNT}/{container}?restype=container"
    told = {**headers, "authorization": sign, "content-type": ""}
    urllib.request.urlopen(urllib.request.Request(address, b"", told, method="PUT")).close()


def test_a_film_is_bought_with_a_still_in_azure(tmp_path: Path, azurite: Path) -> None:
    """Over a signed address, which is written nowhere; a container that is not there is named."""
    port, folder = free_port(), tmp_path / "film"
    endpoint = f"http://127.0.0.1:{port}"
    command = ["node", str(azurite), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    alive = f"{endpoint}/{ACCOUNT}/nowhere"
    environ = {
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURITE_BLOB_STORAGE_URL": endpoint,
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": SECRET,
    }
    with serving(command, tmp_path, alive, 400), sandboxed(folder) as (film, sandbox):
        (film.folder / "a.png").write_bytes(png())
        shots = {"a": {"prompt": "x", "image": "a.png"}}
        film.write(shots, assets={"store": "az://neon/refs"})
        said = film.do("run", "film.yaml", "-y", code=3, **environ)
        assert "az://neon/refs is not there (ContainerNotFound)" in " ".join(said.split())
        make(endpoint, "neon")
        said += film.do("run", "film.yaml", "-y", code=0, **environ)
        said += film.do("run", "film.yaml", "-y", code=0, **environ)
        assert len(charges(sandbox)) == 1
    sha256 = hashlib.sha256(png()).hexdigest()
    assert film.purchases()[-1]["body"]["image"] == {"file": "a.png", "sha256": sha256}
    assert SECRET not in said and "sig=" not in said
