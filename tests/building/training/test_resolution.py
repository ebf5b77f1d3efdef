"""A larger input: tried where pictures are large, taken where the data show that it helps."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reading import Datasets, read_dataset
from edge_agent.building.training.component import Identity
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.resolution import Seen, add_speck, larger_size
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
    assert larger_size((1600, 1200), (384, 288), 30) == (768, 576)
    assert larger_size((800, 600), (384, 288), 30) is None
    assert larger_size((1600, 1200), (384, 288), 1000) is None, "their features would fill the memory"


@pytest.mark.parametrize(
    ("usual", "larger", "better"), [(0.8, 0.95, True), (0.8, 0.85, False), (0.99, 1.0, False), (0.6, 0.55, False)]
)
def test_it_has_to_rank_far_better(usual: float, larger: float, better: bool) -> None:
    assert Seen(usual, larger, "anything").is_better == better


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
    trained = build(tmp_path / "pictures", 0, 0, Options())
    assert trained.resolution is not None
    assert trained.resolution.startswith("an input of 640x640 was ")
    chosen = " was chosen for pictures of 832x832" in trained.resolution
    assert width(trained) == (640 if chosen else 320)
    pinned = build(tmp_path / "pictures", 0, 0, Options(quality="normal"))
    assert pinned.resolution is None
    assert width(pinned) == 320
