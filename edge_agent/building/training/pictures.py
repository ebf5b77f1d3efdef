"""The training pictures, shrunk to the inputs that may be tried at once: to decode a file takes longer than that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock

import numpy as np

from edge_agent.building.datasets.dataset import NORMAL, Example
from edge_agent.building.training.cores import side_by_side
from edge_agent.building.training.features import choose_input_size
from edge_agent.building.training.options import Options
from edge_agent.building.training.resolution import MOST_PICTURES, larger_size, twice
from edge_agent.building.training.shrinking import shrink
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.imaging.sight import Sight, copy_rows, measure

Size = tuple[int, int]

#: of pictures in full size that are kept for specks, where they may be wanted: they are let go before most is needed
_MOST_IN_FULL = 128 << 20


class TrainingPictures:
    """What was seen of pictures when they were read, which may be when they were checked; from any thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = Lock()
        self._shrunk: dict[Size, dict[Path, U8]] = {}
        self._sights: dict[Path, Sight] = {}
        #: views of the block, one piece of memory that goes back to the kernel with the last of them
        self._full: dict[Path, U8] = {}
        self._block: U8 | None = None
        self._is_checking = True
        self._is_masked = False

    def sizes(self, picture: Size) -> tuple[Size, Size | None]:
        """Give the usual input for pictures of a size, and the larger one that may be tried beside it."""
        return _sizes(picture, self._options)

    def is_large(self, picture: Size) -> bool:
        """Tell whether an input of twice the sides may be tried: defects may be a few pixels of a picture of this
        size."""
        usual, larger = self.sizes(picture)
        return larger == twice(usual)

    def size_with_masks(self, picture: Size) -> Size | None:
        """Give the input that is taken where masks are learned; None where it is the usual one."""
        if self._options.quality != "best" or self._options.task == "classification" or self._options.locate:
            return None
        return _best(picture, self.sizes(picture)[0])

    def see(self, example: Example, picture: U8) -> None:
        """Keep of a picture what a training needs."""
        source = (picture.shape[1], picture.shape[0])
        usual, larger = self.sizes(source)
        with_masks = self.size_with_masks(source)
        sight = measure(copy_rows(ArrayPixels(np.ascontiguousarray(picture)), *source))
        self._is_masked |= bool(with_masks and example.mask)
        for size in {usual, larger, with_masks}:
            is_sure = size == usual or (size == with_masks and self._is_masked)
            if size and (is_sure or len(self._sights) < MOST_PICTURES):
                shrunk = shrink(picture, size)
                with self._lock:
                    self._shrunk.setdefault(size, {})[example.path] = shrunk
        with self._lock:
            self._sights[example.path] = sight
            if larger and example.label == NORMAL and self._is_checking:
                self._keep_full(example.path, picture)
            # Of so many pictures no larger input is tried, and what was kept for it is let go; without a mask among
            # them they may have none.
            if len(self._sights) > MOST_PICTURES:
                for size in {larger, with_masks}:
                    if size and not (size == with_masks and self._is_masked):
                        self._shrunk.pop(size, None)

    def _keep_full(self, path: Path, picture: U8) -> None:
        if self._block is None:
            self._block = np.empty((_MOST_IN_FULL // picture.nbytes, *picture.shape), np.uint8)
        place = len(self._full)
        if place < len(self._block) and picture.shape == self._block.shape[1:] and path not in self._full:
            self._block[place] = picture
            self._full[path] = self._block[place]

    def keep(self, examples: Sequence[Example], sizes: Sequence[Size]) -> None:
        """Let go of everything but these pictures, shrunk to these sizes."""
        paths = {example.path for example in examples}
        self._sights = {path: sight for path, sight in self._sights.items() if path in paths}
        self._shrunk = {
            size: {path: picture for path, picture in shrunk.items() if path in paths}
            for size, shrunk in self._shrunk.items()
            if size in sizes
        }
        self._block, self._is_checking = None, False
        # In full size they are asked for where a larger input is tried.
        self._full = {path: picture for path, picture in self._full.items() if path in paths and len(sizes) > 1}

    def take(self, examples: Sequence[Example], size: Size) -> list[U8]:
        """Give pictures as uint8 [height, width, 3] of one of the sizes, and keep them no longer; those that were not
        seen, or not kept in that size, are read."""

        def read(example: Example) -> U8:
            picture = read_picture(example.path, example.pixel_format)
            if example.path not in self._sights:
                self.see(example, picture)
            found = self._shrunk.get(size, {}).get(example.path)
            return shrink(picture, size) if found is None else found

        kept = self._shrunk.get(size, {})
        found = {example.path: kept[example.path] for example in examples if example.path in kept}
        missing = {example.path: example for example in examples if example.path not in found}
        found |= zip(missing, side_by_side([partial(read, example) for example in missing.values()]), strict=True)
        for path in found:
            self._shrunk.get(size, {}).pop(path, None)
        return [found[example.path] for example in examples]

    def read(self, example: Example) -> U8:
        """Give a picture in full size, and keep it no longer; it is read again where it was not kept."""
        found = self._full.pop(example.path, None)
        return read_picture(example.path, example.pixel_format) if found is None else found

    def forget_full(self, but: Sequence[Example] = ()) -> None:
        """Let go of pictures in full size `but` these: any that is left holds the memory of all."""
        paths = {example.path for example in but}
        self._full = {path: picture for path, picture in self._full.items() if path in paths}

    def sights(self, examples: Sequence[Example]) -> list[Sight]:
        """Tell how pictures that were seen look."""
        return [self._sights[example.path] for example in examples]


@lru_cache(maxsize=16)
def _sizes(picture: Size, options: Options) -> tuple[Size, Size | None]:
    if options.input_size:
        return options.input_size, None
    if options.quality in ("speed", "normal"):
        return choose_input_size(*picture, options.quality), None
    usual = choose_input_size(*picture)
    return usual, larger_size(picture, usual) or (_best(picture, usual) if options.quality == "best" else None)


def _best(picture: Size, usual: Size) -> Size | None:
    size = choose_input_size(*picture, "best")
    return size if size[0] * size[1] > usual[0] * usual[1] else None
