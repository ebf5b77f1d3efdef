"""Steps: each does what its name says, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.steps.apply import apply
from edge_agent.line.tables.models import Region
from edge_agent.line.tables.steps import Crop, Find, Flip, Mask, Resize, Rotate

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_turning_mirroring_and_cutting() -> None:
    turned = apply([Rotate(do="rotate", degrees=90)], PICTURE)
    assert turned.shape == (6, 4, 3)
    assert (turned[0, 3] == PICTURE[0, 0]).all(), "the left upper corner goes to the right"
    assert (apply([Rotate(do="rotate", degrees=180)], PICTURE) == PICTURE[::-1, ::-1]).all()
    assert (apply([Flip(do="flip", axis="left-right")], PICTURE)[:, 0] == PICTURE[:, 5]).all()
    assert (apply([Flip(do="flip", axis="up-down")], PICTURE)[0] == PICTURE[3]).all()
    assert (apply([Crop(do="crop", x=2, y=1, width=3, height=2)], PICTURE) == PICTURE[1:3, 2:5]).all()


def test_the_order_counts() -> None:
    crop, turn = Crop(do="crop", x=0, y=0, width=2, height=1), Rotate(do="rotate", degrees=90)
    assert apply([crop, turn], PICTURE).shape == (2, 1, 3)
    assert apply([turn, crop], PICTURE).shape == (1, 2, 3)


def test_masking_leaves_the_given_picture_as_it_was() -> None:
    before = PICTURE.copy()
    masked = apply([Mask(do="mask", x=0, y=0, width=6, height=2)], PICTURE)
    assert not masked[:2].any()
    assert (masked[2:] == PICTURE[2:]).all()
    assert (before == PICTURE).all()


def test_resizing() -> None:
    grey = np.full((80, 60, 3), 77, np.uint8)
    assert (apply([Resize(do="resize", width=30, height=40)], grey) == np.full((40, 30, 3), 77)).all()


def test_a_region_follows_the_template(tmp_path: Path) -> None:
    template = np.zeros((8, 12, 3), np.uint8)
    template[2:6, 2:4] = template[2:4, 2:10] = 200
    Image.fromarray(template).save(tmp_path / "template.png")
    step = Find(do="find", template=str(tmp_path / "template.png"), x=-2, y=3, width=20, height=10)
    for left, top in ((5, 9), (70, 31), (33, 20)):
        picture = np.random.default_rng(left).integers(20, 40, (64, 96, 3)).astype(np.uint8)
        place = picture[top : top + 8, left : left + 12]
        place[...] = template // 2 + 30  # darker, and less contrast
        assert (apply([step], picture) == picture[top + 3 : top + 13, left - 2 : left + 18]).all()
    with pytest.raises(InvalidRequest, match="step find: the template was not found: likeness 0"):
        apply([step], np.random.default_rng(1).integers(0, 255, (64, 96, 3)).astype(np.uint8))
    within = Find(do="find", template=step.template, within=Region(x=40, y=0, width=56, height=30))
    assert (apply([within], _with(template, 50, 10)) == template).all()
    with pytest.raises(InvalidRequest, match="not found"):
        apply([within], _with(template, 5, 10))
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(InvalidRequest, match=r"flat\.png is all of one grey"):
        apply([Find(do="find", template=str(tmp_path / "flat.png"))], PICTURE)


def _with(template: U8, left: int, top: int) -> U8:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[0, 0] = 90
    picture[top : top + template.shape[0], left : left + template.shape[1]] = template
    return picture


def test_a_region_outside_is_said() -> None:
    with pytest.raises(InvalidRequest, match="step crop: 3x2 at 4,1 is not within the picture, 6x4"):
        apply([Crop(do="crop", x=4, y=1, width=3, height=2)], PICTURE)
