"""What would make a model better: sentences of `edge-agent train`, what helps most first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.evaluation.metrics import Confusion, confusion, f1_interval, is_anomalous
from edge_agent.building.training.features import Quality, choose_input_size
from edge_agent.building.training.resolution import SHRUNK, has_something_to_gain, larger_size
from edge_agent.building.training.sentence import Sentence, written_size

_WIDE = 0.1  # an F1 that is known less exactly is said to be
_MOST_TIMES = 32
_SURPRISED = 0.05  # share by which good parts come nearer, from which on more of them are asked for
_RISES = 0.03  # of F1 from half of the pictures to nearly all: more of them are asked for
_FEW_ANOMALIES = 10  # the guide's minimum
#: pixels of the model's input a side, of which a defect should have as many: half a place of the finest bank
_SMALL = 4


class View(NamedTuple):
    """How the model sees the pictures: their size, and its input's."""

    picture: tuple[int, int]
    input: tuple[int, int]
    #: the fewest pixels marked in one, if any
    smallest: int | None = None
    #: what became of a larger input: "chosen", "refused", "given" where the size was, or why none was tried or, with
    #: another quality, would be (`Untried`); "" where nothing speaks against it
    tried: str = ""
    #: that was asked for
    quality: Quality | Literal["auto"] = "auto"
    #: masks are learned
    masks: bool = False

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
) -> tuple[Sentence, ...]:
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
    said: list[Sentence] = []
    if view and (small := _small(view, held.roc_auc)):
        said.append(small)
    if not anomalies:
        said.append(_none())
    elif anomalies < _FEW_ANOMALIES:
        said.append(_few(anomalies))
    if missed:
        text = f"{missed} of {anomalies} anomalies {_were(missed)} missed: more pictures like {_those(missed)}"
        said.append(Sentence(text, "missed", {"missed": str(missed), "anomalies": str(anomalies)}))
    if alarms:
        text = f"{alarms} of {normals} normal pictures {_were(alarms)} called anomalous: more normal pictures like "
        said.append(Sentence(text + _those(alarms), "alarms", {"alarms": str(alarms), "normals": str(normals)}))
    if once:
        said.append(_once(once))
    if nearer is not None and nearer >= _SURPRISED:
        said.append(_surprised(f"{nearer:.0%}", normals))
    if curve:
        said.append(_compare(*curve, normals, anomalies))
    if anomalies and (times := _times(held)) > 1:
        said.append(_more(times, normals, anomalies))
    return tuple(said)


def _none() -> Sentence:
    text = (
        "no picture shows what has to be found: a few anomalies decide where the threshold lies, "
        f"{_FEW_ANOMALIES} say how good it is"
    )
    return Sentence(text, "none", {"enough": str(_FEW_ANOMALIES)})


def _few(anomalies: int) -> Sentence:
    wanted = _FEW_ANOMALIES - anomalies
    text = (
        f"{wanted} more anomalous pictures, of each kind that occurs: with {anomalies} it is not well known where the "
        "threshold should lie"
    )
    return Sentence(text, "few", {"wanted": str(wanted), "anomalies": str(anomalies)})


def _once(once: Sequence[str]) -> Sentence:
    kinds = ", ".join(once)
    text = (
        f"one picture only shows {kinds}: it was judged by models that knew none of its kind; two more of the kind say "
        "whether it is found"
    )
    return Sentence(text, "once", {"kinds": kinds})


def _surprised(nearer: str, normals: int) -> Sentence:
    text = (
        f"good parts still surprise it: they lay {nearer} nearer to what it knew with nearly all {normals} normal "
        f"pictures than with half of them; about {normals} more, of all that varies, will help"
    )
    return Sentence(text, "surprised", {"nearer": nearer, "normals": str(normals)})


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _those(count: int) -> str:
    return "that" if count == 1 else "those"


