"""Reading an ONNX file that came from elsewhere: all of its weights in one piece, its one input, what it answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError, EncodeError
from onnx import GraphProto, ModelProto, TensorProto, external_data_helper, load_model_from_string

from edge_agent.errors import ComponentError, ImportFailed
from edge_agent.inference.engines.engine import Engine, load_on_processor
from edge_agent.inference.engines.signature import Signature, TensorSpec
from edge_agent.inference.imaging.bitmap import MAX_SIDE
from edge_agent.inference.imaging.tensor import Tensor

MODEL = "model.onnx"
#: protobuf writes no message of 2 GiB or more, and an ONNX file is one message
MAX_BYTES = (1 << 31) - (1 << 20)
#: of the operators written behind a model, Where and Gather with negative indices are as they are since this version
MIN_OPSET = 11
#: a batch is filled with copies of one picture
MAX_BATCH = 64
#: of a whole batch: 0.8 GB in float32
_MAX_PIXELS = 4 * MAX_SIDE**2
_DTYPES = ("float32", "float16", "uint8")


class ModelInput(NamedTuple):
    """A model's one input: pictures with three channels; a size of None is free."""

    name: str
    dtype: Literal["float32", "float16", "uint8"]
    layout: Literal["NCHW", "NHWC"]
    batch: int | None
    width: int | None
    height: int | None


def read_model(path: Path) -> ModelProto:
    """Read an ONNX file, with the weights that lie in files beside it.

    Raises:
        ImportFailed: it is not an ONNX model, its weights are missing or lie elsewhere, or all is 2 GiB or more.
    """
    _check_size(path, path.stat().st_size)
    return parse_model(path.read_bytes(), path)


def parse_model(data: bytes, path: Path) -> ModelProto:
    """Do the same for a file's content; weights are looked for beside `path`."""
    try:
        model = load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ImportFailed(f"{path} is not an ONNX model: {str(error).splitlines()[0]}") from None
    if not model.graph.node:
        raise ImportFailed(f"{path} is not an ONNX model: it holds no graph")
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < MIN_OPSET:
        raise ImportFailed(f"{path} has opset {opset}; export it again with opset {MIN_OPSET} or later")
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            raise ImportFailed(f"{path}: '{value.name}' is a {str(kind).removesuffix('_type')}, expected a tensor")
    # Counted for each tensor: many may name one file, and each gets a copy.
    beside = [tensor for tensor in _tensors(model.graph) if tensor.data_location == TensorProto.EXTERNAL]
    _check_size(path, len(data) + sum(_size_beside(path, tensor) for tensor in beside))
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx's own checks, in several classes over its versions
        raise ImportFailed(f"the weights beside {path} can't be read: {str(error).splitlines()[0]}") from None
    return model


def encode(model: ModelProto) -> bytes:
    """Write an ONNX file's content.

    Raises:
        ImportFailed: it is too large for one message.
    """
    try:
        return model.SerializeToString()
    except (EncodeError, ValueError):
        raise ImportFailed(
            "the model is too large: one ONNX file holds less than 2 GiB; export it in float16"
        ) from None


def load(model: ModelProto) -> Engine:
    """Load a model into ONNX Runtime.

    Raises:
        ImportFailed: it can't be.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        path.write_bytes(encode(model))
        try:
            return load_on_processor(path)
        except ComponentError as error:
            # ONNX Runtime names the file, which is ours.
            raise ImportFailed(str(error).replace(str(path), "the model")) from None


def find_input(signature: Signature, layout: Literal["NCHW", "NHWC"] | None = None) -> ModelInput:
    """Find out how a model wants its picture; the layout is for a shape that leaves it open.

    Raises:
        ImportFailed: it has several inputs, or one that is not a colour picture, or a batch that is too large.
    """
    if len(signature.inputs) != 1:
        names = ", ".join(f"'{spec.name}'" for spec in signature.inputs) or "none"
        raise ImportFailed(f"the model has the inputs {names}, expected one, the picture; export it with that alone")
    spec = signature.inputs[0]
    shape = spec.shape
    if spec.dtype not in _DTYPES or shape is None or len(shape) != 4 or 3 not in (shape[1] or 3, shape[3] or 3):
        raise ImportFailed(
            f"the model's input is {shown(spec)}, expected {', '.join(_DTYPES)} [n, 3, height, width] or "
            "[n, height, width, 3], one colour picture"
        )
    if shape[0] is not None and not 1 <= shape[0] <= MAX_BATCH:
        raise ImportFailed(f"the model's input is {shown(spec)}, a batch of {shape[0]}, expected 1 to {MAX_BATCH}")
    dtype: Any = spec.dtype
    is_open = shape[1] == shape[3]
    if layout == "NCHW" if is_open and layout else shape[1] == 3 or (shape[1] is None and shape[3] != 3):
        return ModelInput(spec.name, dtype, "NCHW", shape[0], shape[3], shape[2])
    return ModelInput(spec.name, dtype, "NHWC", shape[0], shape[2], shape[1])


def answers(engine: Engine, tensor: Tensor) -> Mapping[str, Tensor]:
    """Run a model on one input, and give every output by its name.

    Raises:
        EngineFailed: it can't be run.
    """
    names = [spec.name for spec in engine.signature.outputs]
    return dict(zip(names, engine.run(engine.signature.inputs[0].name, tensor, names), strict=True))


def sample_tensor(spec: ModelInput, width: int, height: int, *, seed: int = 0) -> Tensor:
    """Make an input of the model's type and layout with values of 0..1, or of 0..255 where it takes pixels.

    Raises:
        ImportFailed: it would be too large.
    """
    batch = spec.batch or 1
    if batch * width * height > _MAX_PIXELS:
        raise ImportFailed(
            f"the model wants {batch} pictures of {width}x{height} at once, expected at most {_MAX_PIXELS} pixels"
        )
    shape = (batch, 3, height, width) if spec.layout == "NCHW" else (batch, height, width, 3)
    values = np.random.default_rng(seed).random(shape, np.float32)
    return (values * 255 if spec.dtype == "uint8" else values).astype(spec.dtype)


def shown(spec: TensorSpec) -> str:
    """Describe an input or output in a message."""
    shape = "of no declared shape" if spec.shape is None else str([n if n is not None else "?" for n in spec.shape])
    return f"'{spec.name}' {spec.dtype} {shape}".replace("'?'", "?")


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise ImportFailed(
            f"{path} has {size / (1 << 30):.1f} GiB with its weights, and one ONNX file holds less than 2 GiB; export "
            "it in float16, or train a smaller model"
        )


def _beside(path: Path, tensor: TensorProto) -> Path:
    """Return the file of a tensor's values, which has to lie in the model's folder."""
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    file = path.parent / location
    inside = location and "\0" not in location and not Path(location).is_absolute() and ".." not in Path(location).parts
    if not inside or not file.resolve().is_relative_to(path.parent.resolve()):
        raise ImportFailed(f"{path} wants its weights from {location!r}, expected a file in its own folder")
    if not file.is_file():
        raise ImportFailed(f"{path} wants its weights from '{location}', which is missing; put it beside the model")
    return file


def _size_beside(path: Path, tensor: TensorProto) -> int:
    """Count the bytes that a tensor takes of its file: as many as it says, or all from its offset on."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    size = _beside(path, tensor).stat().st_size
    try:
        offset, length = int(said.get("offset", 0)), int(said.get("length", size))
    except ValueError:
        raise ImportFailed(f"{path}: offset or length of the weights '{tensor.name}' is not a number") from None
    return max(min(length, size - offset), 0)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
