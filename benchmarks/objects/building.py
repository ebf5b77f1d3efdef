"""Building a component of chosen pictures as `edge-agent train` does, and measuring it on the others."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.evaluation.inspection import inspect, load_component
from edge_agent.building.evaluation.results import Evaluation, evaluate
from edge_agent.building.training.component import Identity
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.trainer import train

QUIET = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)


class Measured(NamedTuple):
    """One model."""

    evaluation: Evaluation
    seconds: float
    folder: Path


def choose(data: Dataset, normal: int, anomaly: int, seed: int) -> Datasets:
    """Choose pictures to train with; the others are for the test."""
    rng = np.random.default_rng(seed)
    train_part, test_part = [], []
    for label, count in ((NORMAL, normal), (ANOMALY, anomaly)):
        examples = data.of(label)
        order = rng.permutation(len(examples))
        train_part += [examples[i] for i in order[:count]]
        test_part += [examples[i] for i in order[count:]]
    return Datasets(data._replace(examples=tuple(train_part)), data._replace(examples=tuple(test_part)))


def build(parts: Datasets, models: Path, options: Options) -> Measured:
    """Build a model and measure it on the test pictures."""
    assert parts.test is not None
    begun = time.perf_counter()
    trained = train(Datasets(parts.train, None), models, Identity("model", "1.0.0"), options, QUIET)
    seconds = time.perf_counter() - begun
    component = load_component(trained.folder)
    found = evaluate(inspect(component, parts.test, lambda *_: None, lambda *_: None))
    return Measured(found, seconds, trained.folder)