def _small(view: View, roc_auc: float | None) -> Sentence | None:
    """Say it where defects may be too small for the model, and what makes them larger."""
    picture, model = written_size(view.picture), written_size(view.input)
    seen = f"pictures of {picture} are seen as {model}"
    least = round(_SMALL * view.shrunk)
    remedy, larger = _larger(view)
    if view.smallest is not None and view.smallest**0.5 < least:
        side = view.smallest**0.5
        marked, its = f"{side:.0f}x{side:.0f}", f"{side / view.shrunk:.1f}"
        text = (
            f"{seen}: the picture with the least marked has about {marked} pixels of it, {its} of the model's a side, "
            f"and less than {_SMALL} are hard to see; {larger}"
        )
        values = {"picture": picture, "input": model, "least": marked, "seen": its, "enough": str(_SMALL)}
        return Sentence(text, "small_marked", values, remedy)
    well_told = roc_auc is not None and not has_something_to_gain(roc_auc)
    if view.smallest is None and view.shrunk >= SHRUNK and not well_told:
        text = f"{seen}: defects of less than about {least} pixels are hard to see; where yours are, {larger}"
        return Sentence(text, "small", {"picture": picture, "input": model, "least": str(least)}, remedy)
    return None


def _larger(view: View) -> tuple[str, str]:
    """Name a remedy, and say it."""
    tiles = "cut the pictures into tiles and make each one a picture (`edge-agent line` does so with `tiles`)"
    if view.tried == "refused":
        return "tiles", f"{tiles}; a larger input was tried and not taken"
    rest = f"or a larger `--input-size`, or {tiles}"
    offer = _offered(view)
    if offer is None:
        return "largest", f"train with a larger `--input-size`, or {tiles}"
    quality, size = offer
    if view.masks:
        return "larger", f"train with `--quality {quality}` ({written_size(size)}) {rest}"
    instead = " instead of `--speed`" if view.quality == "speed" else ""
    return f"try_{quality}", f"train with `--quality {quality}`{instead}, which tries {written_size(size)}, {rest}"


def _offered(view: View) -> tuple[str, tuple[int, int]] | None:
    """Name a quality that tries a larger input, or with masks takes it, and which; None where none does."""
    if view.tried or view.quality == "best":
        return None
    larger = None if view.masks else larger_size(view.picture, choose_input_size(*view.picture))
    if larger and view.quality == "auto":
        return None
    size = larger or choose_input_size(*view.picture, "best")
    has_more = size[0] * size[1] > view.input[0] * view.input[1]
    return ("auto" if larger else "best", size) if has_more else None


def _compare(half: float, whole: float, normals: int, anomalies: int) -> Sentence:
    """Say what the learning curve's two points mean."""
    values = {"half": f"{half:.2f}", "whole": f"{whole:.2f}"}
    curve = f"with half of these pictures its F1 was {half:.2f}, with nearly all of them {whole:.2f}"
    if whole - half < _RISES:
        return Sentence(f"{curve}: as many again of the same will change little", "little", values)
    text = f"{curve}: it still learns from each; as many again ({normals} normal, {anomalies} anomalous) will help"
    return Sentence(text, "learns", values | {"normals": str(normals), "anomalies": str(anomalies)})


def _more(times: int, normals: int, anomalies: int) -> Sentence:
    many = times >= _MOST_TIMES
    values = {
        "within": f"{_WIDE / 2:g}", "normals": str((times - 1) * normals), "anomalies": str((times - 1) * anomalies)
    }  # fmt: skip
    text = (
        f"to know its F1 to within {values['within']} takes {'more than' if many else 'about'} {values['normals']} "
        f"normal and {values['anomalies']} anomalous pictures more, in the training or kept apart for "
        "`edge-agent evaluate`"
    )
    return Sentence(text, "exact_many" if many else "exact", values)


def _times(held: Held) -> int:
    """How many times as many pictures, of which as many are judged rightly, make the interval narrow?"""
    times, counts = 1, confusion(is_anomalous(held.scores, held.threshold), held.anomalous)
    while times < _MOST_TIMES:
        found = f1_interval(Confusion(*(times * count for count in counts)))
        if found is None or found[1] - found[0] <= _WIDE:
            break
        times += 1 if times < 8 else 4
    return times
