"""From a map of classes to the mask: RGB888 of the picture's size, one colour a label, and each label's area.

The map is enlarged by nearest neighbour: row y of the mask shows row floor(y * map height / height) of the map, and
columns likewise. So the mask is never laid out in memory. It is given as a list of buffers, in which the rows that
repeat stand again and again, ready for one pwritev; rows of nothing but background all come from one small buffer, and
are filled in where memory can be (`copy_mask`). The areas follow exactly from how often each row and column of the map
repeats.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.component.manifest import Label
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8

#: rows of background are written in blocks of about this many bytes: large enough for few system calls, small enough
#: to be read from the cache
_BACKGROUND_BYTES = 1 << 18
#: of every byte of white, which the background always is: component/manifest.py
_WHITE = 0xFF
_BACKGROUND = bytes([_WHITE]) * _BACKGROUND_BYTES


def shown_by(count: int, mask_count: int) -> npt.NDArray[np.int64]:
    """Say which of a map's `count` rows (or columns) each of the mask's shows."""
    return np.arange(mask_count, dtype=np.int64) * count // mask_count


class Mask(NamedTuple):
    """A painted mask: the buffers, one after the other, are its pixels; areas are fractions in the labels' order."""

    buffers: list[memoryview]
    areas: list[float]


def is_blank(buffers: Iterable[memoryview]) -> bool:
    """Tell whether a mask is nothing but background, as that of a normal picture is."""
    return all(buffer.obj is _BACKGROUND for buffer in buffers)


def copy_mask(buffers: Iterable[memoryview], target: U8, *, white: bool = False) -> None:
    """Lay a mask's buffers out in `target`, uint8 [bytes], one after the other; background not where it is `white`.

    Filling memory takes a third to half of the time of copying to it: docs/performance-tried.md.
    """
    data, start = target.data, 0
    for buffer in buffers:
        end = start + len(buffer)
        if buffer.obj is _BACKGROUND:
            if not white:
                target[start:end].fill(_WHITE)
        else:
            data[start:end] = buffer
        start = end


class MaskPainter:
    """Paints masks of one size. What it gives is valid until the next call."""

    def __init__(self, labels: tuple[Label, ...], width: int, height: int) -> None:
        """Paint with the labels' colours; that of the first, the background, is white."""
        colors = [bytes.fromhex(label.color[1:]) for label in labels]
        self._count = len(labels)
        # As a table of 256 colours, which OpenCV applies several times faster than numpy indexes with one of few.
        self._palette = np.zeros((256, 1, CHANNELS), np.uint8)
        self._palette[: self._count, 0] = [tuple(color) for color in colors]
        self._width, self._height = width, height
        self._row_bytes = width * CHANNELS
        self._block_rows = _BACKGROUND_BYTES // self._row_bytes
        self._background = memoryview(_BACKGROUND)[: self._block_rows * self._row_bytes]
        self._map_shape = (0, 0)
        #: the mask of a normal picture, which is what a line has nearly always
        self._nothing = Mask(self._rows_of_background(height), [1.0] + [0.0] * (self._count - 1))

    def _prepare(self, map_height: int, map_width: int) -> None:
        """Work out once for maps of this shape which mask row and column shows which of the map."""
        self._map_shape = (map_height, map_width)
        rows = shown_by(map_height, self._height)
        self._columns = shown_by(map_width, self._width)
        self._row_counts = np.bincount(rows, minlength=map_height)
        self._column_counts = np.bincount(self._columns, minlength=map_width)
        self._repeats: list[int] = self._row_counts.tolist()

    def __call__(self, classes: npt.NDArray[np.uint8]) -> Mask:
        """Paint a map of classes [h, w], each below the number of labels."""
        if classes.shape != self._map_shape:
            self._prepare(*classes.shape)
        if not classes.any():
            return self._nothing
        painted = np.flatnonzero(classes.any(axis=1))
        wide = np.asarray(cv2.applyColorMap(np.take(classes[painted], self._columns, axis=1), self._palette), np.uint8)
        return Mask(self._assemble(painted.tolist(), wide), self._measure(classes))

    def _assemble(self, painted: list[int], wide: U8) -> list[memoryview]:
        data = memoryview(wide.reshape(-1).data).cast("B")
        buffers: list[memoryview] = []
        empty = start = next_row = 0
        for row in painted:
            empty += sum(self._repeats[next_row:row])
            next_row = row + 1
            if empty:
                buffers += self._rows_of_background(empty)
                empty = 0
            buffers += [data[start : start + self._row_bytes]] * self._repeats[row]
            start += self._row_bytes
        return buffers + self._rows_of_background(sum(self._repeats[next_row:]))

    def _rows_of_background(self, count: int) -> list[memoryview]:
        whole, rest = divmod(count, self._block_rows)
        tail = [self._background[: rest * self._row_bytes]] if rest else []
        return [self._background] * whole + tail

    def _measure(self, classes: U8) -> list[float]:
        total = self._width * self._height
        counts = [int(self._row_counts @ ((classes == label) @ self._column_counts)) for label in range(1, self._count)]
        return [(total - sum(counts)) / total] + [count / total for count in counts]
