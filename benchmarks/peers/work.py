"""What a peer is told to serve, and what it does with a picture. Imported by the peers in their own environments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
#: a picture [height, width, 3] -> its mask of the same shape, valid until the next call
Work = Callable[[U8], U8]

EMPTY = "empty"


class Model(NamedTuple):
    """A model of a peer: the work of a component's folder, or EMPTY, on pictures of one size."""

    name: str
    component: str
    width: int
    height: int


class Strength(NamedTuple):
    """What every server gets alike: processes a model, and threads an engine (0: the engine decides)."""

    instances: int
    threads: int


def make_work(component: str, threads: int) -> Work:
    """Return the work of a component's folder, or of the empty model for EMPTY."""
    return Empty() if component == EMPTY else Inspection(Path(component), threads)


class Empty:
    """Reads every pixel into a buffer that it keeps, and gives a mask that is always white."""

    def __init__(self) -> None:
        self._read = np.empty((0, 0, 3), np.uint8)
        self._mask = self._read

    def __call__(self, picture: U8) -> U8:
        if picture.shape != self._read.shape:
            self._read = np.empty_like(picture)
            self._mask = np.full_like(picture, 255)
        np.copyto(self._read, picture)
        return self._mask


class Inspection:
    """The agent's own preparation, engine and mask, with the mask laid out in memory as these servers want it."""

    def __init__(self, folder: Path, threads: int) -> None:
        from edge_agent.component.manifest import FILE_NAME, decode_manifest
        from edge_agent.engines.engine import load_on_processor
        from edge_agent.imaging.resize import ArrayPixels
        from edge_agent.inference.host import HostPipeline

        manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source=str(folder))
        engine = load_on_processor(folder / manifest.model, threads)
        self._pipeline, self._pixels = HostPipeline(manifest, engine), ArrayPixels
        self._mask = np.empty((manifest.image.height, manifest.image.width, 3), np.uint8)
        self._bytes = memoryview(self._mask.reshape(-1).data).cast("B")

    def __call__(self, picture: U8) -> U8:
        position = 0
        for buffer in self._pipeline.run(self._pixels(picture)).mask or ():
            self._bytes[position : position + len(buffer)] = buffer
            position += len(buffer)
        return self._mask
