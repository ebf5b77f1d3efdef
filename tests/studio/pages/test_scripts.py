"""The scripts' pure parts, by node; and words, templates and scripts that have to fit together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_agent.studio import pages
from edge_agent.studio.pages.words import LANGUAGES, choose_language, words

PAGES = Path(pages.__file__).parent
SCRIPTS = PAGES / "static" / "scripts"
NODE = shutil.which("node")


def _tested(name: str) -> str:
    """Let node run a file of tests; return what it has said."""
    assert NODE
    command = [NODE, "--test", "--test-reporter=tap", str(Path(__file__).with_name(name))]
    environ = {**os.environ, "SCRIPTS": str(SCRIPTS), "NODE_NO_WARNINGS": "1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_painting_and_the_grid() -> None:
    assert re.search(r"# pass 1[0-9]", _tested("painting.test.mjs"))


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_charts() -> None:
    assert "# pass 5" in _tested("charts.test.mjs")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_what_a_training_has_said() -> None:
    assert "# pass 3" in _tested("outlook.test.mjs")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_editor_of_a_line() -> None:
    assert "# pass 4" in _tested("lines.test.mjs")


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_word_is_translated_with_the_same_places(language: str) -> None:
    english: dict[str, str] = json.loads((PAGES / "words" / "en.json").read_text(encoding="utf-8"))
    translated: dict[str, str] = json.loads((PAGES / "words" / f"{language}.json").read_text(encoding="utf-8"))
    assert set(translated) == set(english)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", translated[key])), key


def test_words_that_are_used_exist() -> None:
    known = words("en")
    used = set()
    for path in [*SCRIPTS.rglob("*.js"), *(PAGES / "templates").glob("*.html")]:
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'\bw\("([a-z_.]+)"', text)) | set(re.findall(r'w\["([a-z_.]+)"\]', text))
    assert used > {"app", "try.go"}
    assert used <= set(known)
    text = "".join(path.read_text() for path in [*SCRIPTS.rglob("*.js"), *(PAGES / "templates").glob("*.html")])
    spelled = ("job.", "dash.reason_", "advice.", "resolution.", "registration.", "step.")  # put together in a script
    assert not [key for key in known if f'"{key}"' not in text and not key.startswith(spelled)], "words nobody reads"


def test_no_script_in_markup_and_no_markup_in_scripts() -> None:
    for path in (PAGES / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", text), path
    for path in SCRIPTS.rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()), path


def test_the_language_is_the_chosen_one_or_the_browsers() -> None:
    assert choose_language("de", "zh") == "de"
    assert choose_language("", "fr-FR, zh-CN;q=0.8, en;q=0.5") == "zh"
    assert choose_language("../x", "") == "en"
