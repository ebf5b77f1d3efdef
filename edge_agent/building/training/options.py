"""Options of a training, and how it tells where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from edge_agent.building.training.features import Quality
from edge_agent.building.training.head import Wanted

Task = Literal["auto", "classification", "segmentation"]
Precision = Literal["fp32", "int8"]


class Options(NamedTuple):
    """What a user can choose; the defaults are meant to be right."""

    task: Task = "auto"
    precision: Precision = "fp32"
    seed: int = 0
    input_size: tuple[int, int] | None = None
    wanted: Wanted = Wanted()
    #: mark, coarsely, where a part differs from good ones: needs neither masks nor torch
    locate: bool = False
    #: of learning the masks
    steps: int | None = None
    #: how many pixels the model sees where `input_size` does not say it; auto: `normal`, and more where the data ask
    quality: Quality | Literal["auto"] = "auto"


class Steps(NamedTuple):
    """How the trainer tells where it is: `bar` opens a progress bar, `note` says something in words."""

    bar: Callable[[str], Any]
    note: Callable[[str], None]

    def of(self, which: str) -> Steps:
        """Say of these steps of what they are: where something is done twice, the second is not the first again."""
        return self._replace(bar=lambda what: self.bar(f"{what}, {which}"))
