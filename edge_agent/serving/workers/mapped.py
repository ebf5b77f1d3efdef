"""The worker's side of parcels: mappings of those that it has been sent; see parcels.py."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Sequence

import numpy as np

from edge_agent.inference.imaging.mask import copy_mask
from edge_agent.inference.imaging.resize import U8


class MappedParcel:
    """A parcel's bytes."""

    def __init__(self, descriptor: int) -> None:
        """Map the parcel; its descriptor is closed."""
        try:
            memory = mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)
        #: uint8 [bytes]
        self.content: U8 = np.frombuffer(memory, np.uint8)

    def write(self, mask: Sequence[memoryview], start: int, *, white: bool) -> None:
        """Write a mask's buffers, one after the other, from `start` on, where everything may be `white` already."""
        copy_mask(mask, self.content[start:], white=white)


class MappedParcels:
    """Parcels by number."""

    def __init__(self) -> None:
        self._parcels: dict[int, MappedParcel] = {}

    def __len__(self) -> int:
        return len(self._parcels)

    def __getitem__(self, number: int) -> MappedParcel:
        return self._parcels[number]

    def add(self, number: int, descriptor: int) -> None:
        """Map a parcel whose descriptor has just arrived, and own that."""
        self._parcels[number] = MappedParcel(descriptor)

    def forget(self, numbers: Iterable[int]) -> None:
        """Give up parcels that the front process has destroyed; their memory is then free."""
        for number in numbers:
            self._parcels.pop(number, None)
