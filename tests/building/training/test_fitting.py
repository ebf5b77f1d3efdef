"""Pictures become the model's input on several cores as on one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.dataset import NORMAL, Example
from edge_agent.building.training.features import Extractor, join, source_model
from edge_agent.building.training.fitting import resized_pictures
from edge_agent.inference.imaging.sight import Sight

SOURCE = (150, 110)


@pytest.mark.parametrize("target", [(64, 64), SOURCE])
def test_several_cores_shrink_the_same_pictures_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: tuple[int, int]
) -> None:
    def shrink(cores: int) -> tuple[list[np.ndarray], list[Sight]]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
        sights: list[Sight] = []
        return resized_pictures(examples, SOURCE, target, sights.append), sights

    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (*SOURCE[::-1], 3), np.uint8)).save(tmp_path / f"{number}.png")
    examples = tuple(Example(tmp_path / f"{number}.png", f"{number}.png", NORMAL) for number in range(12))
    (one, seen_by_one), (several, seen_by_several) = shrink(1), shrink(4)
    np.testing.assert_array_equal(one, several)
    assert seen_by_one == seen_by_several
    assert len({picture.tobytes() for picture in several}) == 12


def test_several_threads_see_what_one_sees() -> None:
    size = (96, 64)
    extract = Extractor(*size, source_model(*size))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size[::-1], 3), np.uint8) for _ in range(64)]
    one = join([extract([picture]) for picture in pictures])
    with ThreadPoolExecutor(4) as pool:
        several = join(list(pool.map(extract, [[picture] for picture in pictures])))
    for seen, expected in zip(several[:4], one[:4], strict=True):
        np.testing.assert_array_equal(seen, expected)
