"""Target: any bytes as an ONNX file. Its inputs and outputs are read, or one ComponentError says why not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_agent.component.manifest import Artifact, Image, Input, Label, Manifest, MaskOutput, Outputs, ScoreOutput
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_signature import read_signature
from edge_agent.inference.engines.signature import check_signature
from edge_agent.wire import encode_varint, length_prefix
from tests.support.sentences import check_sentence

_MANIFEST = Manifest(
    format=1, name="echo", version="1.0.0", task="segmentation", image=Image(width=64, height=64),
    input=Input(name="picture", width=64, height=64), threshold=0.5,
    outputs=Outputs(score=ScoreOutput(name="score"), mask=MaskOutput(name="mask", kind="anomaly_map")),
    labels=(Label(name="background", color="#FFFFFF"), Label(name="bright", color="#23A436")),
    artifacts=(Artifact(path="model.onnx", sha256="0" * 64),),
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """A model that fits the manifest, and one with weights among its inputs."""
    inputs = _field(11, _tensor("picture", 1, (1, 3, 64, 64)))
    outputs = _field(12, _tensor("score", 1, ())) + _field(12, _tensor("mask", 1, (1, 1, 64, 64)))
    yield _field(7, inputs + outputs)
    yield _field(7, _field(5, _field(8, b"w")) + _field(11, _tensor("w", 7, (1,))) + inputs + outputs)


def _field(number: int, data: bytes) -> bytes:
    return length_prefix(number, len(data)) + data


def _tensor(name: str, dtype: int, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, b"\x08" + encode_varint(size)) for size in shape)
    return _field(1, name.encode()) + _field(2, _field(1, b"\x08" + encode_varint(dtype) + _field(2, dims)))


def consume(data: bytes) -> None:
    """Read one file, and hold it against a manifest."""
    with tempfile.NamedTemporaryFile(suffix=".onnx", buffering=0) as file:
        file.write(data)
        try:
            check_signature(read_signature(Path(file.name)), _MANIFEST)
        except ComponentError as error:
            check_sentence(error)
