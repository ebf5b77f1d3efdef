"""Defects drawn on good parts, which say where anomalies may score when nobody has shown one."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.building.training.drawn import chosen_for_drawing, draw_defect, smaller_by
from edge_agent.building.training.features import Extractor, source_model
from edge_agent.building.training.head import Wanted, fit_head
from tests.support.parts import HEIGHT, WIDTH, draw_part

SIZE = (WIDTH, HEIGHT)


@pytest.mark.parametrize("number", range(8))
def test_a_drawn_defect_changes_a_small_part_of_the_picture(number: int) -> None:
    picture = np.random.default_rng(0).integers(100, 130, (96, 128, 3), np.uint8)
    before = picture.copy()
    found = draw_defect(picture, number)
    assert found.dtype == np.uint8 and found.shape == picture.shape
    changed = (np.abs(found.astype(int) - picture).max(axis=2) > 8).mean()
    assert 0 < changed < 0.1
    np.testing.assert_array_equal(picture, before, "the good part itself stays as it is")
    np.testing.assert_array_equal(draw_defect(picture, number), found, "the same number draws the same")


def test_half_of_the_defects_are_small_in_a_large_picture() -> None:
    assert smaller_by((640, 480)) == 1.0 and smaller_by((1200, 1600)) == smaller_by((1280, 960)) < 0.5
    picture = np.full((288, 384, 3), 120, np.uint8)

    def changed(smaller: float) -> np.ndarray:
        found = [(draw_defect(picture, number, smaller) != picture).any(axis=2).sum() for number in range(40)]
        return np.array(found).reshape(-1, 4)

    usual, small = changed(1.0), changed(smaller_by((1600, 1200)))
    np.testing.assert_array_equal(small[:, :2], usual[:, :2], "the others are as they were")
    assert (small[:, 2:] < usual[:, 2:]).all() and small.min() > 0
    assert small[:, 2].sum() < usual[:, 2].sum() / 3 and small[:, 3].sum() < usual[:, 3].sum() / 8


def test_a_picture_of_one_colour_can_be_drawn_on() -> None:
    for number in range(6):
        found = draw_defect(np.full((64, 64, 3), 255, np.uint8), number)
        assert found.min() >= 0 and found.shape == (64, 64, 3)


def test_twenty_good_parts_of_many_are_drawn_on() -> None:
    good = np.ones(100, bool)
    good[::10] = False
    chosen = chosen_for_drawing(good)
    assert len(set(chosen.tolist())) == 20 and good[chosen].all()
    assert chosen.min() < 10 and chosen.max() > 90, "the first and the last days' parts too"
    assert chosen_for_drawing(np.array([True, False, True])).tolist() == [0, 2]


def test_the_threshold_lies_further_off_where_defects_do() -> None:
    """The same good parts: where a defect stands out there is room for parts of a kind that the few did not show."""
    extract = Extractor(*SIZE, source_model(*SIZE), threads=1)
    features = extract([draw_part(number)[0] for number in range(12)])
    normal = np.zeros(12, bool)

    def threshold(drawn: list[np.ndarray]) -> float:
        head = fit_head(
            features, normal, seed=0, wanted=Wanted(), progress=lambda done, total: None, drawn=extract(drawn)
        )
        assert head.calibrated_threshold == pytest.approx(0.5)
        return head.threshold

    hidden = threshold([draw_part(number)[0] for number in range(12)])
    plain = threshold([draw_part(number, ("dent",))[0] for number in range(12)])
    assert hidden < plain
