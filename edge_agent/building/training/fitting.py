"""Fitting the verdict of a dataset's pictures: with the usual input, or a larger one where the data ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Example
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.training.cores import side_by_side
from edge_agent.building.training.drawn import chosen_for_drawing, draw_defect
from edge_agent.building.training.features import Extractor, Features, join, source_model
from edge_agent.building.training.head import Head, fit_head
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.place_bank import Moved, chosen_to_move, move
from edge_agent.building.training.resolution import choose_larger, describe, larger_size, milliseconds, try_specks
from edge_agent.building.training.sentence import Sentence
from edge_agent.building.training.threshold import F64
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer
from edge_agent.inference.imaging.sight import Sight, copy_rows, measure


class Fitted(NamedTuple):
    """A verdict, with what it was fitted on."""

    size: tuple[int, int]
    source: Any
    extract: Extractor
    features: Features
    head: Head
    moved: Moved | None


def fit(
    datasets: Datasets,
    pictures: list[U8],
    size: tuple[int, int],
    options: Options,
    steps: Steps,
    report: Report,
    *,
    segmentation: bool,
) -> Fitted:
    """Fit the verdict of training pictures of the input's size."""
    source = source_model(*size)
    if segmentation:
        source = _with_masks(datasets, pictures, size, options, steps)
    if options.precision == "int8":
        from edge_agent.building.training.quantization import quantize

        with steps.bar("quantising") as progress:
            source = quantize(source, pictures, progress=progress)
    anomalous = np.array([example.label == ANOMALY for example in datasets.train.labelled])
    drawn_on = [] if anomalous.any() else chosen_for_drawing(~anomalous).tolist()
    defects = [draw_defect(pictures[place], number) for number, place in enumerate(drawn_on)]
    to_move = chosen_to_move(~anomalous)
    copies = [copy for place in to_move for copy in move(pictures[place])]
    with steps.bar("looking at pictures") as progress:
        extract = Extractor(*size, source)
        looked = _look(extract, [*pictures, *defects, *copies], progress)
        features = join(list(islice(looked, len(pictures))))
        drawn = join(list(islice(looked, len(defects)))) if defects else None
        moved = Moved.join(looked, to_move)
    with steps.bar("learning the verdict") as progress:
        # Copies of a picture are one picture, or they would be known to a model that should not have seen them.
        same = [seen.digest for seen in report.seen[: len(anomalous)]]
        head = fit_head(
            features, anomalous, seed=options.seed, wanted=options.wanted, progress=progress, same=same, drawn=drawn,
            moved=moved,
        )  # fmt: skip
    return Fitted(size, source, extract, features, head, moved)


def try_larger(
    usual: Fitted,
    datasets: Datasets,
    anomalous: npt.NDArray[np.bool_],
    options: Options,
    steps: Steps,
    report: Report,
) -> tuple[Fitted, Sentence | None]:
    """Fit the verdict with a larger input too where pictures are much larger than the usual one; keep what the data ask
    for, and say why."""
    examples, picture = datasets.train.labelled, report.size
    digests = [seen.digest for seen in report.seen[: len(anomalous)]]
    assert picture is not None
    size = larger_size(picture, usual.size)
    if size is None:
        return usual, None

    def see_specks(good: npt.NDArray[np.intp]) -> tuple[float, float]:
        with steps.bar("trying a larger input") as progress:
            return try_specks(
                [examples[i] for i in good],
                picture,
                (usual.size, size),
                seed=options.seed,
                progress=progress,
                same=[digests[i] for i in good],
            )

    chosen, trial = choose_larger(
        usual, anomalous, lambda: _fit_larger(size, datasets, options, steps, report), see_specks, digests
    )
    if trial is None:
        return usual, None
    times = (milliseconds(usual.extract), milliseconds(chosen.extract)) if trial.is_better else None
    return chosen, describe(trial, picture, (usual.size, size), times)


def _fit_larger(size: tuple[int, int], datasets: Datasets, options: Options, steps: Steps, report: Report) -> Fitted:
    assert report.size is not None
    pictures = resized_pictures(datasets.train.labelled, report.size, size)
    return fit(datasets, pictures, size, options, steps, report, segmentation=False)


def judge(
    examples: tuple[Example, ...], source: tuple[int, int], fitted: Fitted, progress: Callable[[int, int], None]
) -> F64:
    """Score pictures, one after another: together their features could fill the memory."""
    raw = []
    for number, example in enumerate(examples, start=1):
        features = fitted.extract(resized_pictures((example,), source, fitted.size))
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


def resized_pictures(
    examples: tuple[Example, ...],
    source: tuple[int, int],
    target: tuple[int, int],
    on_sight: Callable[[Sight], None] = lambda sight: None,
) -> list[U8]:
    """Shrink the pictures as the agent does; `on_sight` is told how each looks, in their order."""

    def one(example: Example) -> tuple[U8, Sight]:
        pixels = ArrayPixels(np.ascontiguousarray(read_picture(example.path, example.pixel_format)))
        resize = make_resizer(source, target, "area")  # of its own: it keeps a buffer
        return resize(pixels), measure(copy_rows(pixels, *source))

    # Decoding leaves the interpreter's lock.
    looked = side_by_side([partial(one, example) for example in examples])
    for _, sight in looked:
        on_sight(sight)
    return [picture for picture, _ in looked]


def extract_features(extract: Extractor, pictures: list[U8], progress: Callable[[int, int], None]) -> Features:
    return join(list(_look(extract, pictures, progress)))


def _look(extract: Extractor, pictures: list[U8], progress: Callable[[int, int], None]) -> Iterator[Features]:
    for number, picture in enumerate(pictures, start=1):
        yield extract([picture])
        progress(number, len(pictures))
