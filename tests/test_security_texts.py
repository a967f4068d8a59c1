"""A manifest from a stranger reads what lies in its folder, and nothing that somebody keeps to
himself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow import ManifestError, UsageError, load

SECRET = "KLINGFLOW_API_KEY=sk-0123456789abcdef"


def manifest(folder: Path, **top: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "film.yaml"
    shots = {"a": {"model": "kling-2.5", "prompt": "a street"}}
    path.write_text(json.dumps({"version": 1, "shots": shots, **top}), encoding="utf-8")
    return path


def naming(folder: Path, where: str, name: str) -> Path:
    """A manifest that reads `name` as an included file, as rows or as prices."""
    if where == "rows":
        shots = {"a": {"model": "kling-2.5", "prompt": "x", "foreach": name, "key": "${{ row.a }}"}}
        return manifest(folder, shots=shots)
    return manifest(folder, **({"include": [name]} if where == "include" else {"prices": name}))


def refused(path: Path) -> str:
    """What is said of it, source lines and all."""
    with pytest.raises(ManifestError) as error:
        load(path)
    return "\n".join([*map(str, error.value.diagnostics), *error.value.sources.values()])


EVERYWHERE = pytest.mark.parametrize("where", ["include", "rows", "prices"])


@EVERYWHERE
@pytest.mark.parametrize(
    "name", ["../secret.yaml", "x/../../secret.yaml", "/etc/hostname", "C:secret.yaml"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, where: str, name: str) -> None:
    (tmp_path / "secret.yaml").write_text(SECRET)
    said = refused(naming(tmp_path / "film", where, name))
    assert "path-outside" in said
    assert "sk-0123" not in said


@EVERYWHERE
@pytest.mark.parametrize("name", [".env", "x/.env", ".git/config", ".klingflow/film.csv"])
def test_no_hidden_file_is_read(tmp_path: Path, where: str, name: str) -> None:
    """A pull request's check would show its first lines."""
    path = naming(tmp_path, where, name)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(SECRET)
    said = refused(path)
    assert "hidden" in said
    assert "sk-0123" not in said


def link_out(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def link_to_hidden(path: Path, secret: Path) -> None:
    path.with_name(".env").write_text(SECRET)
    path.symlink_to(".env")


def linked_folder(path: Path, secret: Path) -> None:
    (path.parent / "sub").symlink_to(secret.parent)
    path.symlink_to("sub/secret.yaml")


def device(path: Path, secret: Path) -> None:
    path.symlink_to("/dev/zero")


def memory(path: Path, secret: Path) -> None:
    path.symlink_to("/proc/self/environ")


def pipe(path: Path, secret: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("as POSIX has it")
    os.mkfifo(path)


def folder(path: Path, secret: Path) -> None:
    path.mkdir()


@pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and devices as POSIX has them")
@EVERYWHERE
@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (link_out, "path-outside"),
        (linked_folder, "path-outside"),
        (device, "path-outside"),
        (memory, "path-outside"),
        (link_to_hidden, "unreadable"),
        (pipe, "unreadable"),
        (folder, "unreadable"),
    ],
)
def test_what_is_planted_in_the_folder_leads_nowhere(
    tmp_path: Path, where: str, plant: Callable[[Path, Path], None], code: str
) -> None:
    """Neither to another's file, nor to one without an end, nor to one that makes us wait."""
    secret = tmp_path / "home" / "secret.yaml"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    path = naming(tmp_path / "film", where, "part.yaml")
    plant(path.with_name("part.yaml"), secret)
    said = refused(path)
    assert f"[{code}]" in said
    assert "sk-0123" not in said


def shared(folder: Path) -> None:
    """Files that several films have in common."""
    folder.mkdir()
    (folder / "looks.yaml").write_text("vars: { look: noir }")
    (folder / "rows.csv").write_text("a\nx\n")
    (folder / "prices.yaml").write_text("{ currency: CNY, tiers: { '*': { per_second: 1 } } }")
    (folder / ".env").write_text(SECRET)


NAMED = {
    "include": "../shared/looks.yaml",
    "rows": "../shared/rows.csv",
    "prices": "../shared/prices.yaml",
}


@EVERYWHERE
def test_the_user_may_allow_a_folder(tmp_path: Path, where: str) -> None:
    """By the environment, which no manifest writes; each folder that is named, and nothing beside
    it.
    """
    shared(tmp_path / "shared")
    (tmp_path / "secret.yaml").write_text(SECRET)
    path = naming(tmp_path / "film", where, NAMED[where])
    assert "KLINGFLOW_READ_BELOW" in refused(path)
    allowed = {
        "KLINGFLOW_READ_BELOW": os.pathsep.join([str(tmp_path / "none"), str(tmp_path / "shared")])
    }
    assert len(load(path, environ=allowed).shots) == 1
    for name in ("../secret.yaml", "../shared/.env"):
        with pytest.raises(ManifestError) as error:
            load(naming(tmp_path / "film", where, name), environ=allowed)
        assert "sk-0123" not in str(error.value)


@EVERYWHERE
def test_no_manifest_allows_it_to_itself(tmp_path: Path, where: str) -> None:
    """Neither by a shot's `allow`, nor by an .env file beside it."""
    shared(tmp_path / "shared")
    path = naming(tmp_path / "film", where, NAMED[where])
    path.with_name(".env").write_text(f"KLINGFLOW_READ_BELOW={tmp_path}\n")
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "defaults": {"allow": ["path-outside"]}}))
    assert "[path-outside]" in refused(path)


@pytest.mark.parametrize("chosen", ["shared", "../shared", "/", "~nobody-is-called-so/x"])
def test_a_folder_that_depends_on_where_one_stands_or_is_all_is_not_allowed(
    tmp_path: Path, chosen: str
) -> None:
    with pytest.raises(UsageError, match="KLINGFLOW_READ_BELOW"):
        load(manifest(tmp_path), environ={"KLINGFLOW_READ_BELOW": chosen})


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    """As is one that the user makes of the manifest's folder, or of the manifest."""
    path = manifest(tmp_path / "real", include=["part.yaml"])
    (path.parent / "parts").mkdir()
    (path.parent / "parts" / "part.yaml").write_text("vars: { a: 1 }")
    path.with_name("part.yaml").symlink_to("parts/part.yaml")
    (tmp_path / "linked").symlink_to("real")
    assert len(load(tmp_path / "linked" / "film.yaml").shots) == 1


@pytest.mark.skipif(
    not Path("/dev/fd").is_dir(), reason="no /dev/fd, through which shells pass pipes"
)
def test_the_manifest_itself_may_be_a_pipe(tmp_path: Path) -> None:
    """`klingflow validate <(generate)` is the user's own wish."""
    read, write = os.pipe()
    os.write(write, b"version: 1\nshots: { a: { model: kling-2.5, prompt: x } }\n")
    os.close(write)
    try:
        assert len(load(f"/dev/fd/{read}").shots) == 1
    finally:
        os.close(read)
