"""Going on without what is broken: the rest of a dataset, and what of it is left out."""

from __future__ import annotations

from collections.abc import Iterable

from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset, Example
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.datasets.reasons import Place, Reason


def without_broken(datasets: Datasets, report: Report) -> Datasets:
    """Give the datasets without the lines and pictures that a report calls broken; a note says how many and which."""
    broken = [reason for reason in report.reasons if reason.weight == "broken"]
    places = {_key(place): place for reason in broken for place in reason.places}
    test = datasets.test and _without(datasets.test, places.keys())
    train = _without(datasets.train, places.keys())
    if not places:
        return Datasets(train, test)
    found = tuple(places.values())
    said = [Reason("left-out", places=found, times=len(found))]
    # A fault says which label its picture had; what is left has to have both sides still.
    had = {example.label for example in datasets.train.examples} | {reason.facts.get("label") for reason in broken}
    lost = [label for label in (NORMAL, ANOMALY) if label in had and not train.of(label)]
    if lost:
        said.append(Reason("side-lost-names-none", "problem", facts={"sides": " or ".join(lost)}))
    return Datasets(train._replace(reasons=(*said, *train.reasons)), test)


def _without(dataset: Dataset, places: Iterable[tuple[str, int | None]]) -> Dataset:
    left_out = set(places)
    examples = tuple(example for example in dataset.examples if _key(_place(example)) not in left_out)
    reasons = tuple(reason for reason in dataset.reasons if reason.weight != "broken")
    return dataset._replace(examples=examples, reasons=reasons)


def _place(example: Example) -> Place:
    return Place(example.source, example.number, example.path)


def _key(place: Place) -> tuple[str, int | None]:
    """A line of a manifest, or a file of a folder."""
    return (str(place.path), None) if place.line is None else (str(place.source), place.line)
