"""What the design, docs/api.md and the README promise of one model's life, without a process, a socket or a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

#: good: it serves; unloadable: its files are whole, but no engine runs it; damaged: a file does not match its digest
Kind = Literal["good", "unloadable", "damaged"]


class Published(NamedTuple):
    """A version as it lies in the model folder; the mark is the threshold by which its answers are known."""

    version: str
    mark: float
    kind: Kind


@dataclass
class Reference:
    """One model: what lies on the device, what clients asked for last, and what runs."""

    disk: dict[str, Published] = field(default_factory=dict)
    #: somebody started it and nobody has stopped it since; this is remembered across restarts
    wanted: bool = False
    served: Published | None = None
    #: it has failed, and nothing has started it since
    failed: bool = False

    @property
    def chosen(self) -> Published | None:
        """The newest version that can be served, as far as can be seen without an engine."""
        whole = [published for published in self.disk.values() if published.kind != "damaged"]
        return max(whole, default=None, key=lambda published: published.version)

    @property
    def is_listed(self) -> bool:
        """A model whose component has been removed runs until it is stopped."""
        return bool(self.disk) or self.served is not None

    def settle(self) -> None:
        """Go on as long as anything happens by itself."""
        chosen = self.chosen
        if self.served is not None:
            if chosen is not None and chosen.kind == "good" and not self._is_relapse(chosen):
                self.served = chosen
        elif self.wanted and chosen is not None and chosen.kind == "good":
            self.served, self.failed = chosen, False
        elif self.wanted and self.disk:
            self.failed = True
        if not self.is_listed:
            self.failed = False

    def _is_relapse(self, chosen: Published) -> bool:
        """What runs is whole whatever became of its files: damage to them does not bring an older version back."""
        assert self.served is not None
        on_disk = self.disk.get(self.served.version)
        return chosen.version < self.served.version and on_disk is not None and on_disk.kind == "damaged"

    @property
    def statuses(self) -> set[str]:
        """What DescribeModel may say when all has settled; nothing: there is no such model."""
        if not self.is_listed:
            return set()
        if self.served is not None:
            return {"RUNNING"}
        if self.wanted and self.chosen is not None:
            return {"FAILED", "STARTING"}  # it is tried again and again
        return {"FAILED"} if self.failed or self.chosen is None else {"STOPPED"}

    # What the calls do, when all has settled

    def start(self) -> set[str]:
        """Allow these codes to StartModel."""
        statuses = self.statuses
        if not statuses:
            return {"NOT_FOUND"}
        if self.served is not None or self.chosen is None:
            return {"FAILED_PRECONDITION"}
        self.wanted = True
        return {"OK", "FAILED_PRECONDITION"} if "STARTING" in statuses else {"OK"}

    def stop(self) -> set[str]:
        """Allow these codes to StopModel. One that has failed is given up."""
        if not self.is_listed:
            return {"NOT_FOUND"}
        was_running, self.served, self.wanted = self.served is not None, None, False
        return {"OK"} if was_running else {"FAILED_PRECONDITION"}

    def detect(self) -> set[str]:
        """Allow these codes to DetectAnomalies."""
        if not self.is_listed:
            return {"NOT_FOUND"}
        return {"OK"} if self.served is not None else {"FAILED_PRECONDITION"}

    def die(self) -> None:
        """Lose the worker, or the whole daemon."""
        self.served = None
