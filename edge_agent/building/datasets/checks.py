"""What has to be true of pictures before a model is made of them, after the guide's chapters on datasets and quotas."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset, Example
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import Datasets
from edge_agent.errors import DatasetError, InvalidRequest
from edge_agent.inference.imaging.bitmap import MAX_SIDE, MIN_SIDE
from edge_agent.inference.imaging.picture import read_picture

_THREADS = 2  # decoding leaves the interpreter's lock

_LEAST_NORMAL = 2  # one to learn from and another to see what is ordinary
#: the guide's minimum counts
_SINGLE_NORMAL, _SINGLE_ANOMALY = 20, 10
_SINGLE_PER_LABEL, _SEPARATE_PER_LABEL = 20, 10
_SEPARATE_EACH = 10


class Seen(NamedTuple):
    """One picture after it was read."""

    example: Example
    size: tuple[int, int] | None
    #: SHA-256 of its pixels
    digest: str
    #: pixels of each label, by name
    areas: dict[str, int]
    problem: str | None


class Report(NamedTuple):
    """Problems keep a model from being made; warnings say what to expect of it."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    #: width and height of the pictures
    size: tuple[int, int] | None
    #: SHA-256 of everything that was read: pixels, labels, masks
    digest: str
    seen: tuple[Seen, ...]


