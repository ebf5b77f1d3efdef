"""The sample part in a studio's pages, and the strip that leads a first start."""

from __future__ import annotations

import json

from edge_agent.studio.pages.words import words
from tests.support.browser import Person

SCRATCH_AND_DENT = [{"name": "scratch", "color": "#2ca02c"}, {"name": "dent", "color": "#1f77b4"}]


def until_step(person: Person, step: str) -> None:
    """Wait until the strip that leads a first start says that this is the next step."""
    said = words("en")[f"guide.{step}"]
    person.until(
        f"{step} is the next step", f"document.querySelector('#guide .what').textContent === {json.dumps(said)}"
    )
