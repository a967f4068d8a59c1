"""The language in which a person is spoken to: KLINGFLOW_LANG, otherwise the locale's.

A sentence is translated when it is shown, never before: files, logs and JSON stay English. In
English nothing is loaded and nothing is looked up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from klingflow.words import Text

# The first of these that is set says the language.
_VARIABLES = ("KLINGFLOW_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
LANGUAGES = ("zh",)  # beside English: the folders of klingflow/locale
_ITS_OWN = {"zh": "中"}  # a character without which the language cannot be shown

Translate = Callable[[str], str]
_speaker: list[Translate] = []  # none for English


def chosen(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language that the environment names, such as `zh` for zh_CN.UTF-8; `en` where it
    names none of ours.
    """
    named = next((value for name in _VARIABLES if (value := environment.get(name))), "")
    language = named.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    return language if language in LANGUAGES else "en"


def speak(language: str) -> bool:
    """Show sentences in `language` from now on; in English where a stream cannot show it. Return
    True if it is another language than English.
    """
    if language == "en" or not all(_can_show(language, s) for s in (sys.stdout, sys.stderr)):
        return False
    import gettext  # for start-up
    from pathlib import Path  # for start-up

    folder = Path(__file__).parent.parent / "locale"
    found = gettext.translation("klingflow", folder, [language], fallback=True)
    speak_by(found.gettext)
    return True


def speak_by(translate: Translate | None) -> None:
    """Show sentences by the templates that `translate` gives from now on; by None, in English."""
    _speaker[:] = [translate] if translate else []


def spoken(text: str) -> str:
    """Return `text` in the person's language; a text that is no sentence is the same in all."""
    if not _speaker or not isinstance(text, Text):
        return text
    return text.said_by(_speaker[0])


def _can_show(language: str, stream: TextIO | None) -> bool:
    try:
        _ITS_OWN[language].encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
