"""What is drawn over a picture: an outline around what was marked, and a light fill."""

from __future__ import annotations

import numpy as np

from edge_agent import Detection, draw
from edge_agent.inference.imaging.overlay import U8, laid_over, layer


def _result(mask: U8 | None) -> Detection:
    return Detection(True, 0.9, 0.9, 0.5, (), mask)


def test_the_outline_lies_around_the_defect_which_stays_visible() -> None:
    picture = np.full((60, 80, 3), 100, np.uint8)
    picture[30, 40] = 220
    mask = np.full_like(picture, 255)
    mask[28:33, 38:43] = (200, 0, 0)
    drawn = draw(picture, _result(mask))
    assert (drawn[27, 37:44] == (200, 0, 0)).all()
    assert (drawn[33, 37:44] == (200, 0, 0)).all()
    inside = drawn[28:33, 38:43].astype(int)
    assert (abs(inside - picture[28:33, 38:43]) < 40).all()
    assert inside[2, 2, 1] - inside[0, 0, 1] > 90, "the defect's contrast is still there"
    outside = np.ones((60, 80), bool)
    outside[27:34, 37:44] = False
    assert (drawn[outside] == picture[outside]).all()
    assert (picture[27, 37] == 100).all(), "the caller's picture is as it was"


def test_without_a_mask_the_picture_is_as_it_was() -> None:
    picture = np.full((8, 8, 3), 7, np.uint8)
    assert (draw(picture, _result(None)) == picture).all()
    assert (draw(picture, _result(np.full_like(picture, 255))) == picture).all()


def test_labels_side_by_side_keep_their_colours() -> None:
    classes = np.zeros((20, 20), np.uint8)
    classes[5:10, 5:10], classes[5:10, 10:15] = 1, 2
    laid = layer(classes, [(255, 0, 0), (0, 0, 255)])
    assert laid[7, 9].tolist()[:3] == [255, 0, 0]
    assert laid[7, 10].tolist()[:3] == [0, 0, 255]
    assert laid[7, 7, 3] < 60 < laid[4, 7, 3] == 255
    assert laid[0, 0, 3] == 0


def test_what_is_laid_over_knows_a_masks_colours() -> None:
    mask = np.full((20, 20, 3), 255, np.uint8)
    mask[5:10, 5:10], mask[5:10, 10:15] = (200, 0, 0), (255, 255, 0)
    laid = laid_over(mask)
    assert laid[4, 5].tolist() == [200, 0, 0, 255]
    assert laid[7, 15].tolist() == [255, 255, 0, 255]
    assert laid[7, 12].tolist()[:3] == [255, 255, 0]
    assert 0 < laid[7, 12, 3] < 60
    assert not laid[15:].any()


def test_of_more_colours_than_labels_can_be_the_others_are_left_out() -> None:
    mask = np.full((20, 20, 3), 255, np.uint8)
    mask[..., 1], mask[..., 2] = np.divmod(np.arange(400).reshape(20, 20), 256)
    laid = laid_over(mask)[..., 3]
    assert (laid[:12] == laid[0, 0]).all()
    assert 0 < laid[0, 0] < 60
    assert not laid[15:].any()
