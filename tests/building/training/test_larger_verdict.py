"""The verdict of a larger input, which is taken for the sake of small defects: one place is enough for all banks."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from edge_agent.building.datasets.split import folds
from edge_agent.building.training import backbone
from edge_agent.building.training.assembly import assemble
from edge_agent.building.training.bank import worst_count
from edge_agent.building.training.features import Extractor, Features, input_spec, source_model
from edge_agent.building.training.head import Head, Wanted, fit_head
from edge_agent.building.training.learned import learn
from edge_agent.building.training.threshold import normal_spread
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer
from tests.support.parts import draw_part

LARGER = (640, 480)


@pytest.mark.parametrize(
    ("rows", "columns", "count"), [(10, 12, 1), (10, 20, 2), (20, 20, 4), (22, 36, 4), (30, 40, 1), (36, 48, 1)]
)
def test_how_many_places_make_a_score(rows: int, columns: int, count: int) -> None:
    """A hundredth, four at the most; with the larger input the worst alone."""
    assert worst_count(rows * columns) == count


class _Known(NamedTuple):
    pictures: list[U8]
    anomalous: npt.NDArray[np.bool_]
    features: Features
    head: Head


def _still(number: int, speck: int = 0) -> U8:
    """A part that lies alike in each picture; with a dark speck of some pixels somewhere on it."""
    rng = np.random.default_rng(number)
    picture = np.asarray(cv2.resize(draw_part(0)[0], LARGER, interpolation=cv2.INTER_CUBIC), np.float32)
    picture += rng.normal(0, 4, picture.shape).astype(np.float32)
    x, y = (int(at) for at in rng.integers((200, 160), (440, 320)))
    picture[y : y + speck, x : x + speck] -= 60
    return np.asarray(picture.clip(0, 255), np.uint8)


@cache
def _fitted() -> _Known:
    pictures = [_still(i) for i in range(10)] + [_still(100 + i, 6) for i in range(6)]
    features = Extractor(*LARGER, source_model(*LARGER))(pictures)
    anomalous = np.arange(len(pictures)) >= 10
    head = fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None)
    return _Known(pictures, anomalous, features, head)


def test_the_written_model_scores_as_the_head() -> None:
    pictures, _, features, head = _fitted()
    assert head.beside > 0
    model = assemble(head, *LARGER, source_model(*LARGER), is_marked=True).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for number in (0, len(pictures) - 1):
        (score,) = session.run(["score"], {backbone.INPUT: Normalizer(input_spec(*LARGER))(pictures[number])})
        np.testing.assert_allclose(score, head.raw_scores(features.of([number])), rtol=2e-3, atol=2e-3)


def test_what_is_held_out_is_scored_by_the_worst_place_of_a_bank_and_the_fine_places_in_it() -> None:
    _, anomalous, features, head = _fitted()
    rows, columns = features.grid
    fold = folds(anomalous.astype(int).tolist(), 10, seed=0)
    learned = learn(features, anomalous, fold, 10, seed=0, moved=None, progress=lambda *_: None)
    fine = learned.fine.unusual.reshape(-1, rows, 2, columns, 2)
    added = head.beside * np.maximum.reduce([fine[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]).reshape(
        len(fine), -1
    )
    for bank, scale in ((learned.plain, head.bank_scale), (learned.placed, head.placed.scale)):
        scores = (bank.unusual + added).max(axis=1).astype(np.float64)
        np.testing.assert_allclose(scale.spread, normal_spread(scores[~anomalous]), rtol=1e-5)
    # The map is of the first bank alone, as its marks are.
    np.testing.assert_allclose(head.map_spread, normal_spread(learned.plain.scores[~anomalous]), rtol=1e-5)


def test_with_the_usual_input_a_bank_says_what_it_knows_alone() -> None:
    pictures, anomalous, _, _ = _fitted()
    smaller = [cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA).astype(np.uint8) for picture in pictures]
    features = Extractor(320, 240, source_model(320, 240))(smaller)
    assert fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda *_: None).beside == 0
