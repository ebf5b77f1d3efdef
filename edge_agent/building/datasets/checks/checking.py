"""Reading every picture of a dataset once, and saying all that is wrong with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from edge_agent.building.datasets.checks import numbers, together
from edge_agent.building.datasets.checks.looking import look
from edge_agent.building.datasets.checks.report import Report, Seen
from edge_agent.building.datasets.dataset import Dataset, Example
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.datasets.reasons import Reason

_THREADS = 2  # decoding leaves the interpreter's lock


def check_datasets(datasets: Datasets, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Read every labelled picture and mask once, and say what is wrong; `progress` is told how many are done of all."""
    return judge(datasets, look_at(datasets, progress))


def look_at(datasets: Datasets, progress: Callable[[int, int], None]) -> list[list[Seen]]:
    """Read every labelled picture of each part."""
    names = tuple(label.name for label in datasets.labels)
    parts = _parts(datasets)
    total = sum(len(part.labelled) for part in parts)
    done = itertools.count(1)

    def one(example: Example) -> Seen:
        seen = look(example, names)
        progress(next(done), total)
        return seen

    with ThreadPoolExecutor(_THREADS) as pool:
        return [list(pool.map(one, part.labelled)) for part in parts]


def judge(datasets: Datasets, seen: Sequence[Sequence[Seen]]) -> Report:
    """Say what is wrong, given what was seen of each part's labelled pictures."""
    everything = [item for part in seen for item in part]
    reasons: list[Reason] = [reason for part in _parts(datasets) for reason in part.reasons]
    reasons += [item.problem for item in everything if item.problem]
    size, strangers = together.sizes(everything)
    reasons += strangers
    reasons += together.contradictions(everything)
    if len(seen) > 1:
        reasons += together.leaks(seen[0], seen[1])
    reasons += numbers.needed(datasets)
    reasons += _unlabelled(_parts(datasets))
    reasons += together.repeated(seen)
    reasons += numbers.advised(datasets, seen)
    reasons += together.empty_masks(everything)
    return Report(tuple(reasons), size, together.digest(everything), tuple(everything))


def _parts(datasets: Datasets) -> list[Dataset]:
    return [datasets.train, *([datasets.test] if datasets.test else [])]


def _unlabelled(parts: Sequence[Dataset]) -> list[Reason]:
    count = sum(len(part.examples) - len(part.labelled) for part in parts)
    return [Reason("no-label", times=count)] if count else []
