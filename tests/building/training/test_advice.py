"""What a trainer advises, in which order, on verdicts that are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.building.training.advice import Held, View, advise

LARGE, NORMAL = (1600, 1200), (640, 480)


def held(normals: int = 20, anomalies: int = 10, *, missed: int = 0, alarms: int = 0, roc_auc: float = 0.9) -> Held:
    anomalous = np.arange(normals + anomalies) >= normals
    called = anomalous.copy()
    called[normals : normals + missed] = False
    called[:alarms] = True
    return Held(np.where(called, 0.9, 0.1), anomalous, called, 0.5, roc_auc if anomalies else None)


def _texts(*given: Any) -> list[str]:
    return [sentence.text for sentence in advise(*given)]


def view(picture: tuple[int, int], smallest: int | None = None) -> View:
    return View(picture, (384, 288), smallest, masks=smallest is not None)


def _remedy(seen: View) -> tuple[str, str]:
    first, *_ = advise(held(missed=5), (), None, None, seen)
    return first.remedy, first.text


def test_large_pictures_are_told_how_small_defects_are_seen() -> None:
    first, *_ = _texts(held(missed=5), (), None, None, view(LARGE))
    assert first.startswith("pictures of 1600x1200 are seen as 384x288: defects of less than about 17 pixels")
    for what_helps in ("`--input-size`", "`edge-agent line` does so with `tiles`"):
        assert what_helps in first
    assert "--quality" not in first, "an input larger than that of the best was tried, or could not tell"


def test_more_pixels_are_named_where_masks_ask_for_them_unless_they_were_asked_for() -> None:
    first, *_ = _texts(held(missed=5), (), None, None, view(LARGE, 12 * 12))
    assert "`--quality best` (512x384)" in first
    first, *_ = _texts(held(missed=5), (), None, None, view(LARGE, 12 * 12)._replace(quality="best", tried="masks"))
    assert "--quality" not in first and "`--input-size`" in first


def test_what_was_tried_and_did_not_help_is_not_recommended() -> None:
    first, *_ = _texts(held(missed=5), (), None, None, view(LARGE)._replace(tried="refused"))
    assert "less than about 17 pixels" in first
    assert first.endswith("; a larger input was tried and not taken")
    assert "`tiles`" in first
    assert "--quality" not in first and "--input-size" not in first


LONG = View((2448, 700), (576, 160))


def test_a_quality_is_offered_where_it_would_try_more_pixels() -> None:
    remedy, text = _remedy(LONG)
    assert remedy == "try_best" and "train with `--quality best`, which tries 800x224, or a larger" in text
    remedy, text = _remedy(view(LARGE)._replace(quality="normal"))
    assert remedy == "try_auto" and "train with `--quality auto`, which tries 768x576, or a larger" in text
    remedy, text = _remedy(View(LARGE, (192, 160), quality="speed"))
    assert remedy == "try_auto" and "`--quality auto` instead of `--speed`, which tries 768x576" in text
    marked = view(LARGE, 12 * 12)._replace(masks=False)
    assert _remedy(marked._replace(quality="normal"))[0] == "try_auto", "masks that are not learned"


@pytest.mark.parametrize("seen", [LONG, View(LARGE, (384, 288), quality="normal"), view(LARGE)])
@pytest.mark.parametrize("tried", ["many", "few", "sure", "given", "chosen"])
def test_no_quality_is_offered_that_would_try_nothing_more(seen: View, tried: str) -> None:
    remedy, text = _remedy(seen._replace(tried=tried))
    assert remedy == "largest" and "--quality" not in text


def test_the_best_quality_is_not_offered_to_itself() -> None:
    assert _remedy(LONG._replace(quality="best", tried="sure"))[0] == "largest"


@pytest.mark.parametrize(
    ("picture", "smallest", "roc_auc"),
    [(NORMAL, None, 0.9), (LARGE, None, 0.99), (LARGE, 200 * 200, 0.9), (NORMAL, 20 * 20, 0.9)],
)
def test_where_defects_are_seen_nothing_is_said_of_their_size(
    picture: tuple[int, int], smallest: int | None, roc_auc: float
) -> None:
    assert not any(
        "are seen as" in text for text in _texts(held(roc_auc=roc_auc), (), None, None, view(picture, smallest))
    )


def test_a_marked_defect_that_is_too_small_is_measured() -> None:
    first, *_ = _texts(held(roc_auc=1.0), (), None, None, view(LARGE, 12 * 12))
    assert "the picture with the least marked has about 12x12 pixels of it, 2.9 of the model's a side" in first


def test_few_anomalies_are_what_would_help_most() -> None:
    first, *_ = _texts(held(anomalies=2, missed=1), (), 0.2, None, None)
    assert first.startswith("8 more anomalous pictures, of each kind that occurs")


def test_numbers_of_further_pictures_are_named() -> None:
    said = _texts(held(missed=1, alarms=2), ("dent",), 0.2, (0.7, 0.9), None)
    assert said[0] == "1 of 10 anomalies was missed: more pictures like that"
    assert said[1] == "2 of 20 normal pictures were called anomalous: more normal pictures like those"
    assert "one picture only shows dent" in said[2]
    assert "about 20 more, of all that varies" in said[3]
    assert "0.70, with nearly all of them 0.90" in said[4]
    assert "(20 normal, 10 anomalous)" in said[4]
    assert said[5].startswith("to know its F1 to within 0.05 takes about ")
    assert len(said) == 6
