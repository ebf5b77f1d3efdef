"""A larger input: tried where pictures are large, taken where the data show that it helps."""

from __future__ import annotations

import json
import os
import weakref
from contextlib import nullcontext
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reading import Datasets, read_dataset
from edge_agent.building.training import resolution
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import Extractor, Features, source_model
from edge_agent.building.training.fitting import resized_pictures
from edge_agent.building.training.head import Head
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.pictures import TrainingPictures
from edge_agent.building.training.resolution import (
    Look,
    Trial,
    add_specks,
    choose_larger,
    describe,
    describe_untried,
    larger_size,
    speck_middles,
    specks_seen,
    try_specks,
    why_untried,
)
from edge_agent.building.training.sentence import Sentence
from edge_agent.building.training.trainer import Trained, train, what_was_tried
from edge_agent.component.manifest import decode_manifest
from edge_agent.errors import TrainingError
from edge_agent.inference.imaging.picture import PixelFormat, read_picture
from edge_agent.inference.imaging.resize import ArrayPixels, make_resizer

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


def build_pictures(root: Path, anomalies: int, marked: int) -> None:
    for label, count in ((NORMAL, 10), (ANOMALY, anomalies)):
        (root / label).mkdir(parents=True)
        for number in range(count):
            picture = draw(number + 100 * (label == ANOMALY), marked if label == ANOMALY else 0)
            Image.fromarray(picture).save(root / label / f"{number}.png")


def build(root: Path, anomalies: int, marked: int, options: Options) -> Trained:
    if not root.exists():
        build_pictures(root, anomalies, marked)
    return train(Datasets(read_dataset(root), None), root.parent / "models", Identity("plate", "1.0.0"), options, QUIET)


def width(trained: Trained) -> int:
    return decode_manifest((trained.folder / "manifest.json").read_bytes(), source="manifest.json").input.width


def test_it_is_tried_where_pictures_are_much_larger_than_the_input() -> None:
    assert larger_size((1600, 1200), (384, 288)) == (768, 576)
    assert larger_size((800, 600), (384, 288)) is None
    assert larger_size((2448, 700), (576, 160)) is None, "a side of 1152 is more than an input may have"


class Judge(NamedTuple):
    """A head, as far as a choice looks at it: raw scores of held-out pictures."""

    out_of_fold: np.ndarray


class Fake(NamedTuple):
    head: Head


def judged(good: int, *anomalies: float) -> Fake:
    """Scores of some good parts, evenly from -1 to 1, and of anomalies."""
    return Fake(cast("Head", Judge(np.array([*np.linspace(-1, 1, good), *anomalies]))))


def choose(usual: Fake, larger: Fake, good: int, specks: tuple[float, float]) -> tuple[bool, str | None]:
    """Tell whether the larger one was chosen, and what decided; specks on good parts are seen with these areas."""
    anomalous = np.arange(len(usual.head.out_of_fold)) >= good

    def see_specks(on: np.ndarray) -> tuple[float, float]:
        assert len(set(on.tolist())) == min(good, 16)
        assert (on[0], on[-1]) == (0, good - 1), "the first and the last days' parts too"
        return specks

    chosen, trial = choose_larger(usual, anomalous, lambda: larger, see_specks)
    if trial is None:
        return chosen is larger, None
    assert trial.is_better == (chosen is larger)
    said = describe(trial, (1600, 1200), ((384, 288), (768, 576)), (12.4, 51.0) if trial.is_better else None)
    assert said.key.startswith("chosen_" if trial.is_better else "refused_")
    return chosen is larger, said.key.partition("_")[2]


