"""Fitting the verdict of a dataset's pictures: with the usual input, or a larger one where the data ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.building.counting import Progress, count_up
from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Example
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.training.copies import look_at_copies
from edge_agent.building.training.cores import side_by_side
from edge_agent.building.training.drawn import chosen_for_drawing, draw_defect, smaller_by
from edge_agent.building.training.features import Extractor, Features, Joining, source_model
from edge_agent.building.training.head import Head, fit_head
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.pictures import TrainingPictures
from edge_agent.building.training.place_bank import COPIES, Moved, chosen_to_move, lean
from edge_agent.building.training.registration import Registrar, Registration, lay_all_alike
from edge_agent.building.training.registration_search import laid_places
from edge_agent.building.training.resolution import (
    Look,
    choose_larger,
    describe,
    describe_untried,
    try_specks,
    twice,
    why_untried,
)
from edge_agent.building.training.sentence import Sentence
from edge_agent.building.training.shrinking import halve, shrink
from edge_agent.building.training.threshold import F64
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8


class Halves(NamedTuple):
    """Training pictures at half the input's size: what sees them, and what was seen, at least what is `lean`."""

    source: Any
    extract: Extractor
    features: Features
    moved: Moved | None


class Fitted(NamedTuple):
    """A verdict, with what it was fitted on."""

    size: tuple[int, int]
    source: Any
    extract: Extractor
    features: Features
    head: Head
    moved: Moved | None
    registration: Registration | None = None
    #: where the verdict looks at pictures at half the size, too
    half_source: Any = None


class _Looks(NamedTuple):
    """What sees pictures in one size, or in two, and what was seen of those that a verdict is fitted on."""

    extract: Extractor
    features: Features
    moved: Moved | None
    half_source: Any = None


def fit(
    datasets: Datasets,
    pictures: list[U8],
    size: tuple[int, int],
    options: Options,
    steps: Steps,
    report: Report,
    *,
    segmentation: bool,
    seen: Look | None = None,
    registration: Registration | None = None,
    halves: Halves | None = None,
) -> Fitted:
    """Fit the verdict of training pictures of the input's size, which the `registration` has brought to lie alike;
    `seen` is what was seen of them, by a network of fp32 that learns no masks; with `halves` it looks at both sizes
    where that tells defects better."""
    source = source_model(*size)
    if segmentation:
        source = _with_masks(datasets, pictures, size, options, steps)
    if options.precision == "int8":
        source = _quantized(source, pictures, steps)
    anomalous = np.array([example.label == ANOMALY for example in datasets.train.labelled])
    drawn_on = np.zeros(0, np.intp) if anomalous.any() else chosen_for_drawing(~anomalous)
    to_move = chosen_to_move(~anomalous)
    extract = seen.extract if seen else Extractor(*size, source)
    features = seen and seen.plain
    if features is None:
        with steps.bar("looking at pictures") as progress:
            features = extract_features(extract, pictures, progress)
    smaller = smaller_by(report.size or size)
    with steps.bar("looking at changed copies") as progress:
        of_both = extract.beside(halves.extract) if halves else extract
        drawn, moved = _look_further(of_both, extract, source, pictures, drawn_on, to_move, smaller, progress)
    of_one = looks = _Looks(extract, features, moved)
    if halves:
        of_two = features._replace(half=lean(halves.features))
        looks = _Looks(of_both, of_two, moved and moved.beside(halves.moved), halves.source)
    with steps.bar("learning the verdict") as progress:
        # Copies of a picture are one picture, or they would be known to a model that should not have seen them.
        same = [look.digest for look in report.seen[: len(anomalous)]]
        head = fit_head(
            looks.features, anomalous, seed=options.seed, wanted=options.wanted, progress=progress, same=same,
            drawn=drawn, moved=looks.moved,
        )  # fmt: skip
    if not head.looks_at_half:
        looks = of_one
    return Fitted(
        size, source, looks.extract, looks.features, head, looks.moved, registration, looks.half_source
    )  # fmt: skip


