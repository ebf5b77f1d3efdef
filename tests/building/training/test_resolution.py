"""A larger input: tried where pictures are large, taken where the data show that it helps."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reading import Datasets, read_dataset
from edge_agent.building.training.component import Identity
from edge_agent.building.training.head import Head
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.resolution import Trial, add_speck, choose_larger, larger_size
from edge_agent.building.training.trainer import Trained, train
from edge_agent.component.manifest import decode_manifest

SIDE = 832
QUIET = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)


def draw(number: int, marked: int) -> np.ndarray:
    """A plate of many small studs; `marked`: of so many pixels a side, one is dark instead of bright."""
    rng = np.random.default_rng(number)
    picture = np.full((SIDE, SIDE, 3), 120.0)
    for top in range(16, SIDE - 16, 32):
        for left in range(16, SIDE - 16, 32):
            picture[top : top + 6, left : left + 6] = 190
    if marked:
        top, left = (int(at) for at in rng.integers(2, 22, 2) * 32 + 30)
        picture[top : top + marked, left : left + marked] = 40
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def build(root: Path, anomalies: int, marked: int, options: Options) -> Trained:
    if not root.exists():
        for label, count in ((NORMAL, 10), (ANOMALY, anomalies)):
            (root / label).mkdir(parents=True)
            for number in range(count):
                picture = draw(number + 100 * (label == ANOMALY), marked if label == ANOMALY else 0)
                Image.fromarray(picture).save(root / label / f"{number}.png")
    return train(Datasets(read_dataset(root), None), root.parent / "models", Identity("plate", "1.0.0"), options, QUIET)


def width(trained: Trained) -> int:
    return decode_manifest((trained.folder / "manifest.json").read_bytes(), source="manifest.json").input.width


def test_it_is_tried_where_pictures_are_much_larger_than_the_input() -> None:
    assert larger_size((1600, 1200), (384, 288)) == (768, 576)
    assert larger_size((800, 600), (384, 288)) is None
    assert larger_size((2448, 700), (576, 160)) is None, "a side of 1152 is more than an input may have"


@pytest.mark.parametrize(
    ("usual", "larger", "better"), [(0.8, 0.95, True), (0.8, 0.85, False), (0.99, 1.0, False), (0.6, 0.55, False)]
)
def test_it_has_to_rank_far_better(usual: float, larger: float, better: bool) -> None:
    assert Trial(usual, larger, "anything").is_better == better


class Fake(NamedTuple):
    head: Head


USUAL, LARGER = (Fake(cast("Head", object())) for _ in range(2))


def choose(good: int, areas: tuple[float, float]) -> Fake:
    """Choose where there are good parts alone, on which specks are seen with these areas."""
    seen: list[int] = []

    def see_specks(on: np.ndarray) -> tuple[float, float]:
        seen.extend(on.tolist())
        return areas

    chosen, trial = choose_larger(USUAL, np.zeros(good, bool), lambda: LARGER, see_specks)
    assert seen == (list(range(min(good, 20))) if trial else [])
    return chosen


@pytest.mark.parametrize(
    ("good", "areas", "larger"),
    [
        (8, (0.6, 0.9), True),
        (30, (0.6, 0.9), True),
        (30, (0.6, 0.7), False),
        (30, (0.99, 1.0), False),
        (7, (0.6, 0.9), False),
        (151, (0.6, 0.9), False),
    ],
)
def test_a_larger_input_is_tried_on_some_good_parts_and_taken_where_it_sees_more(
    good: int, areas: tuple[float, float], larger: bool
) -> None:
    assert (choose(good, areas) is LARGER) == larger


def test_a_speck_is_small_and_always_the_same() -> None:
    picture = draw(0, 0)
    once, again, other = add_speck(picture, 1), add_speck(picture, 1), add_speck(picture, 2)
    changed = np.argwhere((once != picture).any(axis=2))
    assert 0 < len(changed) <= 25
    assert np.ptp(changed, axis=0).max() < 5
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_a_model_of_plain_large_defects_keeps_the_usual_input(tmp_path: Path) -> None:
    trained = build(tmp_path / "pictures", 5, 120, Options())
    assert trained.resolution is None
    assert width(trained) == 320


@pytest.mark.long
def test_small_defects_get_a_larger_input_unless_it_is_chosen_by_hand(tmp_path: Path) -> None:
    trained = build(tmp_path / "pictures", 6, 2, Options())
    assert trained.resolution is not None
    assert trained.resolution.startswith(
        "an input of 640x640 was chosen for pictures of 832x832: it ranks pictures that "
    )
    assert width(trained) == 640
    pinned = build(tmp_path / "pictures", 6, 2, Options(quality="normal"))
    assert pinned.resolution is None
    assert width(pinned) == 320
