"""How a model's training pictures were read: said in its status, and read from there."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.component.pixel_options import read_pixel_options, say_pixel_options


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
def test_what_is_said_is_read_again_whatever_else_the_status_says(said: Any, options: dict[str, str]) -> None:
    text = say_pixel_options({"pixel_format": said})
    assert bool(text) == bool(options)
    assert read_pixel_options(text) == options
    assert read_pixel_options(f"these pictures are darker; {text}; version 2.0.0 is there: --bits 14") == options
    assert read_pixel_options("said with --bits 14") == {}