def look_at_halves(pictures: list[U8], good: npt.NDArray[np.bool_], options: Options, steps: Steps) -> Halves:
    """Look at training pictures of the input's size at half of it, and at moved copies of the `good` ones."""
    smaller = [halve(picture) for picture in pictures]
    size = smaller[0].shape[1], smaller[0].shape[0]
    source = source_model(*size)
    if options.precision == "int8":
        source = _quantized(source, smaller, steps)
    extract = Extractor(*size, source)
    to_move = chosen_to_move(good)
    with steps.bar("looking at pictures") as progress:
        features = extract_features(extract, smaller, progress)
    with steps.bar("looking at changed copies") as progress:
        _, moved = _look_further(extract, extract, source, smaller, np.zeros(0, np.intp), to_move, 1.0, progress)
    return Halves(source, extract, lean(features), moved)


def _quantized(source: Any, pictures: list[U8], steps: Steps) -> Any:
    from edge_agent.building.training.quantization import quantize

    with steps.bar("quantising") as progress:
        return quantize(source, pictures, progress=progress)


def try_larger(
    usual: Fitted,
    size: tuple[int, int],
    pictures: TrainingPictures,
    datasets: Datasets,
    options: Options,
    steps: Steps,
    report: Report,
) -> tuple[Fitted, Sentence | None]:
    """Fit the verdict with a larger input of `size` too; keep what the data ask for, and say why."""
    examples, picture = datasets.train.labelled, report.size
    digests = [seen.digest for seen in report.seen[: len(examples)]]
    assert picture is not None
    anomalous = np.array([example.label == ANOMALY for example in examples])
    larger_steps = steps.of("larger input")
    is_plain = options.precision == "fp32"

    @cache
    def shrunk() -> list[U8]:
        taken = pictures.take(examples, size)
        if usual.registration is None:
            return taken
        with larger_steps.bar("laying parts alike") as progress:
            return lay_all_alike(usual.registration, size, taken, progress)

    @cache
    def look() -> Look:
        extract = Extractor(*size, source_model(*size))
        with larger_steps.bar("looking at pictures") as progress:
            return Look(extract, extract_features(extract, shrunk(), progress))

    def fit_larger() -> Fitted:
        pictures.forget_full()
        # A network of int8 sees them otherwise.
        seen = look() if is_plain else None
        halves: Halves | None = Halves(usual.source, usual.extract, usual.features, usual.moved)
        if size != twice(usual.size) or (usual.registration and usual.registration.lie_alike):
            # Where parts lie as closely as can be, half the size has nothing to add.
            halves = None
        elif usual.registration:
            # What is seen at half the size is what was laid alike at the whole.
            halves = look_at_halves(shrunk(), ~anomalous, options, steps.of("half of the larger input"))
        return fit(
            datasets, shrunk(), size, options, larger_steps, report, segmentation=False, seen=seen,
            registration=usual.registration, halves=halves,
        )  # fmt: skip

    def see_specks(good: npt.NDArray[np.intp]) -> tuple[float, float]:
        pictures.forget_full(but=[examples[i] for i in good])
        extract = usual.extract if is_plain else Extractor(*usual.size, source_model(*usual.size))
        larger = look()
        looks = (Look(extract, usual.features, good) if is_plain else Look(extract)), larger._replace(some=good)
        find = None
        if usual.registration:
            search = usual.registration.search
            looks = (
                looks[0]._replace(lay=Registrar(search, *usual.size)),
                looks[1]._replace(lay=Registrar(search, *size)),
            )
            find = partial(laid_places, search)
        with steps.bar("trying a larger input") as progress:
            return try_specks(
                [examples[i] for i in good],
                picture,
                looks,
                seed=options.seed,
                progress=progress,
                find=find,
                read=pictures.read,
            )

    chosen, trial = choose_larger(usual, anomalous, fit_larger, see_specks, digests)
    usual.extract.rest()
    if trial is None:
        why = why_untried(usual.head, anomalous, digests) if options.quality == "best" else None
        return usual, describe_untried(why, picture, usual.size) if why else None
    times = (usual.extract.milliseconds, chosen.extract.milliseconds) if trial.is_better else None
    return chosen, describe(trial, picture, (usual.size, size), times, looks_at_half=chosen.head.looks_at_half)


def judge(examples: tuple[Example, ...], fitted: Fitted, progress: Progress) -> F64:
    """Score pictures, one after another: together their features could fill the memory."""
    raw = []
    lay = Registrar(fitted.registration.search, *fitted.size) if fitted.registration else None
    for number, example in enumerate(examples, start=1):
        pictures = resized_pictures((example,), fitted.size)
        features = fitted.extract([*map(lay, pictures)] if lay else pictures)
        raw.append(fitted.head.raw_scores(features))
        progress(number, len(examples))
    return np.concatenate(raw)


