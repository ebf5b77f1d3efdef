"""What would make a model better: sentences of `edge-agent train`, what helps most first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.evaluation.metrics import intervals
from edge_agent.building.training.features import choose_input_size
from edge_agent.building.training.resolution import SHRUNK, has_something_to_gain

_WIDE = 0.1  # an F1 that is known less exactly is said to be
_MOST_TIMES = 32
_SURPRISED = 0.05  # share by which good parts come nearer, from which on more of them are asked for
_RISES = 0.03  # of F1 from half of the pictures to nearly all: more of them are asked for
_FEW_ANOMALIES = 10  # the guide's minimum
#: pixels of the model's input a side, of which a defect should have as many: half a place of the finest bank
_SMALL = 4


class View(NamedTuple):
    """How the model sees the pictures: their size, its input's, the fewest pixels marked in one, if any, and whether a
    larger input was tried and not taken."""

    picture: tuple[int, int]
    input: tuple[int, int]
    smallest: int | None
    refused: bool = False

    @property
    def shrunk(self) -> float:
        """How many pixels of a picture, a side, become one of the input."""
        return max(self.picture[0] / self.input[0], self.picture[1] / self.input[1])


class Held(NamedTuple):
    """The verdicts on the training pictures, each by a model that had not seen it: calibrated scores and the truth."""

    scores: npt.NDArray[np.float64]
    anomalous: npt.NDArray[np.bool_]
    called: npt.NDArray[np.bool_]
    threshold: float
    roc_auc: float | None


def advise(
    held: Held, once: Sequence[str], nearer: float | None, curve: tuple[float, float] | None, view: View | None
) -> tuple[str, ...]:
    """Say what would help, what helps most first.

    Args:
        held: verdicts of models that had not seen the picture.
        once: kinds of anomaly that one picture shows.
        nearer: share by which good parts come nearer when nearly all of them are known instead of half.
        curve: F1 with half of the pictures, and with nearly all.
        view: how the model sees the pictures.
    """
    anomalous, called = held.anomalous, held.called
    normals, anomalies = int((~anomalous).sum()), int(anomalous.sum())
    missed, alarms = int((anomalous & ~called).sum()), int((~anomalous & called).sum())
    said = []
    if view and (small := _small(view, held.roc_auc)):
        said.append(small)
    if not anomalies:
        said.append(
            "no picture shows what has to be found: a few anomalies decide where the threshold lies, "
            f"{_FEW_ANOMALIES} say how good it is"
        )
    elif anomalies < _FEW_ANOMALIES:
        said.append(
            f"{_FEW_ANOMALIES - anomalies} more anomalous pictures, of each kind that occurs: with {anomalies} it is "
            "not well known where the threshold should lie"
        )
    if missed:
        said.append(f"{missed} of {anomalies} anomalies {_were(missed)} missed: more pictures like {_those(missed)}")
    if alarms:
        said.append(
            f"{alarms} of {normals} normal pictures {_were(alarms)} called anomalous: more normal pictures like "
            f"{_those(alarms)}"
        )
    if once:
        said.append(
            f"one picture only shows {', '.join(once)}: it was judged by models that knew none of its kind; two more "
            "of the kind say whether it is found"
        )
    if nearer is not None and nearer >= _SURPRISED:
        said.append(
            f"good parts still surprise it: they lay {nearer:.0%} nearer to what it knew with nearly all {normals} "
            f"normal pictures than with half of them; about {normals} more, of all that varies, will help"
        )
    if curve:
        said.append(_compare(*curve, normals, anomalies))
    if anomalies and (times := _times(held)) > 1:
        said.append(_more(times, normals, anomalies))
    return tuple(said)


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _those(count: int) -> str:
    return "that" if count == 1 else "those"


def _small(view: View, roc_auc: float | None) -> str | None:
    """Say it where defects may be too small for the model, and what makes them larger."""
    seen = f"pictures of {_by(view.picture)} are seen as {_by(view.input)}"
    least = round(_SMALL * view.shrunk)
    if view.smallest is not None and view.smallest**0.5 < least:
        side = view.smallest**0.5
        about = f"the picture with the least marked has about {side:.0f}x{side:.0f} pixels of it"
        its = f"{side / view.shrunk:.1f} of the model's a side, and less than {_SMALL} are hard to see"
        return f"{seen}: {about}, {its}; {_larger(view)}"
    well_told = roc_auc is not None and not has_something_to_gain(roc_auc)
    if view.smallest is None and view.shrunk >= SHRUNK and not well_told:
        return f"{seen}: defects of less than about {least} pixels are hard to see; where yours are, {_larger(view)}"
    return None


def _larger(view: View) -> str:
    best = choose_input_size(*view.picture, "best")
    tiles = "cut the pictures into tiles and make each one a picture (`edge-agent line` does so with `tiles`)"
    if view.refused:
        return f"{tiles}; a larger input was tried, and sees hardly more"
    if best[0] * best[1] > view.input[0] * view.input[1]:
        return f"train with `--quality best` ({_by(best)}) or a larger `--input-size`, or {tiles}"
    return f"train with a larger `--input-size`, or {tiles}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _compare(half: float, whole: float, normals: int, anomalies: int) -> str:
    """Say what the learning curve's two points mean."""
    curve = f"with half of these pictures its F1 was {half:.2f}, with nearly all of them {whole:.2f}"
    if whole - half >= _RISES:
        return f"{curve}: it still learns from each; as many again ({normals} normal, {anomalies} anomalous) will help"
    return f"{curve}: as many again of the same will change little"


def _more(times: int, normals: int, anomalies: int) -> str:
    about = "about" if times < _MOST_TIMES else "more than"
    return (
        f"to know its F1 to within {_WIDE / 2:g} takes {about} {(times - 1) * normals} normal and "
        f"{(times - 1) * anomalies} anomalous pictures more, in the training or kept apart for `edge-agent evaluate`"
    )


def _times(held: Held) -> int:
    """How many times as many pictures, of which as many are judged rightly, make the interval narrow?"""
    times = 1
    while times < _MOST_TIMES:
        found = intervals(np.tile(held.scores, times), np.tile(held.anomalous, times), held.threshold).f1
        if found is None or found[1] - found[0] <= _WIDE:
            break
        times += 1 if times < 8 else 4
    return times
