"""How a model's training pictures were read: said in its status, and read from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.component.manifest import decode_manifest
from edge_agent.component.pixel_options import read_pixel_options, say_pixel_options
from tests.support.fakes import write_echo


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ({"bits": 12, "bayer": ""}, {"bits": "12"}),
        ({"bits": 16, "bayer": "RGGB"}, {"bayer": "RGGB"}),
        ({"bits": 10, "bayer": "GBRG"}, {"bits": "10", "bayer": "GBRG"}),
        ({"bits": 16, "bayer": ""}, {}),
        (None, {}),
        ("12", {}),
    ],
)
def test_what_is_said_is_read_again_whatever_else_the_status_says(
    tmp_path: Path, said: Any, options: dict[str, str]
) -> None:
    folder = write_echo(tmp_path, training={"pixel_format": said})
    text = say_pixel_options(decode_manifest((folder / "manifest.json").read_bytes(), source="manifest"))
    assert bool(text) == bool(options)
    assert read_pixel_options(text) == options
    assert read_pixel_options(f"these pictures are darker; {text}; version 2.0.0 is there: --bits 14") == options
    assert read_pixel_options("said with --bits 14") == {}


def test_without_a_component_there_is_nothing_to_say() -> None:
    assert say_pixel_options(None) == ""
