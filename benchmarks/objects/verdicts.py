"""Verdicts on many kinds of parts: F1, and whether confidence and out-of-fold figures keep what they promise.

The features of a kind's pictures are extracted once, by the trainer's own functions, and each model is fitted on those
of its training pictures. tests/building/training/test_graph.py holds that the finished ONNX file scores like this.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from benchmarks.objects.canvas import U8
from benchmarks.objects.kinds import ANOMALIES, NORMALS, panels, pictures
from benchmarks.objects.larger_input import (
    Larger,
    fit,
    fit_best,
    larger_of,
    moved_copies,
    pack,
    pack_moved,
    unpack,
    unpack_moved,
)
from benchmarks.objects.lying import PANEL, lie, plain_kind
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reading import read_dataset
from edge_agent.building.evaluation.metrics import classification_metrics, is_anomalous
from edge_agent.building.training.drawn import draw_defect, smaller_by
from edge_agent.building.training.features import Extractor, Features, Quality, choose_input_size, join, source_model
from edge_agent.building.training.head import Head
from edge_agent.building.training.options import Precision
from edge_agent.building.training.place_bank import Moved, lean, move
from edge_agent.building.training.quantization import quantize
from edge_agent.building.training.registration import Registration, lay_all_alike, registration_of
from edge_agent.building.training.registration_choice import Worth, can_tell, choose_good, try_registered
from edge_agent.building.training.resolution import twice
from edge_agent.building.training.shrinking import shrink
from edge_agent.inference.imaging.picture import read_picture

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
#: qualities with which a larger input may be tried
Tried = Literal["auto", "best"]

#: of what is stored: a cache of another method is not read
_CACHE_FORMAT = 8
WAYS = ((20, 10), (20, 2), (20, 0), (60, 30))
#: good and bad pictures that an int8 network is quantised on
_QUANTISED_ON = (20, 10)
_BINS = np.linspace(0.5, 1.0, 11)
_SURE = 0.95
#: of Student's t, two sides, 95 %, by the number of splits
_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}


class Kept(NamedTuple):
    """Of a kind's pictures: the pictures in the input's size [n, rows, columns, 3], features, which are anomalous,
    features of the same with drawn defects, and of moved copies of the good ones; the size of the smaller ones of those
    defects."""

    pictures: U8
    features: Features
    anomalous: Bools
    drawn: Features
    moved: Moved
    smaller: float


class Trial(NamedTuple):
    """One model, measured on the pictures that it was not built of."""

    f1: float
    roc_auc: float
    best_f1: float
    promised_f1: float
    confidence: F64
    right: Bools
    is_larger: bool = False
    is_registered: bool = False


class Summary(NamedTuple):
    """One kind, one number of training pictures: several splits."""

    kind: str
    way: tuple[int, int]
    trials: tuple[Trial, ...]

    @property
    def f1(self) -> float:
        return float(np.mean([trial.f1 for trial in self.trials]))


def features_of(
    kind: str,
    cookies: Path,
    cache: Path | None,
    shares: float = 1.0,
    quality: Quality = "normal",
    precision: Precision = "fp32",
) -> Kept:
    """Extract what a model is fitted on, or take it from the cache.

    A network of int8 is quantised on the kind's first good and bad pictures.
    """
    of = "" if precision == "fp32" else f"-{precision}"
    stored = cache / f"{kind}-{shares:g}-{quality}{of}-{_CACHE_FORMAT}.npz" if cache else None
    if stored and stored.exists():
        with np.load(stored) as found:
            return Kept(
                found["pictures"], unpack(found, "plain"), found["anomalous"], unpack(found, "drawn"),
                unpack_moved(found), float(found["smaller"]),
            )  # fmt: skip
    small: list[U8] = []
    anomalous: list[bool] = []
    smaller = 1.0
    for picture, is_bad in _pictures(kind, cookies, shares):
        height, width = picture.shape[:2]
        smaller = smaller_by((width, height))
        size = choose_input_size(width, height, quality)
        small.append(shrink(picture, size))
        anomalous.append(is_bad)
    kept = _see(small, np.array(anomalous), np.ones(len(small), bool), smaller, precision)
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            stored, **pack(kept.features, "plain"), **pack(kept.drawn, "drawn"), **pack_moved(kept.moved),
            anomalous=kept.anomalous, pictures=kept.pictures, smaller=smaller,
        )  # fmt: skip
    return kept


def _see(small: Sequence[U8], truth: Bools, trained_on: Bools, smaller: float, precision: Precision) -> Kept:
    """Extract what a model may be fitted on that has some of these pictures, of the input's size, for its training."""
    height, width = small[0].shape[:2]
    source = source_model(width, height) if precision == "fp32" else _quantised((width, height), small, truth)
    extract = Extractor(width, height, source, threads=1)
    features = join([extract([picture]) for picture in small])
    # Whose defects are not asked for are not drawn: they would take as long as all else.
    drawn = join(
        [extract([draw_defect(picture, number, smaller)]) if trained_on[number] else features.of(np.array([number]))
         for number, picture in enumerate(small)]
    )  # fmt: skip
    good = np.flatnonzero(~truth & trained_on).tolist()
    moved = moved_copies([lean(extract([copy])) for place in good for copy in move(small[place])], good)
    return Kept(np.stack(small), features, truth, drawn, moved, smaller)


