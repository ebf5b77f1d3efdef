"""How much better does a model become with more pictures? What half of them give, beside what nearly all do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.split import folds
from edge_agent.building.evaluation.metrics import is_anomalous
from edge_agent.building.training.cores import one_thread_each, side_by_side
from edge_agent.building.training.features import Features
from edge_agent.building.training.head import Head, Wanted, fit_head
from edge_agent.building.training.place_bank import Moved
from edge_agent.errors import TrainingError

#: of which a half is still something to learn from
_LEAST_NORMAL, _LEAST_ANOMALIES = 8, 4
_AT_ONCE = 16  # pictures that are judged
#: bytes of features from which on the halves, which have copies of theirs, are not learned from side by side: together
#: they were what a training of 150 large pictures needed most memory for
_LARGE = 512 << 20
_FOLDS = 5  # in which a half's pictures are held out: twice as many take a second, and say little more


@one_thread_each()
def f1_of_half(
    features: Features,
    anomalous: npt.NDArray[np.bool_],
    *,
    seed: int,
    wanted: Wanted,
    same: Sequence[str] = (),
    moved: Moved | None = None,
    strays: float | None = None,
) -> float | None:
    """Fit a verdict on each half of the pictures and judge the other by it; return the F1 of all these verdicts.

    None where there are too few pictures, or the wanted precision can't be reached with half of them. `same`,
    `moved` and `strays` are as for `fit_head`.
    """
    if (~anomalous).sum() < _LEAST_NORMAL or anomalous.sum() < _LEAST_ANOMALIES:
        return None
    half = folds(anomalous.astype(int).tolist(), 2, seed=seed, same=same)
    kept = [half == number for number in (0, 1)]
    if any(anomalous[of].all() or not anomalous[of].any() or of.all() for of in kept):
        return None

    def fit(kept: npt.NDArray[np.bool_]) -> Head:
        keys = [key for key, is_kept in zip(same, kept, strict=True) if is_kept] if same else ()
        return fit_head(
            features.of(kept), anomalous[kept], seed=seed, wanted=wanted, progress=lambda *_: None, same=keys,
            moved=None if moved is None else moved.of(kept), most_folds=_FOLDS, strays=strays,
        )  # fmt: skip

    def judge_others(kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        head, others = fit(kept), np.flatnonzero(~kept)
        # A few at once: what they are copied to would be as large as all features.
        raw = [head.raw_scores(features.of(others[n : n + _AT_ONCE])) for n in range(0, len(others), _AT_ONCE)]
        return is_anomalous(head.calibrated(np.concatenate(raw)), head.calibrated_threshold)

    called = np.zeros(len(anomalous), bool)
    try:
        if features.nbytes < _LARGE:
            judged = side_by_side([partial(judge_others, of) for of in kept])
        else:  # what each does itself is divided among the cores instead
            judged = [judge_others(of) for of in kept]
        for of, found in zip(kept, judged, strict=True):
            called[~of] = found
    except TrainingError:
        return None
    return float(2 * (called & anomalous).sum() / (called.sum() + anomalous.sum()))
