"""Dividing a dataset: the same way for the same seed, and the same share of every label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset, Example
from edge_agent.component.artifacts import digest_file

_DEFAULT_SHARE = 1 / 3


def split(dataset: Dataset, *, seed: int, share: float = _DEFAULT_SHARE) -> tuple[Dataset, Dataset]:
    """Divide the labelled pictures into training and test pictures, `share` of each label going to the test.

    Of two and more pictures of a label each part gets one at least; copies of one file go to the same part.
    """
    rng = np.random.default_rng(seed)
    train: list[Example] = []
    test: list[Example] = []
    for label in (NORMAL, ANOMALY):
        groups: dict[str, list[Example]] = {}
        for example in dataset.of(label):
            groups.setdefault(digest_file(example.path), []).append(example)
        different = list(groups.values())
        order = rng.permutation(len(different))
        count = round(len(different) * share)
        if len(different) > 1:
            count = min(max(count, 1), len(different) - 1)
        test += [example for i in sorted(order[:count]) for example in different[i]]
        train += [example for i in sorted(order[count:]) for example in different[i]]
    # What was noticed while reading is said once, with the first part.
    return dataset._replace(examples=tuple(train)), dataset._replace(examples=tuple(test), reasons=())


def folds(groups: Sequence[int], count: int, *, seed: int, same: Sequence[str] = ()) -> npt.NDArray[np.int64]:
    """Give each picture a fold of 0..count-1, each fold having its share of every group.

    Pictures with the same entry in `same` are one picture and get the same fold.
    """
    rng = np.random.default_rng(seed)
    numbers = np.asarray(groups)
    result = np.zeros(len(numbers), np.int64)
    for group in np.unique(numbers):
        members = rng.permutation(np.flatnonzero(numbers == group))
        result[members] = np.arange(len(members)) % count
    first: dict[str, int] = {}
    for number, key in enumerate(same):
        result[number] = result[first.setdefault(key, number)]
    return result
