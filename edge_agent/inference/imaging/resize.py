"""From a bitmap of any size to the model's input size.

A picture is read in strips of rows that fit the processor's cache, resized while they are still there, and never held
as a whole: for a 4096x4096 bitmap that saves writing and re-reading 50 MB. `area` gives each output pixel the mean of
the area it covers, fractions of pixels included, within half a grey level.

OpenCV's INTER_AREA is fast for whole factors (2 input pixels for 1, 3 for 1, …) and used for them. For the others it is
slow: its loops run over single pixels. Here the vertical sums are taken over whole rows, by functions of numpy's and
OpenCV's that are vectorised, and its filter does the horizontal part on what is left. docs/performance-tried.md has the
figures.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
from abc import ABC, abstractmethod
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.hardware.processor import second_level_bytes
from edge_agent.inference.imaging.bitmap import CHANNELS

U8 = npt.NDArray[np.uint8]
Filter = Literal["area", "bilinear", "bicubic", "nearest"]

_CV_FILTERS = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}
#: bytes of a strip: half of a core's L2 cache, so that strip and sums stay in it, but no more than is of use
_LEAST_STRIP, _LARGEST_STRIP = 1 << 18, 1 << 19
#: below this vertical factor an output row sums so few whole rows that OpenCV's own loop is faster than a call for each
_FEW_ROWS = 2.6
#: so many groups of rows in the smallest strip make summing them at once faster than row by row
_ENOUGH_GROUPS = 4
_MOST_IN_16_BITS = 0xFFFF // 0xFF  # bytes of the largest value


class Pixels(Protocol):
    """A bitmap that is read by rows, or as a whole."""

    @property
    def in_memory(self) -> bool:
        """Whether rows are looked at where they lie: they stay valid, and several threads may read at once."""
        ...

    def rows(self, first: int, last: int) -> U8:
        """Give rows first..last-1 as [rows, width * 3]; what was given before is no longer valid."""
        ...

    def read_into(self, bitmap: U8) -> None:
        """Fill `bitmap`, uint8 [height, width, 3] and C-contiguous, with all of them."""
        ...


class ArrayPixels:
    """A bitmap that is already in memory: uint8 [height, width, 3], C-contiguous."""

    in_memory = True

    def __init__(self, array: U8) -> None:
        self._rows = array.reshape(array.shape[0], -1)

    def rows(self, first: int, last: int) -> U8:
        return self._rows[first:last]

    def read_into(self, bitmap: U8) -> None:
        np.copyto(bitmap.reshape(self._rows.shape), self._rows)


class Resizer(Protocol):
    """Resizes bitmaps of one size to another into a buffer that it keeps."""

    def __call__(self, pixels: Pixels) -> U8:
        """Return uint8 [height, width, 3], valid until the next call; it may be the bitmap itself."""
        ...


def make_resizer(source: tuple[int, int], target: tuple[int, int], kind: Filter) -> Resizer:
    """Choose how (width, height) `source` becomes `target`; one filter means one result, whatever way is taken."""
    if source == target:
        return _Whole(source, target, cv2.INTER_NEAREST)
    whole_factor = source[0] % target[0] == 0 and source[1] % target[1] == 0
    if kind == "nearest" and whole_factor:
        return _ByStrips(source, target, cv2.INTER_NEAREST)
    if kind != "area" or target[0] > source[0] or target[1] > source[1]:
        return _Whole(source, target, _CV_FILTERS[kind])
    groups = _group(source, target)
    enough = _LEAST_STRIP // groups.size >= _ENOUGH_GROUPS
    if not whole_factor and enough and groups.rows_in <= _MOST_IN_16_BITS:
        return _AreaByGroups(source, target, groups)
    if whole_factor or source[1] / target[1] < _FEW_ROWS:
        return _ByStrips(source, target, cv2.INTER_AREA)
    return _AreaByAnyFactor(source, target)


class _Whole:
    """Filters that need neighbours: the whole picture at once."""

    def __init__(self, source: tuple[int, int], target: tuple[int, int], cv_filter: int) -> None:
        self._source, self._target, self._filter = source, target, cv_filter
        self._out = np.empty((target[1], target[0], CHANNELS), np.uint8)

    def __call__(self, pixels: Pixels) -> U8:
        width, height = self._source
        picture = pixels.rows(0, height).reshape(height, width, CHANNELS)
        if self._source == self._target:
            return picture
        cv2.resize(picture, self._target, dst=self._out, interpolation=self._filter)
        return self._out


@functools.cache
def _strip_bytes() -> int:
    return min(max(_LEAST_STRIP, second_level_bytes() // 2), _LARGEST_STRIP)


class InStrips(ABC):
    """A Resizer whose strips have nothing in common: they may be resized in any order.

    A strip is so many units, which are the smallest that can be resized by themselves; the last may have fewer.
    """

    def __init__(self, target: tuple[int, int], units: int, unit_bytes: float) -> None:
        """Make (width, height) `target` of so many units, each of so many bytes of the bitmap."""
        self._units = units
        step = max(1, int(_strip_bytes() / unit_bytes))
        #: into how many strips a bitmap is divided, as evenly as may be
        self.strips = -(-units // step)
        self._step = -(-units // self.strips)
        #: where the strips come together, uint8 [height, width, 3]
        self.out: U8 = np.empty((target[1], target[0], CHANNELS), np.uint8)
        self._make_buffers()

    def __call__(self, pixels: Pixels) -> U8:
        for strip in range(self.strips):
            self.resize_strip(pixels, strip)
        return self.out

    def resize_strip(self, pixels: Pixels, strip: int) -> None:
        """Resize one of `strips` strips."""
        first = strip * self._step
        self._resize(pixels, first, min(first + self._step, self._units))

    def twin(self) -> InStrips:
        """Return another whose strips come together at the same place, for another thread."""
        other = copy.copy(self)
        other._make_buffers()
        return other

    @abstractmethod
    def _make_buffers(self) -> None:
        """Make the memory that one strip takes."""

    @abstractmethod
    def _resize(self, pixels: Pixels, first: int, last: int) -> None:
        """Resize units first..last-1."""


class _ByStrips(InStrips):
    """A filter of OpenCV's that needs no neighbours, on strips that begin and end where rows of input and output do."""

    def __init__(self, source: tuple[int, int], target: tuple[int, int], cv_filter: int) -> None:
        self._source, self._target, self._filter = source, target, cv_filter
        common = math.gcd(source[1], target[1])
        self._rows_in, self._rows_out = source[1] // common, target[1] // common  # of the smallest such strip
        super().__init__(target, common, source[0] * CHANNELS * self._rows_in)

    def _make_buffers(self) -> None:
        pass

    def _resize(self, pixels: Pixels, first: int, last: int) -> None:
        strip = pixels.rows(first * self._rows_in, last * self._rows_in)
        out = self.out[first * self._rows_out : last * self._rows_out]
        cv2.resize(
            strip.reshape(strip.shape[0], self._source[0], CHANNELS),
            (self._target[0], out.shape[0]),
            dst=out,
            interpolation=self._filter,
        )


