"""Reading every picture of a dataset once, and saying all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from edge_agent.building.counting import Progress, count_up
from edge_agent.building.datasets.checks import numbers, together
from edge_agent.building.datasets.checks.depths import depths, mosaics
from edge_agent.building.datasets.checks.looking import look
from edge_agent.building.datasets.checks.report import Report, Seen
from edge_agent.building.datasets.checks.resemblance import resemblances
from edge_agent.building.datasets.checks.shortcuts import shortcuts, transparent
from edge_agent.building.datasets.checks.turning import turned
from edge_agent.building.datasets.dataset import Dataset, Example
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.datasets.reasons import Reason, in_order
from edge_agent.inference.imaging.resize import U8

_THREADS = 2  # decoding leaves the interpreter's lock


def check_datasets(
    datasets: Datasets,
    progress: Progress = lambda done, total: None,
    *,
    masks: bool = True,
    advice: bool = True,
    on_picture: Callable[[Example, U8], None] | None = None,
) -> Report:
    """Read every labelled picture and mask once, and say what is wrong; `progress` is told how many are done of all.

    Without `masks` only the verdict is to be learned, and nothing about masks matters. Without `advice` no model is to
    be made of the pictures, and how many there are does not matter.
    """
    seen = look_at(datasets, progress, masks=masks, on_picture=on_picture)
    return judge(datasets, seen, masks=masks, advice=advice)


def look_at(
    datasets: Datasets,
    progress: Progress,
    *,
    masks: bool = True,
    on_picture: Callable[[Example, U8], None] | None = None,
) -> list[list[Seen]]:
    """Read every labelled picture of each part; `on_picture` is given those for training, from any thread."""
    names = tuple(label.name for label in datasets.labels)
    parts = _parts(datasets)
    total = sum(len(part.labelled) for part in parts)
    one_more = count_up(progress, total)

    def one(is_training: bool, example: Example) -> Seen:
        told = partial(on_picture, example) if on_picture and is_training else None
        seen = look(example, names, masks=masks, on_picture=told)
        one_more()
        return seen

    with ThreadPoolExecutor(_THREADS) as pool:
        return [list(pool.map(partial(one, part is datasets.train), part.labelled)) for part in parts]


def judge(datasets: Datasets, seen: Sequence[Sequence[Seen]], *, masks: bool = True, advice: bool = True) -> Report:
    """Say what is wrong, given what was seen of each part's labelled pictures."""
    everything = [item for part in seen for item in part]
    reasons = _of_reading(_parts(datasets))
    if not masks:
        reasons = [reason for reason in reasons if not reason.code.startswith("mask")]
        if not any(reason.code == "picture-missing" for reason in reasons):
            reasons = [reason for reason in reasons if reason.code != "where-looked"]
    reasons += [item.problem for item in everything if item.problem]
    size, strangers = together.sizes(everything)
    reasons += strangers
    reasons += together.contradictions(everything)
    if len(seen) > 1:
        reasons += together.leaks(seen[0], seen[1])
    reasons += together.repeated(seen)
    reasons += resemblances(seen)
    reasons += depths(everything)
    reasons += mosaics(everything)
    reasons += turned(everything)
    reasons += transparent(everything)
    if advice:
        reasons += shortcuts(seen[0])
    # How many there are is of no interest before it is known what is what.
    if advice and not any(reason.weight == "problem" for reason in reasons):
        reasons += [] if any(reason.stops for reason in reasons) else numbers.needed(datasets, seen[0])
        reasons += numbers.advised(datasets, seen, masks=masks)
    if masks:
        reasons += together.empty_masks(everything)
    return Report(in_order(reasons), size, together.digest(everything), tuple(everything))


def divide(report: Report, datasets: Datasets, *, masks: bool = True) -> Report:
    """Give the report of pictures that were checked as one part, and were divided into those of `datasets` since."""
    seen = {(item.example.path, item.example.number): item for item in report.seen}
    parts = [[seen[example.path, example.number] for example in part.labelled] for part in _parts(datasets)]
    return judge(datasets, parts, masks=masks)


def _of_reading(parts: Sequence[Dataset]) -> list[Reason]:
    """Give what was noticed while reading. A name that one part alone lacks is nothing to speak of."""
    reasons = [reason for part in parts for reason in part.reasons]
    met = Counter((reason.code, reason.value) for reason in reasons)
    return [
        reason
        for reason in reasons
        if not reason.code.endswith("-unused") or met[reason.code, reason.value] == len(parts)
    ]


def _parts(datasets: Datasets) -> list[Dataset]:
    return [datasets.train, *([datasets.test] if datasets.test else [])]