def check_datasets(datasets: Datasets, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Read every labelled picture and mask once, and say what is wrong; `progress` is told how many are done of all."""
    names = tuple(label.name for label in datasets.labels)
    parts = [datasets.train, *([datasets.test] if datasets.test else [])]
    total = sum(len(part.labelled) for part in parts)
    done = itertools.count(1)

    def look(example: Example) -> Seen:
        seen = _look(example, names)
        progress(next(done), total)
        return seen

    with ThreadPoolExecutor(_THREADS) as pool:
        seen = [list(pool.map(look, part.labelled)) for part in parts]
    everything = [item for part in seen for item in part]
    problems = [item.problem for item in everything if item.problem]
    size, strangers = _sizes(everything)
    problems += strangers
    problems += _contradictions(everything)
    if len(parts) > 1:
        problems += _leaks(seen[0], seen[1])
    normal = len(datasets.train.of(NORMAL))
    if normal < _LEAST_NORMAL:
        problems.append(f"{datasets.train.source} has {normal} normal pictures, expected {_LEAST_NORMAL} or more")
    if datasets.test and not datasets.test.labelled:
        problems.append(f"test dataset {datasets.test.source} has no labelled picture")
    warnings = [note for part in parts for note in part.notes]
    warnings += _unlabelled(parts)
    warnings += _repeated(seen)
    warnings += _counts(datasets, seen)
    warnings += _empty_masks(everything)
    return Report(tuple(problems), tuple(warnings), size, _digest(everything), tuple(everything))


def require(report: Report) -> None:
    """Refuse a dataset with problems.

    Raises:
        DatasetError: the text names every one, on a line each when there are several.
    """
    if report.problems:
        count = len(report.problems)
        if count == 1:
            raise DatasetError(*report.problems)
        raise DatasetError(f"{count} problems with the pictures:", *(f"  {problem}" for problem in report.problems))


def _look(example: Example, labels: tuple[str, ...]) -> Seen:
    try:
        return _examine(example, labels)
    except (DatasetError, InvalidRequest) as error:
        return Seen(example, None, "", {}, str(error))


def _examine(example: Example, labels: tuple[str, ...]) -> Seen:
    picture = read_picture(example.path)
    height, width, _ = picture.shape
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise DatasetError(
            f"{example.path} is {width}x{height}, expected {MIN_SIDE}x{MIN_SIDE} to {MAX_SIDE}x{MAX_SIDE}"
        )
    digest = hashlib.sha256(f"{width}x{height}".encode() + picture.tobytes()).hexdigest()
    seen = Seen(example, (width, height), digest, {}, None)
    if example.mask is None:
        return seen
    mask = read_mask(example.mask, labels)
    if mask.classes.shape != (height, width):
        found = f"{mask.classes.shape[1]}x{mask.classes.shape[0]}"
        problem = f"mask {example.mask.path} is {found}, its picture {example.path.name} is {width}x{height}"
        return seen._replace(problem=problem)
    if mask.undeclared:
        declared = ", ".join(
            f"{name or 'BACKGROUND'} #{r:02x}{g:02x}{b:02x}" for name, (r, g, b) in example.mask.colors.items()
        )
        problem = f"mask {example.mask.path} has the colours {', '.join(mask.undeclared)}, declared are {declared}"
        return seen._replace(problem=problem)
    counts = np.bincount(mask.classes.reshape(-1), minlength=len(labels) + 1)
    areas = {name: int(counts[i]) for i, name in enumerate(labels, start=1) if counts[i]}
    if areas and example.label == NORMAL:
        return seen._replace(problem=f"{example.path} is labelled normal but its mask shows {', '.join(areas)}")
    return seen._replace(areas=areas)


def _sizes(seen: Sequence[Seen]) -> tuple[tuple[int, int] | None, list[str]]:
    sizes = Counter(item.size for item in seen if item.size)
    if not sizes:
        return None, []
    (common, _), *_others = sizes.most_common()
    return common, [
        f"{item.example.path} is {item.size[0]}x{item.size[1]}, the other pictures are {common[0]}x{common[1]}"
        for item in seen
        if item.size and item.size != common
    ]


def _by_digest(seen: Iterable[Seen]) -> dict[str, list[Seen]]:
    groups: dict[str, list[Seen]] = defaultdict(list)
    for item in seen:
        if item.digest:
            groups[item.digest].append(item)
    return groups


def _contradictions(seen: Sequence[Seen]) -> list[str]:
    problems = []
    for group in _by_digest(seen).values():
        by_label = {item.example.label: item for item in group}
        if len(by_label) > 1:
            first, second = list(by_label.values())[:2]
            problems.append(
                f"{first.example.path} ({first.example.label}) and {second.example.path} ({second.example.label}) are "
                "the same picture"
            )
    return problems


def _leaks(train: Sequence[Seen], test: Sequence[Seen]) -> list[str]:
    known = {item.digest: item for item in train if item.digest}
    return [
        f"test picture {item.example.path} is also a training picture, {known[item.digest].example.path}"
        for item in test
        if item.digest in known
    ]


def _repeated(parts: Sequence[Sequence[Seen]]) -> list[str]:
    extra = [group[1:] for part in parts for group in _by_digest(part).values() if len(group) > 1]
    if not extra:
        return []
    first = extra[0][0].example.path
    return [f"{sum(map(len, extra))} pictures are there twice, such as {first}; that makes the figures look better"]


def _unlabelled(parts: Sequence[Dataset]) -> list[str]:
    count = sum(len(part.examples) - len(part.labelled) for part in parts)
    return [f"{_several(count, 'picture has', 'pictures have')} no label and will not be used"] if count else []


def _counts(datasets: Datasets, seen: Sequence[Sequence[Seen]]) -> list[str]:
    warnings = []
    train, test = datasets.train, datasets.test
    normal, anomalous = len(train.of(NORMAL)), len(train.of(ANOMALY))
    wanted = (_SEPARATE_EACH, 0) if test else (_SINGLE_NORMAL, _SINGLE_ANOMALY)
    if normal < wanted[0]:
        warnings.append(
            f"{_several(normal, 'normal picture', 'normal pictures')}, {wanted[0]} or more are advised: what varies "
            "among good parts and is not in the pictures will be called anomalous"
        )
    if anomalous < wanted[1] or not anomalous:
        effect = (
            "the threshold comes from normal pictures alone, and how many anomalies are found can't be known"
            if not anomalous
            else "the threshold and the confidence are less certain"
        )
        warnings.append(
            f"{_several(anomalous, 'anomalous picture', 'anomalous pictures')}, {max(wanted[1], 1)} or more are "
            f"advised: {effect}"
        )
    if test:
        for label in (NORMAL, ANOMALY):
            count = len(test.of(label))
            if count < _SEPARATE_EACH:
                warnings.append(
                    f"{count} {'normal' if label == NORMAL else 'anomalous'} test pictures, {_SEPARATE_EACH} or more "
                    "are advised: the figures will be coarse"
                )
    per_label = _SEPARATE_PER_LABEL if test else _SINGLE_PER_LABEL
    for part in seen:
        # As in the guide, a picture with several kinds of anomaly does not count towards the minimum of any.
        alone = Counter(next(iter(item.areas)) for item in part if len(item.areas) == 1)
        warnings += [
            f"anomaly label '{label.name}' is alone on {alone[label.name]} pictures, {per_label} or more are advised: "
            "its mask will be less exact"
            for label in datasets.labels
            if alone[label.name] < per_label
        ]
    return warnings


def _empty_masks(seen: Sequence[Seen]) -> list[str]:
    masked = [item for item in seen if item.example.mask and item.example.label == ANOMALY]
    if masked and not any(item.areas for item in seen):
        return [
            f"there are {len(masked)} masks, but none marks a pixel: is black background and white anomaly in them?"
        ]
    if not masked:
        return []
    return [
        f"{item.example.path} is labelled anomaly but no pixel is marked; it counts for the verdict, not for the mask"
        for item in seen
        if item.example.label == ANOMALY and not item.areas and not item.problem
    ]


def _several(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _digest(seen: Sequence[Seen]) -> str:
    lines = sorted(f"{item.digest} {item.example.label} {sorted(item.areas.items())}" for item in seen)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
