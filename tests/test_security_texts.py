"""A manifest from a stranger reads what lies in its folder, and nothing that somebody keeps to himself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klingflow import ManifestError, load

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
@pytest.mark.parametrize("name", ["../secret.yaml", "x/../../secret.yaml", "/etc/hostname", "C:secret.yaml"])
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
    os.mkfifo(path)


def folder(path: Path, secret: Path) -> None:
    path.mkdir()


@pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and devices as POSIX has them")
@EVERYWHERE
@pytest.mark.parametrize("plant", [link_out, link_to_hidden, linked_folder, device, memory, pipe, folder])
def test_what_is_planted_in_the_folder_leads_nowhere(
    tmp_path: Path, where: str, plant: Callable[[Path, Path], None]
) -> None:
    """Neither to another's file, nor to one without an end, nor to one that makes us wait."""
    secret = tmp_path / "home" / "secret.yaml"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    path = naming(tmp_path / "film", where, "part.yaml")
    plant(path.with_name("part.yaml"), secret)
    said = refused(path)
    assert "unreadable" in said
    assert "sk-0123" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    """As is one that the user makes of the manifest's folder, or of the manifest."""
    path = manifest(tmp_path / "real", include=["part.yaml"])
    (path.parent / "parts").mkdir()
    (path.parent / "parts" / "part.yaml").write_text("vars: { a: 1 }")
    path.with_name("part.yaml").symlink_to("parts/part.yaml")
    (tmp_path / "linked").symlink_to("real")
    assert len(load(tmp_path / "linked" / "film.yaml").shots) == 1


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd, through which shells pass pipes")
def test_the_manifest_itself_may_be_a_pipe(tmp_path: Path) -> None:
    """`klingflow validate <(generate)` is the user's own wish."""
    read, write = os.pipe()
    os.write(write, b"version: 1\nshots: { a: { model: kling-2.5, prompt: x } }\n")
    os.close(write)
    try:
        assert len(load(f"/dev/fd/{read}").shots) == 1
    finally:
        os.close(read)
