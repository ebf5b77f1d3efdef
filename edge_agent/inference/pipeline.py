"""What inspects pictures: from bitmaps to verdicts and masks, on the processor (host.py) or on a GPU (gpu.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from edge_agent.component.manifest import Manifest
from edge_agent.errors import EdgeAgentError, EngineFailed, EngineLost
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.verdict import Verdict


class Inspection(NamedTuple):
    """A verdict and, for segmentation, the mask's pixels as buffers that are valid until the next one is made."""

    verdict: Verdict
    mask: list[memoryview] | None


class Pipeline(Protocol):
    """One model with every buffer of its calls made once. Used by one thread at a time."""

    manifest: Manifest
    #: how many bitmaps it inspects at once, at the most
    batch: int
    #: when the engine was last begun and when it had done, in seconds of the monotonic clock
    engine_times: tuple[float, float]

    def run(self, pixels: Pixels) -> Inspection:
        """Inspect one bitmap.

        Raises:
            EngineFailed: the engine failed on it, or answered with what is not a score or a map of classes.
            InvalidRequest: the bitmap could not be read.
        """
        ...

    def run_batch(self, bitmaps: Sequence[Pixels]) -> Iterator[Inspection | EdgeAgentError]:
        """Inspect 1 to `batch` bitmaps of the training pictures' size, and give each one's result in their order.

        A bitmap that can't be read (InvalidRequest, passed on from it) does not concern the others. The engine's
        failure (EngineFailed) is the result of each that it was given.
        """
        ...

    def run_engine(self) -> None:
        """Run the engine for one picture on whatever its input holds: what a call can't cost less than.

        Raises:
            EngineFailed: the engine failed.
        """
        ...


def run_each(pipeline: Pipeline, bitmaps: Sequence[Pixels]) -> Iterator[tuple[int, Inspection | EdgeAgentError]]:
    """Inspect 1 to `batch` bitmaps, together or, where the engine fails on them, one by one.

    One picture that the engine can't execute then does not concern the others. Gives each one's number and result.
    """
    if len(bitmaps) == 1:  # as it nearly always is on a processor: without the bookkeeping of a batch
        yield 0, _run_alone(pipeline, bitmaps[0])
        return
    failed = []
    for number, result in enumerate(pipeline.run_batch(bitmaps)):
        if isinstance(result, EngineFailed) and not isinstance(result, EngineLost):
            failed.append(number)
        else:
            yield number, result
    for number in failed:
        yield number, _run_alone(pipeline, bitmaps[number])


def _run_alone(pipeline: Pipeline, pixels: Pixels) -> Inspection | EdgeAgentError:
    try:
        return pipeline.run(pixels)
    except EdgeAgentError as error:
        return error
