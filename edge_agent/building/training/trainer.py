"""From datasets to a component: the steps of `edge-agent train`, in order."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.checks.report import Report, require
from edge_agent.building.datasets.dataset import ANOMALY, PALETTE, LabelColor
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.evaluation.known import remember
from edge_agent.building.evaluation.metrics import classification_metrics, intervals
from edge_agent.building.training.advice import View
from edge_agent.building.training.assembly import assemble
from edge_agent.building.training.component import Identity, Made, Samples, choose_samples, judge_samples, write
from edge_agent.building.training.cores import meanwhile
from edge_agent.building.training.features import CLASS_SCORES, class_scores_shape
from edge_agent.building.training.fitting import judge, try_larger
from edge_agent.building.training.head import Head
from edge_agent.building.training.marks import MARKS
from edge_agent.building.training.options import Options, Steps, Task
from edge_agent.building.training.outlook import Outlook, look_ahead
from edge_agent.building.training.pictures import Size, TrainingPictures
from edge_agent.building.training.registration import Registration, describe
from edge_agent.building.training.registration_choice import fit_usual
from edge_agent.building.training.resolution import MOST_PICTURES, describe_untried, why_untried
from edge_agent.building.training.sentence import Sentence
from edge_agent.building.training.threshold import F64
from edge_agent.component.manifest import MaskOutput
from edge_agent.errors import TrainingError
from edge_agent.inference.imaging.appearance import summarize
from edge_agent.inference.imaging.sight import summarize_sharpness
from edge_agent.records.store.bins import score_bin
from edge_agent.records.store.schema import SCORE_BINS

_GET_TORCH = "install edge-agent with its extra [segmentation] (docs/training.md says how to get the small build)"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch")


class Trained(NamedTuple):
    """A component, how good it is on pictures that were held out in turn, and why its input has another size than usual
    or was tried with it."""

    folder: Path
    report: Report
    figures: dict[str, Any]
    outlook: Outlook
    resolution: Sentence | None = None
    #: how parts lie, where they don't lie alike, and what is done about it, or why nothing is
    registration: Sentence | None = None


def train(
    datasets: Datasets,
    models: Path,
    identity: Identity,
    options: Options,
    steps: Steps,
    checked: Report | None = None,
    pictures: TrainingPictures | None = None,
) -> Trained:
    """Check the datasets, build a model of the training pictures, and write the component.

    `checked` is what a check of just these datasets found, so that it need not be made again, and `pictures` what it
    has seen of them for these options.

    Raises:
        DatasetError: the pictures can't be used; every problem is named.
        TrainingError: a package is missing, or the task does not fit the pictures.
        ComponentError: name or version is not allowed.
    """
    begun = time.monotonic()
    pictures = pictures or TrainingPictures(options)
    if checked is None:
        with steps.bar("reading pictures") as progress:
            # Masks matter where they are learned only.
            masks = options.task != "classification" and not options.locate
            checked = check_datasets(datasets, progress, masks=masks, on_picture=pictures.see)
    report = checked
    require(report)
    for warning in report.warnings:
        steps.note(warning)
    picture = report.size
    assert picture is not None
    segmentation = _is_segmentation(options.task, datasets, report, steps, locate=options.locate)
    examples = datasets.train.labelled
    anomalous = np.array([example.label == ANOMALY for example in examples])
    usual, larger, resolution = _inputs(pictures, picture, options, len(examples), segmentation=segmentation)
    pictures.keep(examples, (usual, larger) if larger else (usual,))
    shrunk = pictures.take(examples, usual)
    fitted, lies = fit_usual(
        datasets, shrunk, usual, options, steps, report, segmentation=segmentation,
        closely=pictures.is_large(picture) and not segmentation,
    )  # fmt: skip
    registration = fitted.registration
    sights = pictures.sights(examples)
    if larger:
        fitted, resolution = try_larger(fitted, larger, pictures, datasets, options, steps, report)
    pictures.keep((), ())
    size, source, _, features, head, moved, _, half_source = fitted
    if registration:
        lies = describe(registration, size)
    held_out = head.calibrated(head.out_of_fold)
    digests = [seen.digest for seen in report.seen[: len(examples)]]
    tried = what_was_tried(resolution, head, anomalous, digests, options, segmentation=segmentation)
    labels, mask = _mask_output(datasets, head, segmentation=segmentation, locate=options.locate)

    def finish() -> tuple[Made, Samples]:
        made = Made(
            graph=_graph(
                head,
                size,
                source,
                len(datasets.labels) if segmentation else 0,
                registration,
                is_marked=options.locate,
                half_source=half_source,
            ),
            head=head,
            image_size=picture,
            input_size=size,
            labels=labels,
            mask=mask,
            precision=options.precision,
            training={},
        )
        chosen = choose_samples(examples, held_out.tolist(), head.calibrated_threshold)
        return made, judge_samples(identity, made, chosen)

    # Both take seconds with a larger input, and neither uses both cores all the time.
    with meanwhile(finish) as finished:
        outlook = look_ahead(
            head, features, anomalous, examples, report.seen[: len(examples)], seed=options.seed,
            wanted=options.wanted, moved=moved,
            view=View(picture, size, tried=tried, quality=options.quality, masks=segmentation),
        )  # fmt: skip
        made, samples = finished()
    figures = {"out_of_fold": _figures(head, held_out, anomalous)}
    between = {"out_of_fold": _intervals(head, held_out, anomalous)}
    if datasets.test:
        with steps.bar("looking at test pictures") as progress:
            judged = head.calibrated(judge(datasets.test.labelled, fitted, progress))
        truth = np.array([example.label == ANOMALY for example in datasets.test.labelled])
        figures["test"] = _figures(head, judged, truth)
        between["test"] = _intervals(head, judged, truth)
    training = {
        "dataset": {
            "sha256": report.digest,
            "normal": int((~anomalous).sum()),
            "anomaly": int(anomalous.sum()),
            "source": datasets.train.source.name,
            **remember(report.seen[: len(examples)]),
        },
        "pixel_format": examples[0].pixel_format._asdict(),
        "seed": options.seed,
        "precision": options.precision,
        "quality": options.quality,
        **({"resolution": resolution.named()} if resolution else {}),
        **({"registration": lies.named()} if lies else {}),
        "libraries": _versions(),
        "backbone": "EfficientNet-Lite0",
        "figures": figures,
        "intervals": between,
        "outlook": msgspec.to_builtins(outlook.named()),
        "appearance": msgspec.to_builtins(summarize([sight.look for sight in sights])),
        "sharpness": msgspec.to_builtins(summarize_sharpness(sights)),
        "scores": {"normal": _histogram(held_out[~anomalous])},
        "seconds": round(time.monotonic() - begun, 1),
    }
    folder = write(models, identity, made._replace(training=training), samples)
    return Trained(folder, report, figures, outlook, resolution, lies)


def _is_segmentation(task: Task, datasets: Datasets, report: Report, steps: Steps, *, locate: bool) -> bool:
    # The training pictures come first; masks that only test pictures have are nothing to learn from.
    masked = any(seen.areas for seen in report.seen[: len(datasets.train.labelled)])
    if locate and task == "auto" and any(example.mask for example in datasets.train.labelled):
        steps.note("there are masks; with --locate they are not learned, and the model knows one label, 'anomaly'")
    if task == "classification" or locate or (task == "auto" and not masked):
        return False
    if not masked:
        raise TrainingError(f"{datasets.train.source} has no masks that mark anything, expected some for segmentation")
    if importlib.util.find_spec("torch") is None:
        if task == "segmentation":
            raise TrainingError(f"a segmentation model needs the package 'torch'; {_GET_TORCH}")
        steps.note(f"there are masks, but without the package 'torch' only the verdict is learned; {_GET_TORCH}")
        return False
    return True


def _inputs(
    pictures: TrainingPictures, picture: Size, options: Options, count: int, *, segmentation: bool
) -> tuple[Size, Size | None, Sentence | None]:
    """Give the model's input for so many pictures of a size, and the larger one that is tried beside it; say why none
    is where the best quality was asked for."""
    usual, larger = pictures.sizes(picture)
    if larger and not segmentation and count <= MOST_PICTURES:
        return usual, larger, None
    if options.quality != "best":
        return usual, None, None
    if segmentation:
        # A mask is finer with more pixels, which verdicts say nothing of.
        if with_masks := pictures.size_with_masks(picture):
            return with_masks, None, describe_untried("masks", picture, with_masks)
        return usual, None, describe_untried("size", picture, usual)
    return usual, None, describe_untried("many" if larger else "size", picture, usual)


def what_was_tried(
    resolution: Sentence | None,
    head: Head,
    anomalous: npt.NDArray[np.bool_],
    digests: Sequence[str],
    options: Options,
    *,
    segmentation: bool,
) -> str:
    """Tell advice what became of a larger input, or would with another quality."""
    if options.input_size:
        return "given"
    if resolution:
        return resolution.key.removeprefix("untried_").partition("_")[0]
    return "" if segmentation else why_untried(head, anomalous, digests) or ""


def _mask_output(
    datasets: Datasets, head: Head, *, segmentation: bool, locate: bool
) -> tuple[tuple[LabelColor, ...], MaskOutput | None]:
    if segmentation:
        return datasets.labels, MaskOutput(name=CLASS_SCORES, kind="class_scores")
    if locate:
        mask = MaskOutput(name=MARKS, kind="anomaly_map", pixel_threshold=1.0)
        return (LabelColor(ANOMALY, PALETTE[0]),), mask
    return (), None


def _graph(
    head: Head,
    size: tuple[int, int],
    source: Any,
    labels: int,
    registration: Registration | None,
    *,
    is_marked: bool,
    half_source: Any,
) -> bytes:
    classes = class_scores_shape(labels + 1, *size) if labels else None
    search = registration.search if registration else None
    model = assemble(head, *size, source, classes, search, is_marked=is_marked, half_source=half_source)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _figures(head: Head, scores: F64, anomalous: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Measure calibrated scores of pictures that the scores' head had not seen."""
    metrics = classification_metrics(scores, anomalous, head.calibrated_threshold)
    return {key: round(value, 4) for key, value in metrics._asdict().items() if _says(key, value, anomalous)}


def _intervals(head: Head, scores: F64, anomalous: npt.NDArray[np.bool_]) -> dict[str, list[float]]:
    """Give the 95 % intervals of the same figures."""
    found = intervals(scores, anomalous, head.calibrated_threshold)
    return {
        key: [round(end, 4) for end in value] for key, value in found._asdict().items() if _says(key, value, anomalous)
    }


def _says(key: str, value: object, anomalous: npt.NDArray[np.bool_]) -> bool:
    """Tell whether a figure says something: without anomalies false alarms alone would make F1 and precision 0."""
    return value is not None and (bool(anomalous.any()) or key not in ("f1", "precision"))


def _histogram(scores: F64) -> list[int]:
    """Count scores, each from a head that had not seen the picture, as records count them."""
    counts = Counter(map(score_bin, scores.tolist()))
    return [counts[part] for part in range(SCORE_BINS)]


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
