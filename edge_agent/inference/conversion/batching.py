"""Let a model that was exported for one picture at a time take several, where that is possible.

What stands for the batch in a file is a guess: the change is only taken when batches of pictures give, for each
picture, what it gives alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.errors import ComponentError
from edge_agent.inference.imaging.tensor import Tensor

if TYPE_CHECKING:
    from edge_agent.inference.conversion.reference import Reference

_MOST_SAMPLES = 3
#: of an output's values, and of the largest of them: rounding differs with the size of a matrix product
_RELATIVE, _ABSOLUTE = 1e-4, 1e-5
#: how much more than that two pictures' answers must differ, or one could be taken for the other
_APART = 20.0
#: (brightness, contrast) of noise, as shares of the input's range: pictures that even a verdict tells apart
_NOISES = ((0.0, 1.0), (0.0, 0.1), (0.9, 0.1), (0.25, 0.5), (0.45, 0.1))


def free_batch(model: bytes, samples: Callable[[], Iterator[Tensor]] | None = None) -> bytes | None:
    """Make the first dimension of a model's input and outputs free.

    Args:
        model: an ONNX file's content, in float32: the results are compared closely.
        samples: makes prepared inputs [1, …] of sample pictures; noise from -2 to 2 is taken when there are none.

    Returns:
        The changed model; the same one where the batch is free already; None where a batch can't be had, or where what
        it gives can't be told from what it should give.

    Raises:
        ComponentError: it is not an ONNX model, or a Python module is missing.
    """
    try:
        from edge_agent.inference.conversion import batch_dimension, onnx_model, reference
    except ImportError as error:
        raise ComponentError(
            f"freeing a model's batch needs the Python module '{error.name}'; install edge-agent with its extra [gpu]"
        ) from None
    graph = onnx_model.read_model(model)
    size = batch_dimension.batch_size(graph)
    if size is None:
        return model
    if size != 1:
        return None
    try:
        batch_dimension.free(graph)
        freed = onnx_model.write_model(graph)
        single, batched = reference.Reference(model), reference.Reference(freed)
        return freed if _is_the_same(single, batched, _pictures(single, samples)) else None
    except ComponentError:  # it can't be loaded or run any more, or could not before
        return None


def _pictures(single: Reference, samples: Callable[[], Iterator[Tensor]] | None) -> list[Tensor]:
    """Collect five or more inputs that differ: sample pictures and noise in their range."""
    found = [sample.copy() for sample in itertools.islice(samples(), _MOST_SAMPLES)] if samples else []
    if found:
        low, high = min(float(sample.min()) for sample in found), max(float(sample.max()) for sample in found)
    else:
        low, high = single.range
    for seed, (brightness, contrast) in enumerate(_NOISES):
        first = low + brightness * (high - low)
        found.append(single.noise(seed, first, first + contrast * (high - low)))
    return found


def _is_the_same(single: Reference, batched: Reference, pictures: list[Tensor]) -> bool:
    alone = [single.run(picture) for picture in pictures]
    told_apart: set[str] = set()
    # Alone, in twos and in threes, each picture at each place.
    for count, first in itertools.product((1, 2, 3), range(len(pictures))):
        chosen = [(first + step) % len(pictures) for step in range(count)]
        results = batched.run(np.concatenate([pictures[number] for number in chosen]))
        for name, values in results.items():
            expected = [alone[number][name] for number in chosen]
            if any(part.shape[:1] != (1,) for part in expected):
                return False
            if not _is_close(values, np.concatenate(expected)):
                return False
            if not all(_is_close(part, expected[0], _APART) for part in expected):
                told_apart.add(name)
    # Where all pictures give the same, nothing is proved.
    return told_apart == set(alone[0])


def _is_close(found: Tensor, expected: Tensor, factor: float = 1.0) -> bool:
    if found.shape != expected.shape:
        return False
    if expected.dtype.kind != "f":
        return bool((found == expected).all())
    largest = float(np.abs(expected).max(initial=0.0))
    return bool(np.allclose(found, expected, rtol=factor * _RELATIVE, atol=factor * _ABSOLUTE * largest))