class _Group(NamedTuple):
    """How rows are divided into groups that begin and end where rows of both do: by 2.5, 5 of input for 2 of output."""

    number: int
    rows_in: int
    rows_out: int
    #: bytes of the input's rows
    size: int


def _group(source: tuple[int, int], target: tuple[int, int]) -> _Group:
    """Divide rows into the smallest such groups."""
    number = math.gcd(source[1], target[1])
    rows_in = source[1] // number
    return _Group(number, rows_in, target[1] // number, source[0] * CHANNELS * rows_in)


class _GroupRow(NamedTuple):
    """Which rows of its group an output row covers, by the input row's number in the group."""

    #: those that lie in it
    whole: list[int]
    #: those of which a part does, in that many shares of a row
    parts: list[tuple[int, int]]


class _AreaByGroups(InStrips):
    """What an output row is made of is the same in all groups, so all of a strip's are summed at once.

    A row counts as many shares as there are output rows in a group: so all weights are whole numbers, and sums exact.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int], group: _Group) -> None:
        self._width, self._columns = source[0], target[0]
        self._rows_in, self._rows_out = group.rows_in, group.rows_out
        self._made_of = [_of_group(place, self._rows_in, self._rows_out) for place in range(self._rows_out)]
        super().__init__(target, group.number, group.size)

    def _make_buffers(self) -> None:
        row = self._width * CHANNELS
        self._sums = np.empty((self._step, row), np.uint16)
        self._part = np.empty((self._step, row), np.uint16)
        self._tall = np.empty((self._step, self._rows_out, row), np.float32)
        self._small = np.empty((self._step * self._rows_out, self._columns, CHANNELS), np.float32)

    def _resize(self, pixels: Pixels, first: int, last: int) -> None:
        strip = pixels.rows(first * self._rows_in, last * self._rows_in).reshape(last - first, self._rows_in, -1)
        for place, made_of in enumerate(self._made_of):
            self._tall[: last - first, place] = self._sum(strip, made_of)
        count = (last - first) * self._rows_out
        small = self._small[:count]
        cv2.resize(
            self._tall[: last - first].reshape(count, self._width, CHANNELS),
            (self._columns, count),
            dst=small,
            interpolation=cv2.INTER_AREA,
        )
        out = self.out[first * self._rows_out : last * self._rows_out]
        cv2.convertScaleAbs(small, dst=out, alpha=1 / self._rows_in)  # rounds

    def _sum(self, strip: U8, made_of: _GroupRow) -> npt.NDArray[np.uint16]:
        """Add up the shares of one output row in each of a strip's groups; valid until the next."""
        sums, part = self._sums[: len(strip)], self._part[: len(strip)]
        whole, parts = made_of
        if len(whole) > 1:
            np.add(strip[:, whole[0]], strip[:, whole[1]], out=sums, dtype=np.uint16)
            for row in whole[2:]:
                np.add(sums, strip[:, row], out=sums)
            np.multiply(sums, self._rows_out, out=sums)
        elif whole:
            np.multiply(strip[:, whole[0]], self._rows_out, out=sums, dtype=np.uint16)
        else:
            sums.fill(0)
        for row, shares in parts:
            np.multiply(strip[:, row], shares, out=part, dtype=np.uint16)
            np.add(sums, part, out=sums)
        return sums


def _of_group(place: int, rows_in: int, rows_out: int) -> _GroupRow:
    """Say what an output row is made of that covers shares [place * rows_in, (place + 1) * rows_in) of its group."""
    first, last = place * rows_in, (place + 1) * rows_in
    shares = {
        row: min(last, (row + 1) * rows_out) - max(first, row * rows_out)
        for row in range(first // rows_out, -(-last // rows_out))
    }
    whole = [row for row, count in shares.items() if count == rows_out]
    return _GroupRow(whole, [(row, count) for row, count in shares.items() if count < rows_out])


class _OutputRow(NamedTuple):
    """What one output row covers: whole input rows, and parts of the one before and of the one after."""

    top: int
    bottom: int
    head: int
    #: share of the head in what has been added up when it has been added, and the same for the tail
    head_share: float
    tail: int
    tail_share: float
    #: from the weighted mean that this comes to, to the mean over the height of the row
    scale: float


class _AreaByAnyFactor(InStrips):
    """Output row i covers input rows [i * f, (i + 1) * f): a first part, whole rows, and a last part."""

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        self._source, self._target = source, target
        width, height = source
        edges = [i * height / target[1] for i in range(target[1] + 1)]
        self._rows = [_cover(first, last, height) for first, last in itertools.pairwise(edges)]
        self._scales = np.array([row.scale for row in self._rows], np.float32).reshape(-1, 1, 1)
        factor = height / target[1]
        super().__init__(target, target[1], width * CHANNELS * factor)

    def _make_buffers(self) -> None:
        self._tall = np.empty((self._step, self._source[0] * CHANNELS), np.float32)
        self._small = np.empty((self._step, self._target[0], CHANNELS), np.float32)

    def _resize(self, pixels: Pixels, first: int, last: int) -> None:
        count = last - first
        base = self._rows[first].head
        strip = pixels.rows(base, self._rows[last - 1].tail + 1)
        for place, row in enumerate(self._rows[first:last]):
            total = self._tall[place : place + 1]
            cv2.reduce(strip[row.top - base : row.bottom - base], 0, cv2.REDUCE_SUM, dst=total, dtype=cv2.CV_32F)
            for part, share in ((row.head, row.head_share), (row.tail, row.tail_share)):
                if share:
                    cv2.accumulateWeighted(strip[part - base : part - base + 1], total, share)
        small = self._small[:count]
        cv2.resize(
            self._tall[:count].reshape(count, self._source[0], CHANNELS),
            (self._target[0], count),
            dst=small,
            interpolation=cv2.INTER_AREA,
        )
        np.multiply(small, self._scales[first:last], out=small)
        cv2.convertScaleAbs(small, dst=self.out[first:last])  # rounds


def _cover(first: float, last: float, height: int) -> _OutputRow:
    """Say what the output row that covers input rows [first, last) is made of; it covers a whole one at least.

    accumulateWeighted makes (1 - share) * sum + share * row: with these shares that is the sum of whole rows and
    weighted parts, divided by 1 + the weights.
    """
    top, bottom = math.ceil(first), math.floor(last)
    head_weight, tail_weight = top - first, last - bottom
    weights = 1 + head_weight + tail_weight
    return _OutputRow(
        top,
        bottom,
        head=math.floor(first),
        head_share=head_weight / (1 + head_weight),
        tail=min(bottom, height - 1),
        tail_share=tail_weight / weights,
        scale=weights / (last - first),
    )
