"""What an engine takes and gives, and whether that fits a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.component.manifest import Input, Manifest
from edge_agent.errors import ComponentError

#: what an output may be and no score or mask can be made of
NO_NUMBERS = ("sequence", "map", "optional", "sparse_tensor", "string")
_INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


class TensorSpec(NamedTuple):
    """One input or output; a dimension of None is free, and a shape of None is not declared at all."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


class Signature(NamedTuple):
    """Inputs and outputs in the order of the model file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def check_signature(signature: Signature, manifest: Manifest) -> None:
    """Compare a model file with the manifest.

    Raises:
        ComponentError: an input or output is missing, or has another type or shape; it is named with what was expected.
    """
    wanted = manifest.input
    if len(signature.inputs) != 1 or signature.inputs[0].name != wanted.name:
        names = ", ".join(f"'{spec.name}'" for spec in signature.inputs) or "none"
        raise ComponentError(f"{manifest.model} has the inputs {names}, the manifest expects only '{wanted.name}'")
    found = signature.inputs[0]
    shape = input_shape(wanted)
    if found.dtype != wanted.dtype or not _fits(found.shape, shape):
        raise ComponentError(
            f"{manifest.model}: input '{found.name}' is {found.dtype} {shown(found.shape)}, "
            f"the manifest expects {wanted.dtype} {shown(shape)}"
        )
    check_outputs(signature.outputs, manifest)


def check_outputs(found: Sequence[TensorSpec], manifest: Manifest) -> None:
    """Compare the outputs of a model file with the manifest.

    Raises:
        ComponentError: one is missing, or the mask has another type or shape; it is named with what was expected.
    """
    outputs = {spec.name: spec for spec in found}
    for name in (manifest.outputs.score.name, manifest.outputs.mask.name if manifest.outputs.mask else None):
        if name is not None and name not in outputs:
            names = ", ".join(f"'{known}'" for known in outputs)
            raise ComponentError(f"{manifest.model} has the outputs {names}, the manifest expects '{name}' among them")
    score = outputs[manifest.outputs.score.name]
    if score.dtype in NO_NUMBERS:
        raise ComponentError(
            f"{manifest.model}: output '{score.name}' is a {score.dtype}, the manifest expects a tensor of numbers"
        )
    mask = manifest.outputs.mask
    if mask is not None:
        _check_mask(outputs[mask.name], manifest)


def input_shape(spec: Input) -> tuple[int, ...]:
    """Return the shape of the input tensor of one picture."""
    plane = (spec.height, spec.width)
    return (1, 3, *plane) if spec.layout == "NCHW" else (1, *plane, 3)


def takes_batches(signature: Signature, manifest: Manifest) -> bool:
    """Tell whether a model's batch dimension is free, in its input and in the outputs that the manifest takes."""
    used = [*signature.inputs, *(spec for spec in signature.outputs if spec.name in manifest.outputs.names)]
    return all(spec.shape and spec.shape[0] is None for spec in used)


def _check_mask(found: TensorSpec, manifest: Manifest) -> None:
    mask = manifest.outputs.mask
    assert mask is not None
    expected: tuple[tuple[int | None, ...], ...] = ((1, None, None), (1, 1, None, None))
    if mask.kind == "class_scores":
        expected = ((1, len(manifest.labels), None, None),)
    integers_wanted = mask.kind == "class_ids"
    fits = found.dtype not in NO_NUMBERS and any(_fits(found.shape, shape) for shape in expected)
    if not fits or (found.dtype in _INTEGERS) != integers_wanted:
        raise ComponentError(
            f"{manifest.model}: output '{found.name}' is {found.dtype} {shown(found.shape)}, the manifest expects "
            f"{mask.kind}: {'integer' if integers_wanted else 'float'} {' or '.join(shown(s) for s in expected)}"
        )


def _fits(found: tuple[int | None, ...] | None, wanted: tuple[int | None, ...]) -> bool:
    if found is None:
        return True
    return len(found) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(found, wanted, strict=True)
    )


def shown(shape: tuple[int | None, ...] | None) -> str:
    """Write a shape for a message."""
    return "of no declared shape" if shape is None else f"[{', '.join('?' if n is None else str(n) for n in shape)}]"
