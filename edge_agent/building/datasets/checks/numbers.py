"""How many pictures there are of what, and what to expect of so many: the guide's minimum counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.datasets.reasons import Reason

LEAST_NORMAL = 2  # one to learn from and another to see what is ordinary
#: the guide's minimum counts
_SINGLE_NORMAL, _SINGLE_ANOMALY = 20, 10
_SINGLE_PER_LABEL, _SEPARATE_PER_LABEL = 20, 10
_SEPARATE_EACH = 10


def needed(datasets: Datasets, seen: Sequence[Seen]) -> list[Reason]:
    """Say what is missing for a model; `seen` has the training pictures."""
    reasons = []
    normal = len(datasets.train.of(NORMAL))
    if normal < LEAST_NORMAL:
        facts = {"source": datasets.train.source, "least": LEAST_NORMAL}
        reasons.append(Reason("few-normal", "problem", times=normal, facts=facts))
    # Of copies no model learns what good parts differ by: any other part would be called anomalous.
    elif len({item.digest for item in seen if item.example.label == NORMAL}) < LEAST_NORMAL:
        facts = {"source": datasets.train.source, "least": LEAST_NORMAL}
        reasons.append(Reason("normal-same", "problem", times=normal, facts=facts))
    if datasets.test and not datasets.test.labelled:
        reasons.append(Reason("test-unlabelled", "problem", facts={"source": datasets.test.source}))
    return reasons


def advised(datasets: Datasets, seen: Sequence[Sequence[Seen]], *, masks: bool = True) -> list[Reason]:
    """Say what to expect where there are fewer pictures than advised; `seen` has those of each part."""
    reasons = []
    train, test = datasets.train, datasets.test
    normal, anomalous = len(train.of(NORMAL)), len(train.of(ANOMALY))
    wanted = (_SEPARATE_EACH, 0) if test else (_SINGLE_NORMAL, _SINGLE_ANOMALY)
    if normal < wanted[0]:
        reasons.append(Reason("advise-normal", times=normal, facts={"advised": wanted[0]}))
    if not anomalous:
        reasons.append(Reason("advise-any-anomaly", times=anomalous, facts={"advised": max(wanted[1], 1)}))
    elif anomalous < wanted[1]:
        reasons.append(Reason("advise-anomaly", times=anomalous, facts={"advised": wanted[1]}))
    if test:
        for label, word in ((NORMAL, "normal"), (ANOMALY, "anomalous")):
            count = len(test.of(label))
            if count < _SEPARATE_EACH:
                reasons.append(Reason("advise-test", value=word, times=count, facts={"advised": _SEPARATE_EACH}))
    per_label = _SEPARATE_PER_LABEL if test else _SINGLE_PER_LABEL
    names = ("training ", "test ") if test else ("",)
    for part, name in zip(seen if masks else (), names, strict=False):
        if not any(item.example.label == ANOMALY for item in part):
            continue
        # As in the guide, a picture with several kinds of anomaly does not count towards the minimum of any.
        alone = Counter(next(iter(item.areas)) for item in part if len(item.areas) == 1)
        reasons += [
            Reason("advise-label", "note", label.name, name, times=alone[label.name], facts={"advised": per_label})
            for label in datasets.labels
            if alone[label.name] < per_label
        ]
    return reasons
