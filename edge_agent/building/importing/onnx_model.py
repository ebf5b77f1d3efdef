"""Reading an ONNX file that came from elsewhere: all of its weights in one piece, its one input, what it answers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError, EncodeError
from onnx import ModelProto, TensorProto, load_model_from_string

from edge_agent.building.importing.class_names import class_names
from edge_agent.building.importing.stamps import lower_stamps
from edge_agent.building.importing.unusable_outputs import drop_unusable_outputs
from edge_agent.building.importing.weights_beside import load_beside, size_beside
from edge_agent.errors import ComponentError, ImportFailed
from edge_agent.inference.conversion.onnx_model import element_types
from edge_agent.inference.engines.engine import Engine, load_on_processor
from edge_agent.inference.engines.refusals import ITS_TYPE
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


class Foreign(NamedTuple):
    """A model that came from elsewhere, with all of its weights, and what the user should know of it."""

    model: ModelProto
    notes: tuple[str, ...] = ()
    #: what the file itself calls its classes
    classes: tuple[str, ...] = ()
    #: for the component's record: versions that were lowered, outputs that were left out
    origin: Mapping[str, Any] = MappingProxyType({})


class ModelInput(NamedTuple):
    """A model's one input: pictures with three channels; a size of None is free."""

    name: str
    dtype: Literal["float32", "float16", "uint8"]
    layout: Literal["NCHW", "NHWC"]
    batch: int | None
    width: int | None
    height: int | None


def read_model(path: Path) -> Foreign:
    """Read an ONNX file, with the weights that lie in files beside it.

    Outputs that can't be used are left out, and versions that are newer than what is used are lowered.

    Raises:
        ImportFailed: it is not an ONNX model, its weights are missing or lie elsewhere, or all is 2 GiB or more.
    """
    _check_size(path, path.stat().st_size)
    return parse_model(path.read_bytes(), path)


def parse_model(data: bytes, path: Path) -> Foreign:
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
    for value in model.graph.input:
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            raise ImportFailed(
                f"{path}: the input '{value.name}' is a {str(kind).removesuffix('_type')}, expected a tensor"
            )
    classes = class_names(model, path)
    dropped = drop_unusable_outputs(model, path)
    bytes_beside, notes = size_beside(model, path)
    _check_size(path, len(data) + bytes_beside)
    load_beside(model, path)
    origin = {"lowered": list(lower_stamps(model)), "dropped": [entry.name for entry in dropped]}
    return Foreign(model, notes, classes, {key: value for key, value in origin.items() if value})


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
            text = str(error).replace(str(path), "the model").replace(MODEL, "the model", 1)
            raise ImportFailed(_with_type(text, model)) from None


def _with_type(text: str, model: ModelProto) -> str:
    """Name the type of values that the processor can't calculate with."""
    node = re.search(r"at the node '([^']*)'", text)
    if ITS_TYPE not in text or node is None:
        return text
    try:
        types = element_types(model)
    except ComponentError:
        return text
    found = [
        types[name] for other in model.graph.node if other.name == node[1] for name in other.input if name in types
    ]
    return text.replace(ITS_TYPE, TensorProto.DataType.Name(found[0]).lower()) if found else text


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
