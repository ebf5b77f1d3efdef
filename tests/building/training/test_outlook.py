"""What a trainer says of its model's future, on features that are made up so that the answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Example
from edge_agent.building.training import learning_curve
from edge_agent.building.training.features import STRIDE_8_CHANNELS, Features
from edge_agent.building.training.head import Head, Wanted, fit_head
from edge_agent.building.training.learning_curve import f1_of_half
from edge_agent.building.training.outlook import Outlook, look_ahead

ROWS, COLUMNS, CHANNELS = 4, 6, 12
NORMALS = 16


def made_up(anomalies: int, *, moved: bool = False) -> tuple[Features, np.ndarray]:
    """A bright patch lies in the first place of good parts; `moved`: of bad ones elsewhere, else it is another one."""
    rng = np.random.default_rng(0)
    patches = rng.normal(0, 0.2, (NORMALS + anomalies, ROWS * COLUMNS, CHANNELS))
    patches[:NORMALS, 0, 0] += 9
    patches[NORMALS:, -1 if moved else 0, 0 if moved else 1] += 9
    pooled = rng.normal(size=(NORMALS + anomalies, 5))
    seen = patches.astype(np.float32)
    features = Features(seen, seen, finer(seen), pooled.astype(np.float32), (ROWS, COLUMNS))
    return features, np.arange(NORMALS + anomalies) >= NORMALS


def finer(seen: np.ndarray) -> np.ndarray:
    """Show the first channels in each of the four fine places of a patch, by stride 8 and by stride 4."""
    planes = seen[..., :3].reshape(-1, ROWS, COLUMNS, 3)
    shown = planes.repeat(2, axis=1).repeat(2, axis=2).reshape(len(seen), -1, 3)
    found = np.zeros((*shown.shape[:2], STRIDE_8_CHANNELS + 3), np.float32)
    found[..., :3] = found[..., STRIDE_8_CHANNELS:] = shown
    return found


def fit(features: Features, anomalous: np.ndarray) -> Head:
    return fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None)


def outlook(anomalies: int, kinds: tuple[str, ...] = (), areas: tuple[str, ...] = ()) -> Outlook:
    features, anomalous = made_up(anomalies)
    folders = ["good"] * NORMALS + [kinds[i] if kinds else "bad" for i in range(anomalies)]
    shown = [""] * NORMALS + [areas[i] if areas else "" for i in range(anomalies)]
    examples = [
        Example(Path("parts", folder, f"{number}.png"), "", ANOMALY if bad else NORMAL)
        for number, (folder, bad) in enumerate(zip(folders, anomalous, strict=True))
    ]
    seen = [
        Seen(example, None, str(number), {label: 5} if label else {}, None)
        for number, (example, label) in enumerate(zip(examples, shown, strict=True))
    ]
    return look_ahead(fit(features, anomalous), features, anomalous, examples, seen, seed=0, wanted=Wanted())


@pytest.mark.parametrize("anomalies", [0, 6])
def test_what_lies_in_another_place_is_an_anomaly(anomalies: int) -> None:
    """Each of its patches is one that good parts have; only where it lies is wrong."""
    features, anomalous = made_up(12, moved=True)
    chosen = np.arange(NORMALS + anomalies)
    head = fit(features.of(chosen), anomalous[chosen])
    unseen = features.of(np.arange(NORMALS + 6, NORMALS + 12))
    assert (head.raw_scores(unseen) >= head.threshold).all()


def test_a_perfect_figure_of_few_pictures_is_not_promised() -> None:
    found = outlook(6)
    assert found.f1 is not None
    low, high = found.f1
    assert 0.6 < low < 0.95 < high <= 1.0
    assert any("anomalous pictures more, in the training or kept apart" in sentence.text for sentence in found.advice)
    assert found.false_alarms is not None
    assert found.false_alarms[0] == 0.0
    assert 0.1 < found.false_alarms[1] < 0.25, "of 16 good parts none was called anomalous"


def test_without_anomalies_nothing_is_promised() -> None:
    found = outlook(0)
    assert found.f1 is None
    assert any(sentence.text.startswith("no picture shows what has to be found") for sentence in found.advice)


def test_kinds_with_one_picture_are_named() -> None:
    assert outlook(4, kinds=("dent", "scratch", "dent", "dent")).seen_once == ("scratch",)
    assert outlook(4, areas=("stain", "stain", "hole", "stain")).seen_once == ("hole",)
    assert outlook(4).seen_once == (), "anomalies of one folder have no kinds"
    assert any("shows scratch" in sentence.text for sentence in outlook(3, kinds=("dent", "scratch", "dent")).advice)


def test_the_hardest_pictures_come_first() -> None:
    features, anomalous = made_up(6)
    strange = features.patches.copy()
    strange[3] = strange[-1]
    features = features._replace(patches=strange, sharp=strange, fine=finer(strange))
    examples = [Example(Path("a", f"{i}.png"), "", ANOMALY if bad else NORMAL) for i, bad in enumerate(anomalous)]
    seen = [Seen(example, None, str(number), {}, None) for number, example in enumerate(examples)]
    found = look_ahead(fit(features, anomalous), features, anomalous, examples, seen, seed=0, wanted=Wanted())
    assert (found.hardest[0].picture, found.hardest[0].right) == ("a/3.png", False)
    assert any("1 of 16 normal pictures was called anomalous" in sentence.text for sentence in found.advice)


def test_the_learning_curve_says_what_half_of_the_pictures_gave() -> None:
    found = outlook(6)
    assert found.f1_of_half is not None
    (sentence,) = (said.text for said in found.advice if said.text.startswith("with half of these pictures its F1 was"))
    assert f"{found.f1_of_half:.2f}, with nearly all of them 1.00" in sentence
    assert outlook(3).f1_of_half is None, "a half would have one anomaly"


def test_copies_of_one_picture_have_no_halves() -> None:
    features, anomalous = made_up(6)
    assert f1_of_half(features, anomalous, seed=0, wanted=Wanted(), same=["copy"] * len(anomalous)) is None


def test_halves_of_large_pictures_are_not_in_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they say is the same."""
    features, anomalous = made_up(6)
    fitting: list[int] = []
    most: list[int] = []

    def watched(*arguments: Any, **options: Any) -> Head:
        fitting.append(1)
        most.append(len(fitting))
        try:
            return fit_head(*arguments, **options)
        finally:
            fitting.pop()

    side_by_side = f1_of_half(features, anomalous, seed=0, wanted=Wanted())
    monkeypatch.setattr(learning_curve, "fit_head", watched)
    monkeypatch.setattr(learning_curve, "_LARGE", 1)
    assert f1_of_half(features, anomalous, seed=0, wanted=Wanted()) == side_by_side
    assert most == [1, 1]
