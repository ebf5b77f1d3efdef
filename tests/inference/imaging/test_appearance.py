"""Pictures of another kind than the training pictures are told from them; those of another day are not."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.building.demo.pictures import anomalous_picture, normal_picture
from edge_agent.component.manifest import Appearance
from edge_agent.inference.imaging.appearance import Look, compare, look_at, summarize
from edge_agent.inference.imaging.resize import U8, ArrayPixels


def _look(picture: U8) -> Look:
    height, width, _ = picture.shape
    return look_at(ArrayPixels(np.ascontiguousarray(picture)), width, height)


def _kinds(trained: Appearance, pictures: list[U8]) -> list[str]:
    return [unlike.kind for unlike in compare(trained, [_look(picture) for picture in pictures])]


@pytest.fixture(scope="module")
def parts() -> list[U8]:
    rng = np.random.default_rng(0)
    return [normal_picture(rng) for _ in range(8)] + [anomalous_picture(rng) for _ in range(4)]


@pytest.fixture(scope="module")
def trained(parts: list[U8]) -> Appearance:
    return summarize([_look(picture) for picture in parts])


@pytest.fixture(scope="module")
def unseen() -> list[U8]:
    rng = np.random.default_rng(1)
    return [normal_picture(rng) for _ in range(3)] + [anomalous_picture(rng) for _ in range(3)]


def test_what_is_measured() -> None:
    picture = np.zeros((64, 100, 3), np.uint8)
    picture[:, 50:] = (200, 100, 50)
    seen = _look(picture)
    assert seen.mean == pytest.approx((100, 50, 25))
    assert seen.deviation == pytest.approx((100, 50, 25))
    kept = summarize([seen, seen])
    assert (kept.pictures, kept.mean, kept.red_blue_spread) == (2, (100, 50, 25), (0, 0))


def test_pictures_of_the_same_kind_are_alike(trained: Appearance, unseen: list[U8]) -> None:
    assert _kinds(trained, unseen) == []
    for picture in unseen:
        assert _kinds(trained, [picture]) == []
        assert _kinds(trained, [(picture * 0.85).astype(np.uint8)]) == []


def test_red_and_blue_exchanged(trained: Appearance, unseen: list[U8]) -> None:
    assert _kinds(trained, [picture[..., ::-1] for picture in unseen]) == ["exchanged"]
    dimmed = [(picture[..., ::-1] * 0.8).astype(np.uint8) for picture in unseen]
    assert _kinds(trained, dimmed) == ["exchanged"]
    half = [picture[..., ::-1] if number % 2 else picture for number, picture in enumerate(unseen)]
    assert _kinds(trained, half) == ["exchanged"], "one of two cameras"


def test_a_part_of_two_colours_whose_means_are_alike() -> None:
    """Red letters on a pale blue lid: as much red as blue on the whole."""
    lid = np.full((96, 96, 3), (128, 140, 160), np.uint8)
    lid[30:54, 30:54] = (255, 20, 20)
    lid[:, :, 2] -= np.uint8(round(float(lid[..., 2].mean() - lid[..., 0].mean())))
    trained = summarize([_look(lid)])
    assert abs(trained.mean[0] - trained.mean[2]) < 2
    assert _kinds(trained, [lid]) == []
    assert _kinds(trained, [lid[..., ::-1]]) == ["exchanged"]


def test_grey_pictures_say_nothing_of_colours() -> None:
    rng = np.random.default_rng(0)
    grey = [np.repeat(rng.integers(90, 110, (64, 64, 1), np.uint8), 3, axis=2) for _ in range(6)]
    trained = summarize([_look(picture) for picture in grey])
    assert _kinds(trained, [picture[..., ::-1] for picture in grey]) == []


def test_other_brightness_and_contrast(trained: Appearance, unseen: list[U8]) -> None:
    assert _kinds(trained, [picture // 16 for picture in unseen]) == ["brightness", "contrast"], "12 bits as if 16"
    flat = [(picture // 4 + 80).astype(np.uint8) for picture in unseen]
    assert _kinds(trained, flat) == ["contrast"]
    (darker,) = [found for found in compare(trained, [_look(unseen[0] // 2)]) if found.kind == "brightness"]
    assert "much darker than those that the model was trained on (mean" in darker.text and darker.less
    (brighter,) = [
        found for found in compare(trained, [Look((250, 250, 250), (1, 1, 1))]) if found.kind == "brightness"
    ]
    assert "much brighter than" in brighter.text and not brighter.less
    assert [found.less for found in compare(trained, [_look(flat[0])])] == [True]


def test_exchanged_is_said_of_what_was_compared_with(trained: Appearance, unseen: list[U8]) -> None:
    (found,) = compare(trained, [_look(unseen[0][..., ::-1])], "the first, darker ones")
    assert found.text == (
        "these pictures look as if red and blue were exchanged, compared with the first, darker ones; "
        "a model takes RGB, and OpenCV's pictures are BGR until they are converted"
    )
