"""What a peer is told to serve, and what it does with a picture. Imported by the peers in their own environments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edge_agent.component.manifest import Manifest
    from edge_agent.inference.engines.engine import Engine

U8 = npt.NDArray[np.uint8]
#: a picture [height, width, 3] -> its mask of the same shape, valid until the next call
Work = Callable[[U8], U8]

#: before the folder of a component: its ONNX file is run, as in the agent, and nothing else of it used
EMPTY = "empty:"


class Model(NamedTuple):
    """A model of a peer: the work of a component's folder, after EMPTY for the empty model, on pictures of one size."""

    name: str
    component: str
    width: int
    height: int


class Strength(NamedTuple):
    """What every server gets alike: processes a model, and threads an engine (0: the engine decides)."""

    instances: int
    threads: int


def make_work(component: str, threads: int) -> Work:
    """Return the work of a component's folder, or of the empty model when EMPTY stands before it."""
    folder = Path(component.removeprefix(EMPTY))
    return Empty(folder, threads) if component.startswith(EMPTY) else Inspection(folder, threads)


class Empty:
    """Reads every pixel into a buffer that it keeps, runs the empty ONNX file, and gives a mask that is always white.

    The agent always runs an engine, and could not be compared with a server that runs none.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        manifest, self._engine = _load(folder, threads)
        self._input = manifest.input.name
        self._tensor = np.zeros((1, manifest.input.height, manifest.input.width, 3), np.uint8)
        self._outputs = [spec.name for spec in self._engine.signature.outputs]
        self._read = np.empty((0, 0, 3), np.uint8)
        self._mask = self._read

    def __call__(self, picture: U8) -> U8:
        if picture.shape != self._read.shape:
            self._read = np.empty_like(picture)
            self._mask = np.full_like(picture, 255)
        np.copyto(self._read, picture)
        self._engine.run(self._input, self._tensor, self._outputs)
        return self._mask


def _load(folder: Path, threads: int) -> tuple[Manifest, Engine]:
    from edge_agent.component.manifest import FILE_NAME, decode_manifest
    from edge_agent.inference.engines.engine import load_on_processor

    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source=str(folder))
    return manifest, load_on_processor(folder / manifest.model, threads)


class Inspection:
    """The agent's own preparation, engine and mask, with the mask laid out in memory as these servers want it."""

    def __init__(self, folder: Path, threads: int) -> None:
        from edge_agent.inference.host import HostPipeline
        from edge_agent.inference.imaging.resize import ArrayPixels

        manifest, engine = _load(folder, threads)
        self._pipeline, self._pixels = HostPipeline(manifest, engine), ArrayPixels
        self._mask = np.empty((manifest.image.height, manifest.image.width, 3), np.uint8)
        self._bytes = memoryview(self._mask.reshape(-1).data).cast("B")

    def __call__(self, picture: U8) -> U8:
        position = 0
        for buffer in self._pipeline.run(self._pixels(picture)).mask or ():
            self._bytes[position : position + len(buffer)] = buffer
            position += len(buffer)
        return self._mask
