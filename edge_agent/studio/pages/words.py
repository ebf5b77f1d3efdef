"""All words that people read on the pages, by language; English stands for what a translation lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("words")
ENGLISH = "en"
#: what each language calls itself
LANGUAGES = {"en": "English", "de": "Deutsch", "zh": "中文"}


@cache
def words(language: str) -> Mapping[str, str]:
    """Give the words of a language."""
    english: dict[str, str] = json.loads((_FOLDER / f"{ENGLISH}.json").read_text(encoding="utf-8"))
    if language == ENGLISH:
        return english
    translated: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return {**english, **translated}


def choose_language(chosen: str, accepted: str) -> str:
    """Choose a language: the one that a person has chosen, or the first that the browser asks for and we have."""
    if chosen in LANGUAGES:
        return chosen
    for part in accepted.split(","):
        language = part.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return ENGLISH
