"""Whether the answer is a function of the picture: the same picture again, after others, gets the same answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_chance import blame, find_chance
from edge_agent.inference.engines.options import CPU, EngineName
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.pipeline import Pipeline
from edge_agent.inference.verdict import Verdict

#: how far score and areas of a picture may be from what it got before. A processor calculates the same twice, to the
#: last bit; a GPU may add in another order, and in float16
_ON_PROCESSOR, _ON_GPU = 1e-4, 2e-3


class Answered(NamedTuple):
    """A picture, what it is called in a message, and what the model said of it."""

    name: str
    pixels: Pixels
    verdict: Verdict


def check_steady(pipeline: Pipeline, answered: Sequence[Answered], engine: EngineName, model: Path | bytes) -> None:
    """Inspect pictures again that were inspected before others.

    Args:
        pipeline: has inspected others since.
        answered: the pictures, with the first answers.
        engine: what runs the model.
        model: the ONNX file, or its content, in which the nodes to blame are looked for.

    Raises:
        ComponentError: an answer is another one; the text names the nodes.
    """
    tolerance = _ON_PROCESSOR if engine == CPU else _ON_GPU
    for name, pixels, before in answered:
        difference = differs(before, pipeline.run(pixels).verdict, tolerance)
        if difference:
            raise ComponentError(f"{name} {difference}, with others between: {blame(find_chance(model))}")


def differs(before: Verdict, after: Verdict, tolerance: float) -> str:
    """Say how two answers to a picture differ by more than `tolerance`; "" where they don't."""
    if abs(after.score - before.score) > tolerance:
        return f"scores {before.score:.4f} and then {after.score:.4f}"
    first = {area.label: area.fraction for area in before.areas}
    then = {area.label: area.fraction for area in after.areas}
    for label in {**first, **then}:
        if abs(first.get(label, 0.0) - then.get(label, 0.0)) > tolerance:
            return f"has the area {first.get(label, 0.0):.4f} of '{label}' and then {then.get(label, 0.0):.4f}"
    return ""


def training_nodes(model: Path) -> Callable[[], str]:
    """Give a function that says which nodes calculate with all pictures of a batch; "" where none does."""

    def say() -> str:
        nodes = [node for node in find_chance(model) if node.is_training]
        return blame(nodes) if nodes else ""

    return say
