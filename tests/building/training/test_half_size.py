"""Models that look at a picture at half the size too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import ModelProto
from PIL import Image

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.datasets.split import folds
from edge_agent.building.training import backbone, fitting, resolution
from edge_agent.building.training import head as verdict
from edge_agent.building.training.assembly import assemble
from edge_agent.building.training.features import Extractor, Features, Joining, input_spec, join, source_model
from edge_agent.building.training.fitting import Fitted
from edge_agent.building.training.head import Head, Wanted, fit_head, tell_less
from edge_agent.building.training.learned import learn
from edge_agent.building.training.marks import SCORE
from edge_agent.building.training.memory import join_places
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.pictures import TrainingPictures
from edge_agent.building.training.place_bank import Moved, lean, move
from edge_agent.building.training.registration_choice import fit_usual
from edge_agent.building.training.threshold import F64, normal_spread
from edge_agent.errors import TrainingError
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer, Tensor
from tests.support.parts import HEIGHT, WIDTH, draw_part
from tests.support.turned import draw_turned

SIZE = (WIDTH, HEIGHT)
HALF = (WIDTH // 2, HEIGHT // 2)


def run(model: ModelProto, picture: U8) -> dict[str, Tensor]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {backbone.INPUT: Normalizer(input_spec(*SIZE))(picture)}), strict=True))


def _plain(number: int, defects: tuple[str, ...] = ()) -> U8:
    """A part of which four pixels are alike, so that half of it loses nothing to rounding."""
    return np.ascontiguousarray(draw_part(number, defects)[0][::2, ::2].repeat(2, axis=0).repeat(2, axis=1))


class _Known(NamedTuple):
    """Twelve good parts and some anomalies, what was seen of them and of moved copies, and a head of both sizes."""

    pictures: list[U8]
    anomalous: npt.NDArray[np.bool_]
    source: Any
    half_source: Any
    features: Features
    moved: Moved
    head: Head


@cache
def _fitted(anomalies: int) -> _Known:
    pictures = [_plain(i) for i in range(12)] + [_plain(100 + i, ("dent",)) for i in range(anomalies)]
    source, half_source = source_model(*SIZE), source_model(*HALF)
    half = Extractor(*HALF, half_source)
    extract = Extractor(*SIZE, source).beside(half)
    features = extract(pictures)
    moved = Moved.join([lean(extract(move(picture))) for picture in pictures[:3]], np.arange(3))
    assert moved is not None
    anomalous = np.arange(len(pictures)) >= 12
    head = _fit(features, anomalous, moved)
    return _Known(pictures, anomalous, source, half_source, features, moved, head)


def _fit(features: Features, anomalous: npt.NDArray[np.bool_], moved: Moved | None) -> Head:
    return fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None, moved=moved)


@pytest.mark.parametrize(("anomalies", "beside"), [(0, 0.0), (8, 0.0), (8, 1.2)])
def test_the_written_model_scores_as_the_head_that_looks_at_both_sizes(anomalies: int, beside: float) -> None:
    pictures, _, source, half_source, features, _, head = _fitted(anomalies)
    assert head.looks_at_half
    head = head._replace(beside=beside)
    model = assemble(head, *SIZE, source, is_marked=True, half_source=half_source)
    for number in (0, len(pictures) - 1):
        outputs = run(model, pictures[number])
        np.testing.assert_allclose(outputs["score"], head.raw_scores(features.of([number])), rtol=2e-3, atol=2e-3)
        assert outputs["marks"].shape == outputs["anomaly_map"].shape == (1, 1, HEIGHT // 4, WIDTH // 4)


def test_both_sizes_share_the_networks_weights() -> None:
    _, _, source, half_source, _, _, head = _fitted(8)
    assert head.looks_at_half
    both = len(assemble(head, *SIZE, source, half_source=half_source).SerializeToString())
    alone = head._replace(fine=head.fine and head.fine._replace(half=None))
    whole = len(assemble(alone, *SIZE, source).SerializeToString())
    assert whole < both < whole + 0.25 * len(source.SerializeToString())


def test_what_is_held_out_is_scored_by_both_sizes() -> None:
    """By the mean of what each says at a place: a head of one size says something else of the same pictures."""
    _, anomalous, _, _, features, moved, head = _fitted(8)
    assert head.fine is not None and head.looks_at_half and features.half is not None
    fold = folds(anomalous.astype(int).tolist(), 10, seed=0)
    whole, half = (
        learn(of, anomalous, fold, 10, seed=0, moved=copies, progress=lambda *_: None).fine.unusual
        for of, copies in ((features._replace(half=None), _whole(moved)), (features.half, moved.half))
    )
    rows, columns = features.grid
    of_half = half.reshape(-1, rows, columns).repeat(2, axis=1).repeat(2, axis=2)
    scores = ((whole.reshape(of_half.shape) + of_half) / 2).max(axis=(1, 2)).astype(np.float64)
    told: list[tuple[int, int]] = []
    found = learn(features, anomalous, fold, 10, seed=0, moved=moved, progress=lambda *done: told.append(done)).scores[
        2
    ]
    assert told == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_allclose(found, scores, rtol=1e-5)
    assert head.fine.scale.spread == normal_spread(found[~anomalous])
    alone = _fit(features._replace(half=None), anomalous, _whole(moved))
    assert alone.fine is not None and not alone.looks_at_half
    assert not np.allclose(alone.out_of_fold, head.out_of_fold)


def _whole(moved: Moved) -> Moved:
    """The same copies without what is seen of them at half the size."""
    return moved._replace(features=moved.features._replace(half=None))


def _blurred(features: Features, rng: np.random.Generator) -> Features:
    """The same pictures, of which nothing is seen at half the size but what is far out anywhere."""
    assert features.half is not None
    noise = (rng.standard_t(1.5, size=features.half.fine.shape) * features.half.fine.std()).astype(np.float32)
    sharp = rng.normal(size=features.half.sharp.shape).astype(np.float32) * features.half.sharp.std()
    return features._replace(half=features.half._replace(fine=noise, sharp=sharp))


@pytest.mark.parametrize("anomalies", [0, 8])
def test_half_the_size_does_not_count_where_defects_are_told_worse_with_it(anomalies: int) -> None:
    """By anomalies that were held out, or by drawn defects where there are none."""
    features = _fitted(8).features
    rng, anomalous = np.random.default_rng(0), np.arange(12 + anomalies) >= 12
    seen, drawn = features.of(slice(12 + anomalies)), features.of(slice(12, None))

    def fit(features: Features, drawn: Features) -> Head:
        return fit_head(
            features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None,
            drawn=None if anomalies else drawn,
        )  # fmt: skip

    assert fit(seen, drawn).looks_at_half
    blind = fit(_blurred(seen, rng), _blurred(drawn, rng))
    alone = fit(seen._replace(half=None), drawn._replace(half=None))
    assert not blind.looks_at_half and blind.fine is not None
    np.testing.assert_array_equal(blind.out_of_fold, alone.out_of_fold)
    assert (blind.threshold, blind.slope, blind.middle) == (alone.threshold, alone.slope, alone.middle)


@pytest.mark.parametrize("whole_reaches_it", [True, False])
@pytest.mark.parametrize("whole_is_better", [True, False])
def test_a_precision_that_one_size_or_both_reach_is_reached(
    monkeypatch: pytest.MonkeyPatch, whole_reaches_it: bool, whole_is_better: bool
) -> None:
    """Whichever of the two tells defects better on the whole."""
    _, anomalous, _, _, features, moved, head = _fitted(8)
    alone = _fit(features._replace(half=None), anomalous, _whole(moved))
    hopeless = (head if whole_reaches_it else alone).out_of_fold[~anomalous].max()

    def threshold(normal: F64, anomalies: F64, precision: float, *, least: float) -> float:
        if normal.max() == hopeless:
            raise TrainingError("a normal one scores highest")
        return least

    monkeypatch.setattr(verdict, "threshold_for_precision", threshold)
    monkeypatch.setattr(verdict, "tell_less", lambda *_: whole_is_better)
    found = fit_head(
        features, anomalous, seed=0, wanted=Wanted(precision=0.9), progress=lambda done, total: None, moved=moved
    )
    expected = alone if whole_reaches_it else head
    assert found.looks_at_half is not whole_reaches_it
    np.testing.assert_array_equal(found.out_of_fold, expected.out_of_fold)
    assert found.middle == expected.middle


def test_a_precision_that_neither_reaches_is_an_error() -> None:
    _, anomalous, _, _, features, _, _ = _fitted(8)
    good = np.flatnonzero(~anomalous)
    # Of good parts, which are called anomalies.
    copies = features.of(np.concatenate([good, good[:8]]))
    with pytest.raises(TrainingError, match="precision"):
        fit_head(copies, anomalous, seed=0, wanted=Wanted(precision=1.0), progress=lambda done, total: None)


@pytest.mark.parametrize("away", [4.0, -4.0])
def test_drawn_defects_may_lose_a_little_of_how_far_off_they_are_on_either_side_of_good_parts(away: float) -> None:
    """Those that nothing sees score below good parts in the mean."""
    good = np.random.default_rng(0).normal(0, 1, 20)
    deviation, none = normal_spread(good).deviation, np.zeros(20, np.bool_)

    def is_lost(further: float) -> bool:
        drawn = np.full(8, good.mean() + away * deviation)
        return tell_less(good, good, none, drawn + further * abs(away) * deviation, drawn)

    assert [is_lost(further) for further in (-0.1, -0.03, 0.0, 0.1)] == [True, False, False, False]


def test_a_fine_place_counts_by_the_mean_of_both_sizes() -> None:
    whole = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 24)
    half = np.array([[0, 10, 20, 30, 40, 50], [1, 1, 1, 1, 1, 1]], np.float32)
    found = join_places(whole, half, (2, 3)).reshape(2, 4, 6)
    assert found[0, 0].tolist() == [0, 0.5, 6, 6.5, 12, 12.5]
    assert found[0, 3, 5] == (23 + 50) / 2
    assert found[1, 0, 0] == (24 + 1) / 2


def test_features_of_both_sizes_stay_together() -> None:
    extract = Extractor(*SIZE, source_model(*SIZE)).beside(Extractor(*HALF, source_model(*HALF)))
    parts = [extract([_plain(number)]) for number in range(3)]
    together, joining = join(parts), Joining(3)
    for number, part in enumerate(parts):
        joining.put(number, part)
    for found in (together, joining.features):
        of = found.of([2])
        assert found.half is not None and of.half is not None and parts[2].half is not None
        assert found.half.grid == (HEIGHT // 32, WIDTH // 32)
        np.testing.assert_array_equal(of.half.fine, parts[2].half.fine)
    assert lean(together).half is not None
    assert together.half is not None
    assert together.nbytes == together._replace(half=None).nbytes + together.half.nbytes
    assert together._replace(half=None).nbytes == sum(of.nbytes for of in together[:4])


def test_pictures_that_were_looked_at_in_both_sizes_are_not_mixed_with_others() -> None:
    """What nobody looked at in half the size would be whatever was in memory."""
    both = _fitted(8).features.of([0])
    for parts in ([both, both._replace(half=None)], [both._replace(half=None), both]):
        with pytest.raises(AssertionError, match="half the size"):
            join(parts)
        joining = Joining(2)
        joining.put(0, parts[0])
        with pytest.raises(AssertionError, match="half the size"):
            joining.put(1, parts[1])


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("turned_by", "shift"), [(0.0, 0.0), (180.0, 0.0), (0.0, 4.0)])
def test_a_larger_input_that_is_taken_sees_parts_in_both_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Literal["fp32", "int8"], turned_by: float, shift: float
) -> None:
    """The written model says of a camera's picture what the trainer's own functions say of it: of parts that are
    registered, and of straight ones, of which the usual input has seen half the size; of those that are laid closer
    half the size is not looked at."""
    rng = np.random.default_rng(3)
    for folder, count, is_bad in (("normal", 12, False), ("anomaly", 6, True)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            across, down = rng.uniform(-shift, shift, 2) if shift else (0.0, 0.0)
            picture, _ = draw_turned(rng, rng.uniform(-turned_by, turned_by), (across, down), is_bad=is_bad)
            large = cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
            Image.fromarray(large).save(tmp_path / folder / f"{number}.png")

    def take_larger(
        usual: Fitted, anomalous: Any, fit_larger: Callable[[], Fitted], *_: Any
    ) -> tuple[Fitted, resolution.Trial]:
        return fit_larger(), resolution.Trial(True, (0.5, 0.9))

    monkeypatch.setattr(fitting, "choose_larger", take_larger)
    monkeypatch.setattr(verdict, "tell_less", lambda *_: False)
    options = Options("classification", precision, quality="auto")
    datasets = read_datasets(tmp_path, None)
    report = check_datasets(datasets, lambda done, total: None)
    pictures, usual, larger = TrainingPictures(options), (192, 192), (384, 384)
    quiet = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)
    examples = datasets.train.labelled
    first, _ = fit_usual(
        datasets, pictures.take(examples, usual), usual, options, quiet, report, segmentation=False, closely=shift > 0
    )
    fitted, _ = fitting.try_larger(first, larger, pictures, datasets, options, quiet, report)
    is_straight = not turned_by and not shift
    assert (fitted.registration is None) == (first.registration is None) == is_straight
    if shift:
        assert not fitted.head.looks_at_half and fitted.features.half is None
    else:
        assert fitted.head.looks_at_half and fitted.features.half is not None
        assert (fitted.half_source is first.source) == is_straight
        assert np.shares_memory(fitted.features.half.fine, first.features.fine) == is_straight
    search = fitted.registration and fitted.registration.search
    model = assemble(fitted.head, *larger, fitted.source, search=search, half_source=fitted.half_source)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    chosen = (examples[0], examples[-1])
    expected = fitting.judge(chosen, fitted, lambda done, total: None)
    assert expected[1] - expected[0] > 1.5
    normalize = Normalizer(input_spec(*larger))
    for picture, score in zip(fitting.resized_pictures(chosen, larger), expected, strict=True):
        (found,) = session.run([SCORE], {backbone.INPUT: normalize(picture)})
        # The trainer rounds pictures that are registered, or halved, to whole numbers, and int8 rounds once more, each
        # processor in its own way: at most a tenth and a fifth of how far both parts lie apart.
        rounded = {"fp32": 0.15, "int8": 0.3}[precision]
        np.testing.assert_allclose(found, score, atol=0.02 if is_straight else rounded)
