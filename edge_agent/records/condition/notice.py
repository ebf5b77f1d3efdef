"""How scores and the camera are, and what is told of them: that they have changed, and that it is over."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

#: the usual words for an index: below 0.1 nothing has changed, from 0.25 on something has
MOVING, DRIFTED = 0.1, 0.25
#: drifted ends below this share of the index at which it begins
BACK = 0.4
#: an index is only believed where chance gives the largest difference of the distributions less often than this
LEAST_P = 0.001

DriftState = Literal["learning", "stable", "moving", "drifted"]
CameraState = Literal["ok", "black", "dark", "bright", "blurred", "frozen"]


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """A histogram to compare with: SCORE_BINS counts."""

    kind: Literal["training", "first weeks"]
    scores: tuple[int, ...]

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return "the training's normal pictures" if self.kind == "training" else "the first weeks"


class Drift(msgspec.Struct, frozen=True, array_like=True):
    """How the scores of one version of a model are; numbers are 0 while the state is `learning`."""

    model: str
    version: str
    state: DriftState = "learning"
    #: when that began, and when it was looked at, in microseconds since 1970
    since: int = 0
    at: int = 0
    #: pictures that were compared
    pictures: int = 0
    psi: float = 0.0
    ks: float = 0.0
    p_value: float = 1.0
    #: what they are compared with: "training", "first weeks"; "" while there is nothing
    compared_with: str = ""
    #: the index at which drifted begins: more than DRIFTED where chance alone makes that
    limit: float = DRIFTED

    @property
    def text(self) -> str:
        """A sentence for people; "" unless scores have drifted."""
        if self.state != "drifted":
            return ""
        other = Reference(self.compared_with, ()).words  # type: ignore[arg-type]  # one of the two
        p = f"p {self.p_value:.3f}" if self.p_value >= LEAST_P else f"p below {LEAST_P}"
        # On its way back it says what ends it: below the limit it would look as if nothing was wrong.
        expected = f"expected below {self.limit:.2f}"
        if self.psi < self.limit:
            expected = f"which has to fall below {BACK * self.limit:.2f} again"
        return (
            f"scores have drifted: the last {self.pictures} pictures against {other}: PSI {self.psi:.2f}, {expected}; "
            f"Kolmogorov-Smirnov {self.ks:.2f}, {p}"
        )


class Camera(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """How the pictures of a model look; also a packet to the process that writes records."""

    model: str
    version: str
    state: CameraState
    #: microseconds since 1970: when it began
    since: int
    #: a sentence; "" while all is well
    text: str = ""

    @classmethod
    def since_now(cls, model: str, version: str, state: CameraState, text: str) -> Camera:
        """Make one that begins now: a time to be read by people, by which nothing is decided."""
        return cls(model, version, state, time.time_ns() // 1000, text)


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """A change that somebody should know of."""

    #: microseconds since 1970, larger than every one before it
    id: int
    at: int
    model: str
    version: str
    kind: Literal["camera", "drift"]
    #: of a camera `CameraState`, of a drift `drifted` or `stable`
    state: str
    text: str
