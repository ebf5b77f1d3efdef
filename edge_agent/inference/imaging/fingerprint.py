"""A picture's fingerprint: 256 bits that a picture keeps when it is encoded again, and that another picture has not.

Each bit says which of two neighbouring places of a 16x17 grid is brighter. In even areas that is decided by noise of
less than a grey level, which a new encoding leaves as it is, while the next picture of the same part has another: so
that copies are found among parts that look alike. The idea is that of a difference hash (dHash).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from edge_agent.inference.imaging.resize import U8

_SIDE = 16
BITS = _SIDE * _SIDE
#: of 256 bits, those that may differ between a picture and its copy: encoded again, or cropped by a pixel
_MOST = 40
#: of the bits by which pictures of the set usually differ at least; where parts hardly differ, copies can't be told
_SHARE = 0.45
_ROWS = 256  # compared at once


def fingerprint(picture: U8) -> bytes:
    """Give the fingerprint of a picture, uint8 [height, width, 3]: 32 bytes."""
    red, green, blue = cv2.split(picture)
    # As picture.mean(axis=2) gives it, which takes ten times as long.
    grey = np.divide(np.add(red, green, dtype=np.uint16) + blue, 3, dtype=np.float32)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()


def most_differing(known: Sequence[bytes]) -> float:
    """Give by how many bits a copy of one of these pictures may differ from it, as far as they differ themselves."""
    if len(known) < 2:
        return 0.0
    return min(_MOST, _SHARE * float(np.median([bits for _, bits in nearest(known, known, apart=True)])))


def nearest(some: Sequence[bytes], others: Sequence[bytes], *, apart: bool = False) -> Iterator[tuple[int, int]]:
    """Give for each of `some` the place of the nearest of `others`, and how many bits differ; nothing for no others.

    With `apart` both are the same pictures, and none is the nearest of itself.
    """
    if not others:
        return
    known = np.frombuffer(b"".join(others), np.uint8).reshape(len(others), -1)
    for start in range(0, len(some), _ROWS):
        part = np.frombuffer(b"".join(some[start : start + _ROWS]), np.uint8).reshape(-1, known.shape[1])
        differing = _COUNTS[part[:, None] ^ known[None]].sum(axis=2, dtype=np.int32)
        if apart:
            places = np.arange(len(part))
            differing[places, start + places] = BITS
        best = differing.argmin(axis=1)
        yield from zip(best.tolist(), differing[np.arange(len(part)), best].tolist(), strict=True)


_COUNTS = np.array([bin(value).count("1") for value in range(256)], np.uint8)
