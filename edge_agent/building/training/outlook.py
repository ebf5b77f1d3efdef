"""What a trainer can say before a line finds out: how far its figures can be trusted, and what would make them better.

All of it comes from the scores of pictures that were held out, from one more look at the bank (how much nearer are good
parts to it when it knows of twice as many), and from models of half of the pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import ANOMALY, Example
from edge_agent.building.evaluation.metrics import classification_metrics, intervals, is_anomalous, wilson
from edge_agent.building.training.advice import Held, View, advise
from edge_agent.building.training.bank import choose_bank, distances, picture_scores
from edge_agent.building.training.cores import one_thread_each, side_by_side
from edge_agent.building.training.features import Features
from edge_agent.building.training.head import Head, Wanted
from edge_agent.building.training.learning_curve import f1_of_half
from edge_agent.building.training.memory import rows
from edge_agent.building.training.place_bank import Moved
from edge_agent.building.training.sentence import Sentence

_HARDEST = 3
_SURE = 0.95  # a picture of at least this confidence is not hard
_LEAST_CURVE = 8  # normal pictures, of which a half is still a bank


class Hard(NamedTuple):
    """A training picture whose verdict, by a model that had not seen it, is wrong or not sure."""

    picture: str
    label: str
    confidence: float
    right: bool


class Outlook(NamedTuple):
    """What to expect of a model."""

    #: 95 % interval of the F1 on pictures of the same kind; None without anomalies
    f1: tuple[float, float] | None
    #: 95 % interval of the share of good parts that will be called anomalous
    false_alarms: tuple[float, float] | None
    hardest: tuple[Hard, ...]
    #: kinds of anomaly, by their labels or folders, that one picture shows
    seen_once: tuple[str, ...]
    #: by which share held out good parts were nearer to a bank of nearly all others than to one of half of them
    nearer: float | None
    #: F1 of models of half of the pictures on the other half, beside the one of nearly all; None with too few
    f1_of_half: float | None
    #: what would help most first
    advice: tuple[Sentence, ...]

    def named(self) -> dict[str, Any]:
        """Give the fields by their names, for programs."""
        return self._asdict() | {
            "hardest": [hard._asdict() for hard in self.hardest],
            "advice": [sentence.named() for sentence in self.advice],
        }


def look_ahead(
    head: Head,
    features: Features,
    anomalous: npt.NDArray[np.bool_],
    examples: Sequence[Example],
    seen: Sequence[Seen],
    *,
    seed: int,
    wanted: Wanted,
    view: View | None = None,
    moved: Moved | None = None,
) -> Outlook:
    """Say what to expect; `examples` and `seen` are the training pictures, in the order of `features`; `view`
    is how the model sees them, without which nothing is said of small defects, and which is the smallest is found."""
    scores, threshold = head.calibrated(head.out_of_fold), head.calibrated_threshold
    called = is_anomalous(scores, threshold)
    f1 = intervals(scores, anomalous, threshold).f1
    confidence = np.where(called, scores, 1 - scores)
    doubt = np.where(called == anomalous, 1 - confidence, confidence)
    hardest = tuple(
        Hard(
            _name(examples[i]), str(examples[i].label), round(float(confidence[i]), 3), bool(called[i] == anomalous[i])
        )
        for i in np.argsort(-doubt, kind="stable")[:_HARDEST]
        if called[i] != anomalous[i] or confidence[i] < _SURE
    )
    once = _seen_once(examples, seen)
    nearer = _nearer(head.whitening(features.sharp[~anomalous]), head, anomalous, seed)
    half = f1_of_half(
        features, anomalous, seed=seed, wanted=wanted, same=[look.digest for look in seen], moved=moved,
        strays=head.strays,
    )  # fmt: skip
    found = classification_metrics(scores, anomalous, threshold)
    advice = advise(
        Held(scores, anomalous, called, threshold, found.roc_auc),
        once,
        nearer,
        None if half is None else (half, found.f1 or 0.0),
        view and view._replace(smallest=_smallest(seen)),
    )
    alarms = wilson(int((called & ~anomalous).sum()), int((~anomalous).sum()))
    return Outlook(f1, alarms, hardest, once, nearer, None if half is None else round(half, 4), advice)


def _smallest(seen: Sequence[Seen]) -> int | None:
    """Give the fewest pixels that a picture has marked of a label; None where none is marked."""
    return min((area for look in seen for area in look.areas.values() if area), default=None)


def _name(example: Example) -> str:
    return "/".join(example.path.parts[-2:])


def _seen_once(examples: Sequence[Example], seen: Sequence[Seen]) -> tuple[str, ...]:
    """Name kinds of anomaly with one picture: of masks' labels, or of folders where anomalies lie in several."""
    anomalies = [(example, look) for example, look in zip(examples, seen, strict=True) if example.label == ANOMALY]
    labels = Counter(label for _, look in anomalies for label, area in look.areas.items() if area)
    if not labels:
        labels = Counter(example.path.parent.name for example, _ in anomalies)
    # One kind alone is not told from others; that there is one anomaly is said anyway.
    return tuple(sorted(name for name, count in labels.items() if count == 1)) if len(labels) > 1 else ()


@one_thread_each()
def _nearer(good: npt.NDArray[np.float32], head: Head, anomalous: npt.NDArray[np.bool_], seed: int) -> float | None:
    """Compare with a bank of half of the normal pictures, by which the other half is judged."""
    if len(good) < _LEAST_CURVE:
        return None

    def judge_others(of: int) -> float:
        kept, held = good[of::2], good[1 - of :: 2]
        return float(picture_scores(distances(held, choose_bank(rows(kept), seed=seed))).mean())

    of_half = np.mean(side_by_side([partial(judge_others, of) for of in (0, 1)]))
    of_nearly_all = float(head.bank_out_of_fold[~anomalous].mean())
    return round(max(0.0, 1 - of_nearly_all / max(float(of_half), 1e-9)), 3)
