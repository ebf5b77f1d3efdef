"""Tiles and several models: what each sees, and how their answers become one."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.client.detection import Detection
from edge_agent.errors import InvalidRequest
from edge_agent.inference.verdict import Area
from edge_agent.line.joining import Seen, join
from edge_agent.line.tables.models import Model, Region, Size, Tiles
from edge_agent.line.views import View, views

PICTURE = np.arange(40 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 100, 3)
RED, GREEN = "#FF0000", "#00FF00"


def _answer(score: float, threshold: float = 0.5, mask: object = None, *areas: Area) -> Detection:
    is_anomalous = score >= threshold
    background = (Area("background", "#FFFFFF", 1.0),) if mask is not None else ()
    confidence = score if is_anomalous else 1 - score
    return Detection(is_anomalous, confidence, score, threshold, (*background, *areas), mask)  # type: ignore[arg-type]


def _seen(answers: list[Detection], regions: list[Region] | None = None, models: list[int] | None = None) -> list[Seen]:
    regions = regions or [Region(x=0, y=0, width=100, height=40)] * len(answers)
    return [
        Seen(View(number, region, PICTURE), answer)
        for number, region, answer in zip(models or range(len(answers)), regions, answers, strict=True)
    ]


def test_tiles_cover_everything_and_share_what_was_asked_for() -> None:
    model = Model(name="a", tiles=Tiles(width=40, height=24, overlap=8))
    found = [view.region for view in views([model], PICTURE)]
    assert [(region.x, region.y) for region in found] == [(0, 0), (32, 0), (60, 0), (0, 16), (32, 16), (60, 16)]
    for view in views([model], PICTURE):
        region = view.region
        assert (view.pixels == PICTURE[region.y : region.y + 24, region.x : region.x + 40]).all()
        assert view.pixels.flags.c_contiguous
    within = Model(name="b", region=Region(x=10, y=0, width=41, height=24), tiles=Tiles(width=40, height=24))
    assert [(view.region.x, view.region.y) for view in views([within], PICTURE)] == [(10, 0), (11, 0)]


def test_models_by_region_and_what_does_not_fit() -> None:
    left = Model(name="left", region=Region(x=0, y=0, width=50, height=40), resize=Size(width=25, height=20))
    found = views([left, Model(name="whole")], PICTURE)
    assert [(view.model, view.pixels.shape) for view in found] == [(0, (20, 25, 3)), (1, (40, 100, 3))]
    with pytest.raises(InvalidRequest, match="model 'a', region: 50x40 at 60,0 is not within the picture, 100x40"):
        views([Model(name="a", region=Region(x=60, y=0, width=50, height=40))], PICTURE)
    with pytest.raises(InvalidRequest, match="model 'a': a tile is 64x64, expected 100x40 at most"):
        views([Model(name="a", tiles=Tiles(width=64, height=64))], PICTURE)
    with pytest.raises(ValueError, match="overlap is 24, expected less than a tile's 40x24"):
        Tiles(width=40, height=24, overlap=24)


def test_any_and_all() -> None:
    sure, unsure, normal, doubtful = _answer(0.9), _answer(0.6), _answer(0.1), _answer(0.4)
    size = (40, 100)
    assert join(_seen([normal, unsure, sure]), size, "any")[0] == sure
    assert join(_seen([normal, doubtful]), size, "any")[0] == doubtful, "the least sure of those that are normal"
    assert join(_seen([normal, unsure, sure, doubtful]), size, "all")[0] == normal, "one is enough, the surest"
    assert join(_seen([unsure, sure]), size, "all")[0] == unsure
    joined, models = join(_seen([normal, sure, doubtful], models=[0, 0, 1]), size, "all")
    assert models == [sure, doubtful], "a model's tiles: one is enough"
    assert joined == doubtful


def test_masks_and_areas_are_of_the_whole_picture() -> None:
    """Two tiles that share ten columns, in which both see the same scratch; another label in the same colour."""
    white = np.full((40, 55, 3), 255, np.uint8)
    left, right = white.copy(), white.copy()
    left[:10, 45:] = right[:10, :10] = (255, 0, 0)
    right[20:30, 30:40] = (0, 255, 0)
    regions = [Region(x=0, y=0, width=55, height=40), Region(x=45, y=0, width=55, height=40)]
    answers = [
        _answer(0.8, 0.5, left, Area("scratch", RED, 0.1)),
        _answer(0.9, 0.5, right, Area("scratch", RED, 0.1), Area("dent", GREEN, 0.1)),
    ]
    joined, _ = join(_seen(answers, regions, [0, 0]), (40, 100), "any")
    assert joined.mask is not None
    expected = np.full((40, 100, 3), 255, np.uint8)
    expected[:10, 45:55] = (255, 0, 0)
    expected[20:30, 75:85] = (0, 255, 0)
    assert (joined.mask == expected).all()
    shares = {area.label: area.fraction for area in joined.areas}
    assert shares == {"background": 0.95, "scratch": 0.025, "dent": 0.025}
    right[20:30, 30:40] = (255, 0, 0)
    answers[1] = _answer(0.9, 0.5, right, Area("dent", RED, 0.1))
    joined, _ = join(_seen(answers, regions, [0, 1]), (40, 100), "any")
    colors = {area.label: area.color for area in joined.areas}
    assert colors["scratch"] == RED
    assert colors["dent"] != RED, "another label has another colour"


def test_the_mask_of_a_region_that_was_shrunk() -> None:
    mask = np.full((10, 10, 3), 255, np.uint8)
    mask[:5] = (255, 0, 0)
    answer = _answer(0.9, 0.5, mask, Area("scratch", RED, 0.5))
    joined, _ = join(_seen([answer], [Region(x=50, y=20, width=20, height=20)]), (40, 100), "any")
    assert joined.mask is not None
    assert (joined.mask[20:30, 50:70] == (255, 0, 0)).all()
    assert (joined.mask[30:, 50:70] == 255).all()
    assert {area.label: area.fraction for area in joined.areas} == {"background": 0.95, "scratch": 0.05}
