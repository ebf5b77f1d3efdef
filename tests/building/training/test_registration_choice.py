"""Parts that could be brought to lie alike are, where more is seen on them then, and not where that costs."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.reading import Datasets, read_datasets
from edge_agent.building.training import registration_choice, trainer
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import Extractor, source_model
from edge_agent.building.training.fitting import Fitted, fit, resized_pictures
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.registration import Registrar, Registration, registration_of
from edge_agent.building.training.registration_choice import (
    Worth,
    describe_refusal,
    fit_usual,
    try_registered,
)
from edge_agent.building.training.registration_search import find_poses, registered_places, see
from edge_agent.building.training.trainer import Trained, train
from edge_agent.errors import TrainingError
from edge_agent.inference.imaging.resize import U8
from tests.support.turned import INPUT, SIDE, draw_many, draw_toothed, write_turned

GOOD = 16


@pytest.mark.parametrize(
    ("specks", "wrong", "is_worth_it"),
    [
        ((0.60, 0.80), None, True),
        ((0.95, 0.95), None, True),  # nothing speaks against it
        ((0.96, 0.93), None, False),
        ((1.0, 0.9993), None, True),  # one pair of 1536
        ((1.0, 0.98), None, False),
        ((0.595, 0.527), None, False),  # nothing is seen any more
        ((0.56, 0.55), None, True),
        ((0.50, 0.50), None, True),  # they say nothing
        ((0.45, 0.46), None, False),
        ((0.80, 0.70), (0.2, 0.1), False),  # of a few anomalies it may be luck
        ((0.60, 0.80), (0.1, 0.1), True),
        ((0.60, 0.80), (0.1, 0.2), False),
        ((0.60, 0.80), (0.0200, 0.0202), True),  # both are printed as 2.0%
        ((0.60, 0.80), (0.0200, 0.0206), False),
    ],
)
def test_nothing_may_speak_against_it(
    specks: tuple[float, float], wrong: tuple[float, float] | None, is_worth_it: bool
) -> None:
    assert Worth(specks, wrong).is_worth_it == is_worth_it


def test_what_is_said_is_what_spoke_against_it() -> None:
    said = [describe_refusal(Worth((0.96, 0.93)), is_imprecise=False)]
    said += [describe_refusal(Worth((0.6, 0.8), (0.1, 0.2)), is_imprecise=of) for of in (False, True)]
    assert [one.key for one in said] == ["refused_specks", "refused_verdicts", "refused_precision"]
    told = "ROC AUC of 0.930 instead of 0.960", "20.0% instead of 10.0% of the verdicts", "precision can't be reached"
    assert all(words in one.text for words, one in zip(told, said, strict=True))
    assert all(value in one.text for one in said for value in one.values.values())


def registration_and(pictures: list[U8]) -> Registration:
    found = registration_of(pictures, np.ones(len(pictures), bool))
    assert found is not None
    return found


def test_a_place_is_known_again_in_the_registered_picture() -> None:
    pictures = draw_many(GOOD, 180, 6)
    registration = registration_and(pictures)
    lay = Registrar(registration.search, SIDE, SIDE)
    for number, picture in enumerate(draw_many(6, 180, 6, seed=9)):
        row, column = np.random.default_rng(number).integers(90, SIDE - 90, 2)
        marked = picture.copy()
        marked[row - 2 : row + 3, column - 2 : column + 3] = 255
        pose = find_poses(registration.search, [see(marked)])[0][0]
        place = np.array([[(row + 0.5) / SIDE, (column + 0.5) / SIDE]], np.float32)
        (found,) = registered_places(place, pose, (SIDE, SIDE)) * SIDE
        there = np.argwhere(lay(marked).min(axis=2) > 230).mean(axis=0) + 0.5
        assert np.hypot(*(there - found)) < 2


def test_on_parts_with_few_marks_more_is_seen_once_they_are_registered() -> None:
    pictures = draw_many(GOOD, 180, 6)
    extract = Extractor(SIDE, SIDE, source_model(SIDE, SIDE))
    done: list[tuple[int, int]] = []
    usual, registered = try_registered(
        [partial(pictures.__getitem__, i) for i in range(GOOD)], extract, registration_and(pictures), seed=0,
        progress=lambda *of: done.append(of),
    )  # fmt: skip
    assert registered > usual
    assert len(done) == GOOD


def build(
    data: Path,
    models: Path,
    notes: list[str],
    bars: list[str] | None = None,
    size: tuple[int, int] | None = INPUT,
) -> Trained:
    def bar(what: str) -> Any:
        if bars is not None:
            bars.append(what)
        return nullcontext(lambda done, total: None)

    steps = Steps(bar, notes.append)
    options = Options(task="classification", input_size=size)
    return train(read_datasets(data), models, Identity("part", "1.0.0"), options, steps)


def write_toothed(root: Path) -> Path:
    rng = np.random.default_rng(0)
    (root / "normal").mkdir(parents=True)
    for number in range(GOOD):
        Image.fromarray(draw_toothed(rng)).save(root / "normal" / f"{number}.png")
    return root


def test_parts_that_are_laid_closer_are_learned_once(tmp_path: Path) -> None:
    """Nothing is compared: only what turns parts, or takes something of them away, has to show that it helps."""
    data, notes = write_turned(tmp_path, normal=GOOD, anomaly=6, angle=1, shift=4), list[str]()
    options, datasets = Options("classification", input_size=INPUT), read_datasets(data, None)
    report = check_datasets(datasets, lambda done, total: None)
    shrunk = resized_pictures(datasets.train.labelled, INPUT)
    steps = Steps(lambda what: nullcontext(lambda done, total: None), notes.append)
    of = datasets, shrunk, INPUT, options, steps, report
    closer, why = fit_usual(*of, segmentation=False, closely=True)
    assert closer.registration is not None and closer.registration.lie_alike
    assert (why, notes) == (None, [])
    assert fit_usual(*of, segmentation=False)[0].registration is None


def test_parts_are_judged_as_they_lie_where_laid_closer_the_wanted_precision_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_turned(tmp_path, normal=GOOD, anomaly=6, angle=1, shift=4)

    def fit_as_they_lie(*of: Any, registration: Registration | None, **how: Any) -> Fitted:
        if registration:
            raise TrainingError("no threshold has a precision of 1")
        return fit(*of, registration=None, **how)

    monkeypatch.setattr(registration_choice, "fit", fit_as_they_lie)
    options, datasets = Options("classification", input_size=INPUT), read_datasets(data, None)
    report = check_datasets(datasets, lambda done, total: None)
    steps = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)
    shrunk = resized_pictures(datasets.train.labelled, INPUT)
    fitted, why = fit_usual(datasets, shrunk, INPUT, options, steps, report, segmentation=False, closely=True)
    assert (fitted.registration, why) == (None, None)


@pytest.mark.parametrize(
    ("picture", "options", "closely"),
    [
        ((1600, 1200), Options(), True),
        ((1600, 1200), Options(quality="best"), True),
        ((1600, 1200), Options(locate=True), True),
        ((640, 480), Options(), False),
        ((640, 480), Options(quality="best"), False),
        ((1600, 1200), Options(quality="normal"), False),
        ((1600, 1200), Options(quality="speed"), False),
        ((1600, 1200), Options(input_size=(384, 288)), False),
    ],
)
def test_parts_are_laid_closer_in_large_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: tuple[int, int], options: Options, closely: bool
) -> None:
    (tmp_path / "normal").mkdir()
    for number in range(3):
        grey = np.full((picture[1], picture[0]), 99 + number, np.uint8)
        Image.fromarray(grey).save(tmp_path / "normal" / f"{number}.png")

    class Asked(Exception):
        pass

    def ask(*of: Any, closely: bool, **how: Any) -> None:
        raise Asked(closely)

    monkeypatch.setattr(trainer, "fit_usual", ask)
    steps = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)
    with pytest.raises(Asked) as asked:
        train(read_datasets(tmp_path), tmp_path / "models", Identity("part", "1.0.0"), options, steps)
    assert asked.value.args == (closely,)


def test_a_disc_that_repeats_itself_is_judged_as_it_lies(tmp_path: Path) -> None:
    data, notes = write_toothed(tmp_path / "toothed"), list[str]()
    registration_and([np.asarray(Image.open(path)) for path in sorted((data / "normal").iterdir())])
    said = build(data, tmp_path, notes, size=None).registration  # in fewer pixels its teeth are not seen
    assert said is not None
    assert said.key == "refused_specks"
    manifest = json.loads((tmp_path / "part" / "1.0.0" / "manifest.json").read_text())
    assert manifest["training"]["registration"] == said.named()


def test_anomalies_that_would_be_missed_speak_against_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, notes, bars = write_turned(tmp_path / "turned", normal=12, anomaly=6), list[str](), list[str]()
    said = build(data, tmp_path / "with", notes, bars).registration
    assert said is not None
    assert said.key == "any_angle"
    assert len(set(bars)) == len(bars), "no step looks as if it began again"
    assert {"learning the verdict, parts as they lie", "learning the verdict, parts laid alike"} < set(bars)
    monkeypatch.setattr(Worth, "weigh", lambda self, usual, registered, anomalous: self._replace(wrong=(0.01, 0.02)))
    said = build(data, tmp_path / "without", notes).registration
    assert said is not None
    assert (said.key, said.values) == ("refused_verdicts", {"usual_wrong": "1.0%", "wrong": "2.0%"})


def test_of_many_pictures_some_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen of all, both ways, is never in memory together."""
    data, notes, fitted = write_turned(tmp_path / "turned", normal=14, anomaly=6), list[str](), list[tuple[int, bool]]()

    def counted(datasets: Datasets, pictures: list[U8], *rest: Any, **named: Any) -> Fitted:
        fitted.append((len(pictures), named["registration"] is not None))
        return fit(datasets, pictures, *rest, **named)

    monkeypatch.setattr(registration_choice, "MOST_PICTURES", 15)
    monkeypatch.setattr(registration_choice, "fit", counted)
    bars = list[str]()
    said = build(data, tmp_path, notes, bars).registration
    assert said is not None
    assert said.key == "any_angle"
    assert len(set(bars)) == len(bars), "no step looks as if it began again"
    assert fitted == [(15, False), (15, True), (20, True)]
    assert sum("learned both ways" in note for note in notes) == 1
