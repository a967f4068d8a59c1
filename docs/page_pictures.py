"""Photograph page.webp and page-zh.webp beside this file: `python docs/page_pictures.py`.

Each picture is the page of `klingflow review` in a browser, with the takes of last-ferry.yaml of
pipelines/ from the sandbox. Needs `.[media,dev]`, npm, Chromium and a Chinese font.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pictures import HERE, environ, klingflow
from PIL import Image

FILM = "last-ferry.yaml"
PLAYWRIGHT = "playwright-core@1.65.1"
QUALITY = 72  # of WebP, of 100: below 150 KB, and the letters are still sharp


def main() -> None:
    """Make the film in the sandbox, choose some takes, and photograph the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pipelines"
        shutil.copytree(HERE.parent / "pipelines", folder, ignore=shutil.ignore_patterns("outputs"))
        klingflow(folder, "run", FILM, "--sandbox", "--quiet")
        klingflow(folder, "pick", FILM, "river#2", "--sandbox")
        klingflow(folder, "pick", FILM, "ticket", "--sandbox")
        klingflow(folder, "reject", FILM, "river#1", "--sandbox", "--note", "船太快")
        photograph(folder, Path(name))
        for picture in Path(name).glob("*.png"):
            with Image.open(picture) as image:
                image.save(HERE / f"{picture.stem}.webp", quality=QUALITY, method=6)


def photograph(folder: Path, pictures: Path) -> None:
    """Serve the page, and write page.png and page-zh.png into `pictures`."""
    shutil.copy(HERE / "page_pictures.mjs", pictures)
    subprocess.run(["npm", "install", "--silent", PLAYWRIGHT], cwd=pictures, check=True)
    command = [sys.executable, "-m", "klingflow", "review", FILM, "--sandbox", "--no-open"]
    with subprocess.Popen(
        command, cwd=folder, env=environ(), stdout=subprocess.PIPE, encoding="utf-8"
    ) as server:
        try:
            assert server.stdout is not None
            (address,) = re.findall(r"http://\S+", server.stdout.readline())
            chromium = shutil.which("chromium") or "chromium"
            browse = ["node", "page_pictures.mjs", chromium, address]
            subprocess.run(browse, cwd=pictures, check=True, timeout=120)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