def _with_masks(datasets: Datasets, pictures: list[U8], size: tuple[int, int], options: Options, steps: Steps) -> Any:
    """Learn the masks of the pictures that have some; return the source with them in it."""
    from edge_agent.building.training.segmentation.learning import STEPS, Labelled, learn

    names = tuple(label.name for label in datasets.labels)
    chosen: list[U8] = []
    classes: list[U8] = []
    for example, picture in zip(datasets.train.labelled, pictures, strict=True):
        if example.label == NORMAL:
            chosen.append(picture)
            classes.append(np.zeros(size[::-1], np.uint8))
        elif example.mask is not None:
            found = read_mask(example.mask, names).classes
            if found.any():
                chosen.append(picture)
                classes.append(_shrink_classes(found, size, len(names)))
    with steps.bar("learning the masks") as progress:
        network = learn(
            Labelled(chosen, classes),
            len(names) + 1,
            seed=options.seed,
            steps=options.steps or STEPS,
            progress=progress,
        )
    return source_model(*size, network.add_to, len(names) + 1)


def _shrink_classes(classes: U8, target: tuple[int, int], labels: int) -> U8:
    """Shrink a map of classes: the label that covers most of a pixel's area wins."""
    if labels == 1:
        return np.asarray(cv2.resize(classes * np.uint8(255), target, interpolation=cv2.INTER_AREA) >= 128).view(
            np.uint8
        )
    shares = [
        cv2.resize((classes == label).astype(np.float32), target, interpolation=cv2.INTER_AREA)
        for label in range(labels + 1)
    ]
    return np.asarray(np.stack(shares).argmax(axis=0), np.uint8)


def resized_pictures(examples: Sequence[Example], target: tuple[int, int]) -> list[U8]:
    """Shrink pictures as the agent does."""

    def one(example: Example) -> U8:
        return shrink(read_picture(example.path, example.pixel_format), target)

    # Decoding leaves the interpreter's lock.
    return side_by_side([partial(one, example) for example in examples])


def extract_features(extract: Extractor, pictures: list[U8], progress: Progress) -> Features:
    """Extract the features of pictures of the input's size; `progress` is told how many are done of all."""
    found = Joining(len(pictures))
    one_more = count_up(progress, len(pictures))
    _look([_Asked(found, number, partial(extract, [picture])) for number, picture in enumerate(pictures)], one_more)
    return found.features


def _look_further(
    see_drawn: Extractor,
    extract: Extractor,
    source: Any,
    pictures: list[U8],
    drawn_on: npt.NDArray[np.intp],
    to_move: npt.NDArray[np.intp],
    smaller: float,
    progress: Progress,
) -> tuple[Features | None, Moved | None]:
    """Look at some pictures with drawn defects, some of them `smaller`, and at moved copies of some, which are made one
    by one. What looks rests then."""

    def drawn(place: int, number: int) -> Features:
        return see_drawn([draw_defect(pictures[place], number, smaller)])

    defects, copies = Joining(len(drawn_on)), Joining(COPIES * len(to_move))
    one_more = count_up(progress, len(drawn_on) + len(to_move))
    _look(
        [_Asked(defects, number, partial(drawn, place, number)) for number, place in enumerate(drawn_on.tolist())],
        one_more,
    )
    see_drawn.rest()
    extract.rest()
    see = look_at_copies(extract, source)
    _look(
        [_Asked(copies, COPIES * n, partial(see, pictures[place])) for n, place in enumerate(to_move.tolist())],
        one_more,
    )
    extract.rest()
    return (
        defects.features if len(drawn_on) else None,
        Moved.join([copies.features], to_move) if len(to_move) else None,
    )


class _Asked(NamedTuple):
    """What gives the features of some pictures, and where they belong."""

    joining: Joining
    first: int
    look: Callable[[], Features]


def _look(asked: Sequence[_Asked], one_more: Callable[[], None]) -> None:
    """Look at pictures side by side."""

    def one(joining: Joining, first: int, look: Callable[[], Features]) -> None:
        joining.put(first, look())
        one_more()

    side_by_side([partial(one, *each) for each in asked])
