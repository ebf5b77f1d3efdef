"""Several bitmaps at once: which of them could be read, what the engine made of those, and each one's result."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from edge_agent.errors import EdgeAgentError, EngineFailed
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.pipeline import Inspection

#: what an engine answers a batch with
_Answers = TypeVar("_Answers")


class BatchPipeline(ABC, Generic[_Answers]):
    """The part of a Pipeline that is the same wherever the engine is."""

    #: see Pipeline.engine_times
    engine_times = (0.0, 0.0)

    def run(self, pixels: Pixels) -> Inspection:
        """See Pipeline.run."""
        self._take(pixels, 0)
        return self._conclude(self._timed(1), 0, 1)

    def run_batch(self, bitmaps: Sequence[Pixels]) -> Iterator[Inspection | EdgeAgentError]:
        """See Pipeline.run_batch."""
        # The place of each bitmap in the batch, or why it has none.
        places: list[int | EdgeAgentError] = []
        count = 0
        for pixels in bitmaps:
            try:
                self._take(pixels, count)
            except EdgeAgentError as error:
                places.append(error)
            else:
                places.append(count)
                count += 1
        answers: _Answers | EngineFailed = EngineFailed("nothing was given to the engine")
        if count:
            try:
                answers = self._timed(count)
            except EngineFailed as error:
                answers = error
        for place in places:
            if isinstance(place, EdgeAgentError):
                yield place
            elif isinstance(answers, EngineFailed):
                yield answers
            else:
                try:
                    yield self._conclude(answers, place, count)
                except EngineFailed as error:
                    yield error

    def _timed(self, count: int) -> _Answers:
        begun = time.monotonic()
        answers = self._execute(count)
        self.engine_times = (begun, time.monotonic())
        return answers

    @abstractmethod
    def _take(self, pixels: Pixels, place: int) -> None:
        """Read a bitmap into a place of the batch; InvalidRequest is passed on from it."""

    @abstractmethod
    def _execute(self, count: int) -> _Answers:
        """Run the engine on so many places; EngineFailed when it fails."""

    @abstractmethod
    def _conclude(self, answers: _Answers, place: int, count: int) -> Inspection:
        """Make one picture's result; EngineFailed when it is none. Valid until the next one is made."""
