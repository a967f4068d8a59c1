"""Compiles the catalogues of klingflow/locale at build: `zh/*.po`, a file for each room, into the
one `.mo` that gettext reads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LOCALE = Path(__file__).parent / "klingflow" / "locale"


def compile_catalogues(locale: Path = LOCALE) -> None:
    """Write the `.mo` of each language, from what is translated in its `.po` files."""
    for folder in filter(Path.is_dir, locale.iterdir()):
        whole = Catalog(locale=folder.name)
        for part in sorted(folder.glob("*.po")):
            with part.open("rb") as file:
                for message in read_po(file, locale=folder.name):
                    if message.id and not message.fuzzy:
                        whole.add(message.id, message.string, context=message.context)
        target = folder / "LC_MESSAGES" / "klingflow.mo"
        target.parent.mkdir(exist_ok=True)
        # Two environments may be installed at once, and somebody may read what is there.
        partial = target.with_name(f"{os.getpid()}.mo")
        with partial.open("wb") as file:
            write_mo(file, whole)
        partial.replace(target)


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs, and before it installs a checkout in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and pack what git ignores."""
        compile_catalogues()
        build_data["artifacts"].append("/klingflow/locale/**/*.mo")