def _quantised(size: tuple[int, int], pictures: Sequence[U8], truth: Bools) -> Any:
    """Quantise the network of a size on a kind's first good and bad pictures."""
    chosen = [*np.flatnonzero(~truth)[: _QUANTISED_ON[0]], *np.flatnonzero(truth)[: _QUANTISED_ON[1]]]
    return quantize(source_model(*size), [pictures[place] for place in chosen], progress=lambda done, total: None)


def larger_than(
    kind: str,
    cookies: Path,
    cache: Path | None,
    kept: Kept,
    shares: float,
    quality: Tried,
    precision: Precision = "fp32",
) -> Larger | None:
    """Extract what decides about the larger input that a quality tries, or take it from the cache."""
    of = f"{quality}{'' if precision == 'fp32' else f'-{precision}'}"
    stored = cache / f"{kind}-{shares:g}-specks-{of}-{_CACHE_FORMAT}.npz" if cache else None
    network = partial(_quantised, truth=kept.anomalous) if precision == "int8" else None
    return larger_of(_pictures(kind, cookies, shares), stored, quality, network)


def in_full_size(kind: str, cookies: Path, shares: float = 1.0) -> Callable[[], Iterable[tuple[U8, bool]]]:
    """Give what gives a kind's pictures as the camera does, and which are bad."""
    return partial(_pictures, kind, cookies, shares)


@lru_cache(maxsize=1)  # to draw them takes longer than to look at them, and six qualities look at the same ones
def _pictures(kind: str, cookies: Path, share: float) -> list[tuple[U8, bool]]:
    plain = plain_kind(kind)
    if plain == "cookies":
        examples = read_dataset(cookies).labelled
        return list(lie(((read_picture(example.path), example.label == ANOMALY) for example in examples), kind))
    counts = {NORMAL: round(NORMALS * share), ANOMALY: round(ANOMALIES * share)}
    drawn = (panels if kind.endswith(PANEL) else pictures)(plain, counts[NORMAL], counts[ANOMALY])
    return list(lie(((picture, bool(defect)) for picture, defect in drawn), kind))