def test_copies_are_no_further_good_parts_to_put_specks_on() -> None:
    usual, asked = judged(10), []

    def see_specks(on: np.ndarray) -> tuple[float, float]:
        asked.extend(on.tolist())
        return HARDLY_SEEN

    same = [str(number // 2) for number in range(10)]
    assert choose_larger(usual, np.zeros(10, bool), lambda: usual, see_specks, same) == (usual, None), (
        "five are too few"
    )
    usual, same = judged(10), [str(min(number, 7)) for number in range(10)]
    assert choose_larger(usual, np.zeros(10, bool), lambda: usual, see_specks, same)[1] is not None
    assert asked == list(range(8))


SEEN, HARDLY_SEEN, WELL_SEEN = (0.8, 0.95), (0.8, 0.85), (0.99, 1.0)


@pytest.mark.parametrize(
    ("good", "specks", "larger", "by"),
    [
        (8, SEEN, True, "specks"),
        (30, SEEN, True, "specks"),
        (30, HARDLY_SEEN, False, "specks"),
        (30, WELL_SEEN, False, "specks"),
        (7, SEEN, False, None),
        (151, SEEN, False, None),
    ],
)
def test_without_anomalies_it_is_taken_where_specks_are_seen_far_better(
    good: int, specks: tuple[float, float], larger: bool, by: str | None
) -> None:
    assert choose(judged(good), judged(good), good, specks) == (larger, by)


NEAR, FURTHER, FAR = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0), (2.0, 2.5, 3.0, 3.5, 4.0, 4.5), (5.0, 5.5, 6.0, 6.5, 7.0, 7.5)
VERY_FAR, AMONG = tuple(10 + one for one in FAR), (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)


@pytest.mark.parametrize(
    ("usual", "larger_one", "specks", "larger", "by"),
    [
        (NEAR, FAR, HARDLY_SEEN, True, "verdicts"),
        (NEAR, FURTHER, SEEN, True, "both"),
        (NEAR, FURTHER, HARDLY_SEEN, False, "both"),
        (FURTHER, NEAR, SEEN, True, "both"),
        (FURTHER, NEAR, HARDLY_SEEN, False, "though_seen"),
        (FURTHER, NEAR, HARDLY_SEEN[::-1], False, "worse"),
        (FURTHER, AMONG, SEEN, False, "worse"),
        (VERY_FAR, VERY_FAR, SEEN, False, None),
        (FAR, tuple(1 + one for one in FAR), SEEN, True, "both"),
        (FAR, tuple(3 + one for one in FAR), HARDLY_SEEN, False, "specks"),
    ],
)
def test_with_anomalies_it_may_be_wrong_as_often_where_specks_are_seen_better_and_otherwise_half_as_often(
    usual: tuple[float, ...], larger_one: tuple[float, ...], specks: tuple[float, float], larger: bool, by: str | None
) -> None:
    assert choose(judged(20, *usual), judged(20, *larger_one), 20, specks) == (larger, by)


@pytest.mark.parametrize(
    ("usual", "larger_one", "specks", "larger", "by"),
    [
        ((3.0, 3.5), (3.2, 3.6), SEEN, True, "both"),
        ((3.0, 3.5), (2.9, 3.5), SEEN, True, "both"),
        ((3.0, 3.5), (8.0, 8.5), HARDLY_SEEN, False, "specks"),
        ((3.0, 3.5), (1.0, 1.5), SEEN, False, "though_seen"),
    ],
)
def test_with_a_few_anomalies_specks_decide_unless_it_is_wrong_more_often(
    usual: tuple[float, ...], larger_one: tuple[float, ...], specks: tuple[float, float], larger: bool, by: str
) -> None:
    assert choose(judged(20, *usual), judged(20, *larger_one), 20, specks) == (larger, by)


@pytest.mark.parametrize("anomalies", [(3.0, 3.5), NEAR])
def test_a_larger_input_that_misses_the_wanted_precision_does_not_end_the_training(
    anomalies: tuple[float, ...],
) -> None:
    usual, anomalous = judged(20, *anomalies), np.arange(20 + len(anomalies)) >= 20

    def fit_larger() -> Fake:
        raise TrainingError("no threshold has a precision of 1")

    chosen, trial = choose_larger(usual, anomalous, fit_larger, lambda on: SEEN)
    assert chosen is usual and trial is not None
    said = describe(trial, (1600, 1200), ((384, 288), (768, 576)), None)
    assert said.text.endswith("and not taken: with it the wanted precision can't be reached")


@pytest.mark.parametrize(
    ("trial", "key", "text"),
    [
        (
            Trial(False, verdicts=(0.04, 0.025)),
            "verdicts",
            "with it 2.5% of the verdicts on other pictures are expected to be wrong, with the usual 384x288 4.0%, "
            "which is not enough for up to 5 times the time",
        ),
        (
            Trial(False, (0.8, 0.85), (0.04, 0.025)),
            "both",
            "with it specks on good parts are told with a ROC AUC of 0.850, with the usual 384x288 with 0.800; 2.5% of "
            "the verdicts on other pictures are expected to be wrong, with the usual 384x288 4.0%, which is not enough "
            "for up to 5 times the time",
        ),
        (
            Trial(False, (0.8, 0.95), (0.025, 0.04)),
            "though_seen",
            "with it specks on good parts are told with a ROC AUC of 0.950, with the usual 384x288 with 0.800, but "
            "more of the verdicts on other pictures are expected to be wrong, 4.0% instead of 2.5% with the usual "
            "384x288",
        ),
    ],
)
def test_why_it_was_not_taken_is_said_as_it_is(trial: Trial, key: str, text: str) -> None:
    said = describe(trial, (1600, 1200), ((384, 288), (768, 576)), None)
    assert said.key == f"refused_{key}"
    assert said.text == f"an input of 768x576 was tried for pictures of 1600x1200 and not taken: {text}"


def test_an_input_of_fewer_pixels_than_twice_the_sides_is_said_to_take_less() -> None:
    said = describe(Trial(False, verdicts=(0.04, 0.025)), (640, 480), ((384, 288), (512, 384)), None)
    assert said.text.endswith("4.0%, which is not enough for twice the time")


@pytest.mark.parametrize("looks_at_half", [True, False])
def test_whether_the_chosen_model_sees_half_of_its_input_too_is_said(looks_at_half: bool) -> None:
    sizes, times = ((384, 288), (768, 576)), (12.4, 51.0)
    said = describe(Trial(True, (0.8, 0.95)), (1600, 1200), sizes, times, looks_at_half=looks_at_half)
    assert said.values.get("half") == ("384x288" if looks_at_half else None)
    assert said.text.endswith("it looks at each picture as 384x288, too") == looks_at_half


@pytest.mark.parametrize(
    ("quality", "picture", "sizes"),
    [
        ("best", (640, 480), ((384, 288), (512, 384))),
        ("best", (1600, 1200), ((384, 288), (768, 576))),
        ("best", (2448, 700), ((576, 160), (800, 224))),
        ("best", (64, 64), ((128, 128), None)),
        ("auto", (640, 480), ((384, 288), None)),
        ("normal", (1600, 1200), ((384, 288), None)),
    ],
)
def test_the_best_quality_tries_what_auto_does_and_more_pixels_where_that_tries_none(
    quality: Literal["best", "auto", "normal"],
    picture: tuple[int, int],
    sizes: tuple[tuple[int, int], tuple[int, int] | None],
) -> None:
    assert TrainingPictures(Options(quality=quality)).sizes(picture) == sizes


@pytest.mark.parametrize(
    ("of", "why", "text"),
    [
        (judged(151, *NEAR), "many", "of more than 150 pictures none is tried"),
        (
            judged(20, 9.0, 9.1, 9.2, 9.3, 9.4, 9.5),
            "sure",
            "hardly a verdict on other pictures is expected to be wrong",
        ),
        (judged(7, 3.0, 3.5), "few", "it takes 8 different good parts"),
    ],
)
def test_why_none_was_tried_is_said_too(of: Fake, why: str, text: str) -> None:
    good = {"many": 151, "sure": 20, "few": 7}[why]
    anomalous = np.arange(len(of.head.out_of_fold)) >= good
    found = why_untried(of.head, anomalous, ())
    assert found == why
    said = describe_untried(found, (640, 480), (384, 288))
    assert said.text.startswith("the usual input of 384x288 was kept for pictures of 640x480: ") and text in said.text
    assert choose_larger(of, anomalous, lambda: of, lambda on: SEEN) == (of, None)


@pytest.mark.parametrize(
    ("options", "said", "good", "masks", "tried"),
    [
        (Options(), None, 20, False, ""),
        (Options(quality="normal"), None, 151, False, "many"),
        (Options(), None, 7, False, "few"),
        (Options(), None, 7, True, ""),
        (Options(input_size=(64, 64)), None, 20, False, "given"),
        (Options(), "refused_though_seen", 20, False, "refused"),
        (Options(), "chosen_both", 20, False, "chosen"),
        (Options(quality="best"), "untried_sure", 20, False, "sure"),
        (Options(quality="best"), "untried_masks", 20, True, "masks"),
    ],
)
def test_advice_knows_what_became_of_a_larger_input(
    options: Options, said: str | None, good: int, masks: bool, tried: str
) -> None:
    of = judged(good, 3.0, 3.5)
    anomalous = np.arange(good + 2) >= good
    sentence = Sentence("", said) if said else None
    assert what_was_tried(sentence, of.head, anomalous, (), options, segmentation=masks) == tried


def test_specks_are_small_and_always_the_same_and_each_where_it_is_looked_for() -> None:
    picture = draw(0, 0)
    once, again, other = add_specks(picture, 1), add_specks(picture, 1), add_specks(picture, 2)
    changed = (once != picture).any(axis=2)
    middles = speck_middles((SIDE, SIDE), 1) * SIDE
    assert len(middles) == 6
    for row, column in middles.round().astype(int):
        assert changed[row - 4 : row + 4, column - 4 : column + 4].any()
        changed[row - 4 : row + 4, column - 4 : column + 4] = False
    assert not changed.any()
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_specks_are_seen_where_they_are_and_not_where_there_are_none() -> None:
    good = [draw(number, 0) for number in range(8)]
    extract = Extractor(416, 416, source_model(416, 416), threads=1)
    resize = make_resizer((SIDE, SIDE), (416, 416), "area")

    def look(pictures: list[np.ndarray]) -> Features:
        return extract([resize(ArrayPixels(picture)).copy() for picture in pictures])

    plain, middles = look(good), [speck_middles((SIDE, SIDE), number) for number in range(8)]
    specks = look([add_specks(picture, number) for number, picture in enumerate(good)])
    there = specks_seen(plain, specks, middles, seed=0)
    assert specks_seen(plain, plain, middles, seed=0) == 0.5 < there
    assert specks_seen(plain._replace(half=plain), specks, middles, seed=0) == there, "half the size says nothing"


def test_of_the_pictures_in_full_size_one_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[weakref.ref[np.ndarray]] = []
    held: list[int] = []

    def watched(path: Path, pixel_format: PixelFormat) -> np.ndarray:
        held.append(sum(one() is not None for one in read))
        picture = read_picture(path, pixel_format)
        read.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(resolution, "read_picture", watched)
    build_pictures(tmp_path / "pictures", 0, 0)
    good = read_dataset(tmp_path / "pictures").labelled[:5]
    steps: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    looks = Look(Extractor(64, 64, source_model(64, 64))), Look(Extractor(128, 128, source_model(128, 128)))

    def try_them(looks: tuple[Look, Look]) -> tuple[float, float]:
        return try_specks(good, (SIDE, SIDE), looks, seed=0, progress=lambda done, total: steps.append((done, total)))

    areas = try_them(looks)
    assert all(0 <= area <= 1 for area in areas)
    assert steps == [(number, 5) for number in range(1, 6)]
    assert len(held) == 5 and max(held) <= 1, "the one before, until the next is there"
    small = [resized_pictures(good, look.extract.size) for look in looks]
    known = [Look(look.extract, look.extract(pictures)) for look, pictures in zip(looks, small, strict=True)]
    assert try_them((known[0], known[1])) == areas, "what was seen before need not be seen again"


def test_a_model_of_plain_large_defects_keeps_the_usual_input(tmp_path: Path) -> None:
    trained = build(tmp_path / "pictures", 5, 120, Options())
    assert trained.resolution is None
    assert width(trained) == 320


@pytest.mark.long
def test_small_defects_get_a_larger_input_unless_it_is_chosen_by_hand(tmp_path: Path) -> None:
    trained = build(tmp_path / "pictures", 6, 2, Options())
    assert trained.resolution is not None
    assert trained.resolution.text.startswith("an input of 640x640 was chosen for pictures of 832x832: with it ")
    assert width(trained) == 640
    kept = json.loads((trained.folder / "manifest.json").read_text())["training"]["resolution"]
    assert kept == trained.resolution.named()
    pinned = build(tmp_path / "pictures", 6, 2, Options(quality="normal"))
    assert pinned.resolution is None
    assert width(pinned) == 320
