"""GStreamer pipelines as a source, run by the real GStreamer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from edge_agent.line.sources.gstreamer import MISSING, interpreter
from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Source
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import Pipeline
from edge_agent.line.tables.whole import Line
from tests.support.daemon import wait_until
from tests.support.line import next_part, trouble_of

pytestmark = [pytest.mark.long, pytest.mark.skipif(not interpreter(), reason=MISSING)]


@pytest.fixture
def opened() -> Iterator[Callable[..., Source]]:
    made: list[Source] = []

    def open_(pipeline: str, frozen_frames: int = 0) -> Source:
        table = Pipeline(kind="gstreamer", pipeline=pipeline, queue=2, frozen_frames=frozen_frames)
        made.append(open_source(Line(name="flange", source=table, model=(Model(name="echo"),))))
        return made[-1]

    yield open_
    for source in made:
        source.close()


@pytest.mark.parametrize("caps", ["video/x-raw,format=RGB", "video/x-raw,format=BGR", "video/x-bayer,format=grbg"])
def test_colours(opened: Callable[..., Source], caps: str) -> None:
    """Of a width whose rows GStreamer pads to a multiple of four bytes."""
    source = opened(f"videotestsrc is-live=true pattern=red ! {caps},width=30,height=18,framerate=50/1 ! appsink")
    part = next_part(source)
    assert part.pixels is not None
    assert part.pixels.shape == (18, 30, 3)
    assert (part.pixels[2:-2, 2:-2] == [255, 0, 0]).all()


def test_grey_and_deep_grey(opened: Callable[..., Source]) -> None:
    for form in ("GRAY8", "GRAY16_LE"):
        pipeline = f"videotestsrc is-live=true pattern=white ! video/x-raw,format={form},width=31,height=9 ! appsink"
        part = next_part(opened(pipeline))
        assert part.pixels is not None
        assert part.pixels.shape == (9, 31, 3)
        assert (int(np.min(part.pixels)), int(np.max(part.pixels))) == (235, 235), "its white, of video's range"


def _living_children() -> list[psutil.Process]:
    """Give this process's children; those that have ended and nobody has waited for have no words."""
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def test_a_pipeline_that_is_killed_is_missed_and_comes_back(opened: Callable[..., Source]) -> None:
    source = opened("videotestsrc is-live=true pattern=ball ! video/x-raw,framerate=50/1 ! appsink")
    assert next_part(source).pixels is not None
    (child,) = [one for one in _living_children() if "gstreamer_process.py" in " ".join(one.cmdline())]
    child.kill()

    def missed() -> str:
        source.left_out()
        return trouble_of(source)

    assert "the pipeline has ended" in wait_until(missed, "it is missed")
    assert next_part(source).pixels is not None


def test_what_is_wrong_is_said(opened: Callable[..., Source]) -> None:
    wrong = opened("nosuch ! appsink")
    wait_until(lambda: 'no element "nosuch"' in trouble_of(wrong), "GStreamer's own words")
    frozen = opened("videotestsrc is-live=true pattern=red ! video/x-raw,framerate=50/1 ! appsink", frozen_frames=3)
    wait_until(lambda: "is frozen: " in trouble_of(frozen), "it is frozen")
    ending = opened("videotestsrc num-buffers=2 ! videoconvert ! appsink", frozen_frames=0)
    assert next_part(ending).pixels is not None
    wait_until(lambda: "it came to its end" in trouble_of(ending), "the end is said")