def choose(anomalous: Bools, normal: int, anomaly: int, seed: int) -> Bools:
    """Choose which pictures train; the others are for the test."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(anomalous), bool)
    for of, count in ((~anomalous, normal), (anomalous, anomaly)):
        chosen[rng.permutation(np.flatnonzero(of))[:count]] = True
    return chosen


def measure(
    kept: Kept,
    way: tuple[int, int],
    seed: int,
    larger: Larger | None = None,
    full_size: Callable[[], Iterable[tuple[U8, bool]]] | None = None,
    precision: Precision = "fp32",
    quality: Tried = "auto",
) -> Trial:
    """Fit a model on some pictures, with the larger input where the data ask for it, and judge the others.

    Pictures of parts that turn or shift are registered first, as the good ones that are chosen tell; `full_size` gives
    them as the camera does, for a larger input of these.
    """
    anomalous = kept.anomalous
    chosen = choose(anomalous, *way, seed)
    assert larger is None or full_size, "registered parts are asked for in full size"
    closely = larger is not None and larger.plain.grid == twice(kept.features.grid)
    found_registration = registration_of([*kept.pictures[chosen]], ~anomalous[chosen], closely=closely)
    if found_registration:
        laid = _laid(kept, found_registration, full_size, chosen, seed, precision)
        if laid is None:
            found_registration = None
        else:
            kept = laid
            if larger and full_size:
                network = partial(_quantised, truth=anomalous) if precision == "int8" else None
                larger = larger_of(
                    full_size(), None, quality, network, trained_on=chosen, registration=found_registration
                )
    head, features = fit_best(kept.features, kept.drawn, kept.moved, larger, anomalous, chosen, seed)
    threshold = head.calibrated_threshold
    scores, truth = head.calibrated(head.raw_scores(features.of(~chosen))), anomalous[~chosen]
    found = classification_metrics(scores, truth, threshold)
    called = is_anomalous(scores, threshold)
    best = max(classification_metrics(scores, truth, float(score)).f1 or 0.0 for score in np.unique(scores))
    return Trial(
        f1=found.f1 or 0.0,
        roc_auc=found.roc_auc or 0.0,
        best_f1=best,
        promised_f1=_promised(head, anomalous[chosen], truth),
        confidence=np.where(called, scores, 1 - scores),
        right=called == truth,
        is_larger=larger is not None and features is larger.plain,
        is_registered=found_registration is not None,
    )


def _laid(
    kept: Kept,
    registration: Registration,
    full_size: Callable[[], Iterable[tuple[U8, bool]]] | None,
    chosen: Bools,
    seed: int,
    precision: Precision,
) -> Kept | None:
    """Give what is fitted of registered pictures; None where the trainer would rather judge parts as they lie."""
    anomalous, size = kept.anomalous, (kept.pictures.shape[2], kept.pictures.shape[1])
    if registration.lie_alike:
        return _see(lay_all_alike(registration, size, [*kept.pictures]), anomalous, chosen, kept.smaller, precision)
    full = [picture for picture, _ in full_size()] if full_size else [*kept.pictures]
    train, truth = np.flatnonzero(chosen), anomalous[chosen]
    good = [partial(full.__getitem__, int(place)) for place in train[choose_good(~truth)]]
    extract = Extractor(*size, source_model(*size), threads=1)
    worth = Worth(try_registered(good, extract, registration, seed=seed, progress=lambda done, total: None))
    if not worth.is_seen:
        return None
    laid = _see(lay_all_alike(registration, size, [*kept.pictures]), anomalous, chosen, kept.smaller, precision)
    if can_tell(truth):
        usual, registered = (fit(of.features, of.drawn, of.moved, anomalous, chosen, seed) for of in (kept, laid))
        worth = worth.weigh(usual, registered, truth)
    return laid if worth.is_worth_it else None


def _promised(head: Head, anomalous: Bools, truth: Bools) -> float:
    """Say which F1 out-of-fold recall and false alarms promise where there are as many anomalies as in the test."""
    if not anomalous.any():
        return float("nan")
    called = is_anomalous(head.calibrated(head.out_of_fold), head.calibrated_threshold)
    found = float(called[anomalous].mean()) * int(truth.sum())
    alarms = float(called[~anomalous].mean()) * int((~truth).sum())
    return 2 * found / (found + alarms + int(truth.sum()))


def verdicts(
    kinds: Sequence[str],
    cookies: Path,
    cache: Path | None,
    ways: Sequence[tuple[int, int]] = WAYS,
    seeds: Iterable[int] = range(5),
    share: float = 1.0,
    quality: Quality | Literal["auto"] = "auto",
) -> list[Summary]:
    """Measure, and print a line for each kind and number of pictures as it is done."""
    print(f"{'kind':10} {'trained on':>10} {'mean F1':>8} {'95 % interval':>15} {'worst':>6} {'AUC':>7} "
          f"{'best F1':>8} {'promised':>9}")  # fmt: skip
    summaries = []
    for kind in kinds:
        tried: Tried = "best" if quality == "best" else "auto"
        kept = features_of(kind, cookies, cache, share, "speed" if quality == "speed" else "normal")
        larger = larger_than(kind, cookies, cache, kept, share, tried) if quality in get_args(Tried) else None
        for way in ways:
            if way[0] >= int((~kept.anomalous).sum()) or way[1] >= int(kept.anomalous.sum()):
                continue
            full_size = in_full_size(kind, cookies, share)
            trials = tuple(measure(kept, way, seed, larger, full_size, quality=tried) for seed in seeds)
            summaries.append(Summary(kind, way, trials))
            print(_line(kind, f"{way[0]} + {way[1]}", trials), flush=True)
    return summaries


def _line(name: str, way: str, trials: Sequence[Trial]) -> str:
    f1 = np.array([trial.f1 for trial in trials])
    mean, auc, best, promised = (
        float(np.mean([getattr(trial, key) for trial in trials])) for key in ("f1", "roc_auc", "best_f1", "promised_f1")
    )
    half = _STUDENT.get(len(f1), 2.0) * float(f1.std(ddof=1)) / np.sqrt(len(f1)) if len(f1) > 1 else float("nan")
    interval = f"{max(0.0, mean - half):.3f} to {min(1.0, mean + half):.3f}"
    return (
        f"{name:10} {way:>10} {mean:8.3f} {interval:>15} {f1.min():6.3f} {auc:7.4f} {best:8.3f} "
        + (f"{promised:9.3f}" if way[-2:] != " 0" else f"{'':9}")
        + (f"   larger input: {count}" if (count := sum(trial.is_larger for trial in trials)) else "")
        + (f"   registered: {count}" if (count := sum(trial.is_registered for trial in trials)) else "")
    )  # fmt: skip


def totals(title: str, summaries: Sequence[Summary]) -> None:
    """Print what all kinds have in the mean, the worst, and how honest the confidence is."""
    print(f"\n{title}")
    print(f"{'trained on':>10} {'mean F1':>8} {'worst kind':>18} {'best F1':>8} {'promised - got':>15} {'ECE':>6} "
          f"{'right of those sure':>20}")  # fmt: skip
    ways = list(dict.fromkeys(summary.way for summary in summaries))
    for way in ways:
        of = [summary for summary in summaries if summary.way == way]
        _total(f"{way[0]} + {way[1]}", of, promises=way[1] > 0)
    if len(ways) > 1:
        _total("all", summaries, promises=False)


def _total(name: str, of: Sequence[Summary], *, promises: bool) -> None:
    trials = [trial for summary in of for trial in summary.trials]
    confidence = np.concatenate([trial.confidence for trial in trials])
    right = np.concatenate([trial.right for trial in trials])
    worst = min(of, key=lambda summary: summary.f1)
    sure = confidence >= _SURE
    gap = np.mean([np.mean([trial.promised_f1 - trial.f1 for trial in summary.trials]) for summary in of])
    print(
        f"{name:>10} {np.mean([summary.f1 for summary in of]):8.3f} {f'{worst.f1:.3f} {worst.kind}':>18} "
        f"{np.mean([trial.best_f1 for trial in trials]):8.3f} {f'{gap:+.3f}' if promises else '':>15} "
        f"{calibration_error(confidence, right):6.3f} {f'{right[sure].mean():.3f} of {sure.sum()}':>20}"
    )


def calibration_error(confidence: F64, right: Bools) -> float:
    """Expected calibration error: |mean confidence - share that is right| in ten ranges, weighed by their answers."""
    error = 0.0
    for low, high in itertools.pairwise(_BINS):
        inside = (confidence >= low) & ((confidence < high) | (high == 1.0))
        if inside.any():
            error += abs(float(confidence[inside].sum()) - float(right[inside].sum()))
    return error / len(confidence)
