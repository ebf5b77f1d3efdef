"""What has to be said beside figures: what they leave out, and what makes them better than a line's will be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.dataset import Dataset
from edge_agent.building.datasets.sentences import sentence
from edge_agent.building.evaluation.inspection import Inspected
from edge_agent.building.evaluation.known import count_known
from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.appearance import Look, compare

#: reasons that say why files or lines are not among the examples at all
_NOT_THERE = ("files-unreadable", "folder-unused", "left-out", "file-no-picture")
#: reasons that say why an example has no label
_NO_LABEL = ("class-", "job-failed", "no-label")


class Circumstances(NamedTuple):
    """How many pictures are in none of the figures, why, and other sentences that belong to the figures."""

    left_out: int = 0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that has to be said."""
        if not self.left_out:
            return self.notes
        pictures = "1 picture is" if self.left_out == 1 else f"{self.left_out} pictures are"
        return (f"{pictures} left out, and in none of these figures", *self.reasons, *self.notes)


def circumstances(manifest: Manifest, dataset: Dataset, report: Report, items: Sequence[Inspected]) -> Circumstances:
    """Say what belongs to the figures of a model on a dataset, of which `report` says what was found in it."""
    unlabelled = len(dataset.examples) - len(dataset.labelled)
    missing = [reason for reason in report.reasons if reason.code in _NOT_THERE]
    why = [reason for reason in report.reasons if reason.code.startswith(_NO_LABEL)] if unlabelled else []
    return Circumstances(
        unlabelled + sum(reason.times for reason in missing),
        tuple(map(sentence, (*missing, *why))),
        (*_unmarked(items), *_known(manifest, report), *_unlike(manifest, [item.look for item in items])),
    )


def _unmarked(items: Sequence[Inspected]) -> list[str]:
    called = sum(item.verdict.is_anomalous for item in items)
    unmarked = sum(item.verdict.is_unmarked for item in items)
    if not unmarked:
        return []
    return [
        f"on {unmarked} of the {called} pictures that are called anomalous nothing is marked: the verdict does not "
        "come from the mask"
    ]


def _known(manifest: Manifest, report: Report) -> list[str]:
    known = count_known(manifest.training, report.seen)
    count = len(report.seen)
    notes = []
    if known.same:
        notes.append(
            f"the model was trained on {known.same} of these {count} pictures; on them its figures say nothing"
        )
    if known.nearly:
        notes.append(
            f"{known.nearly} of these {count} pictures are nearly the same as pictures that the model was trained on"
        )
    return notes


def _unlike(manifest: Manifest, looks: Sequence[Look]) -> list[str]:
    trained = manifest.appearance
    return [unlike.text for unlike in compare(trained, looks)] if trained is not None and looks else []
