"""Running a component over a dataset: the same path from pixels to verdict as in the agent, without the agent."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_agent.building.counting import Progress
from edge_agent.building.datasets.dataset import ANOMALY, Dataset, Example, parse_color
from edge_agent.building.datasets.masks import fitted_classes
from edge_agent.building.evaluation.metrics import Confusion
from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.component.misnamed import describe_misnamed
from edge_agent.errors import ComponentError, DatasetError
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.appearance import Look, look_at
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.verdict import Verdict


class Component(NamedTuple):
    """A component that is loaded."""

    folder: Path
    manifest: Manifest
    pipeline: HostPipeline


class Inspected(NamedTuple):
    """What the model said of one picture, and what is true."""

    example: Example
    verdict: Verdict
    #: pixels of each of the model's labels, background left out, by name; only where there is a true mask
    pixels: dict[str, Confusion] | None
    look: Look

    @property
    def is_right(self) -> bool:
        """Tell whether the verdict is the label."""
        return self.verdict.is_anomalous == (self.example.label == ANOMALY)


class Inspections(NamedTuple):
    """Every labelled picture's result, and how long one took, in seconds (the median, preparation included)."""

    component: Component
    items: tuple[Inspected, ...]
    seconds: float


#: told of each picture, its mask [height, width, 3] if the model makes one, and the true classes [height, width]
Watcher = Callable[[Inspected, U8, "U8 | None", "U8 | None"], None]


def load_component(folder: Path, *, threads: int = 0) -> Component:
    """Load a component from its folder.

    Raises:
        ComponentError: it can't be served; the text says why.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise ComponentError(describe_misnamed(folder))
    manifest = decode_manifest(path.read_bytes(), source=str(path))
    check_artifacts(folder, manifest)
    engine = load_on_processor(folder / manifest.model, threads)
    return Component(folder, manifest, HostPipeline(manifest, engine))


def inspect(component: Component, dataset: Dataset, watch: Watcher, progress: Progress) -> Inspections:
    """Run the model on every labelled picture.

    Raises:
        DatasetError: there is none, one has another size than the model's, or a mask can't be used.
        InvalidRequest: a picture can't be read.
    """
    examples = dataset.labelled
    if not examples:
        raise DatasetError(f"{dataset.source} has no labelled picture to measure with")
    names = tuple(label.name for label in component.manifest.labels[1:])
    shown = tuple(label.name for label in dataset.labels)
    if names == (ANOMALY,):  # it tells where something is, not what
        shown = shown and names
    if names and not set(shown) <= set(names):
        raise DatasetError(f"the model has the labels {', '.join(names)}, the pictures show {', '.join(shown)}")
    truth = _Truth(names, tuple(label.name for label in dataset.labels))
    found, times = [], []
    for number, example in enumerate(examples, start=1):
        item, seconds = _inspect_one(component, example, truth, watch)
        found.append(item)
        times.append(seconds)
        progress(number, len(examples))
    return Inspections(component, tuple(found), statistics.median(times))


def _inspect_one(component: Component, example: Example, known: _Truth, watch: Watcher) -> tuple[Inspected, float]:
    image = component.manifest.image
    picture = np.ascontiguousarray(read_picture(example.path, example.pixel_format))
    height, width, _ = picture.shape
    if (width, height) != (image.width, image.height):
        raise DatasetError(
            f"{example.path} is {width}x{height}, model '{component.manifest.name}' was trained on "
            f"{image.width}x{image.height}"
        )
    begun = time.perf_counter()
    inspection = component.pipeline.run(ArrayPixels(picture))
    seconds = time.perf_counter() - begun
    mask = None
    if inspection.mask is not None:
        mask = np.frombuffer(b"".join(inspection.mask), np.uint8).reshape(height, width, 3)
    truth = known.classes(example, (height, width)) if known.labels else None
    pixels = None
    if mask is not None and truth is not None:
        pixels = _count(component.manifest, mask, truth)
    item = Inspected(example, inspection.verdict, pixels, look_at(ArrayPixels(picture), width, height))
    watch(item, picture, mask, truth)
    return item, seconds


class _Truth(NamedTuple):
    """What the masks say, in the model's labels."""

    labels: tuple[str, ...]
    shown: tuple[str, ...]

    def classes(self, example: Example, shape: tuple[int, int]) -> U8 | None:
        """Give classes [height, width]: nothing on a normal picture, None for an anomalous one that has no mask."""
        if example.mask is None:
            return None if example.label == ANOMALY else np.zeros(shape, np.uint8)
        classes = fitted_classes(example.mask, self.shown, shape)
        if self.labels == (ANOMALY,):
            return (classes > 0).view(np.uint8)
        numbers = [0, *(self.labels.index(name) + 1 for name in self.shown)]
        return np.array(numbers, np.uint8)[classes]


def _count(manifest: Manifest, mask: U8, truth: U8) -> dict[str, Confusion]:
    counts = {}
    for number, label in enumerate(manifest.labels[1:], start=1):
        said = (mask == np.array(parse_color(label.color), np.uint8)).all(axis=2)
        true = truth == number
        both = int((said & true).sum())
        counts[label.name] = Confusion(both, int(said.sum()) - both, 0, int(true.sum()) - both)
    return counts
