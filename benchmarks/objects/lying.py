"""Parts that don't lie as the camera's maker wished: any kind's pictures, turned and shifted.

A kind's name with `@` behind it: turned by any angle; with `~`: by up to 8 degrees, and shifted by up to 3 % of the
longer side, as on a conveyor with a guide. With `#` it is another kind of picture: a panel of six parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from benchmarks.objects.canvas import U8

ANY_ANGLE, ELSEWHERE, PANEL = "@", "~", "#"
_DEGREES, _SHIFT = 8.0, 0.03
_SEED = 5


def plain_kind(kind: str) -> str:
    """Give the kind whose parts lie alike, one in a picture."""
    return kind.rstrip(ANY_ANGLE + ELSEWHERE + PANEL)


def lie(pictures: Iterable[tuple[U8, bool]], kind: str) -> Iterator[tuple[U8, bool]]:
    """Turn and shift pictures as the kind's name says, the same way each time; mirrored at the border."""
    if not kind.endswith((ANY_ANGLE, ELSEWHERE)):
        yield from pictures
        return
    rng, any_angle = np.random.default_rng(_SEED), kind.endswith(ANY_ANGLE)
    for picture, is_bad in pictures:
        height, width = picture.shape[:2]
        angle = rng.uniform(0, 360) if any_angle else rng.uniform(-_DEGREES, _DEGREES)
        how = cv2.getRotationMatrix2D((width / 2, height / 2), float(angle), 1.0)
        if not any_angle:
            how[:, 2] += rng.uniform(-_SHIFT, _SHIFT, 2) * max(height, width)
        turned = cv2.warpAffine(
            np.ascontiguousarray(picture), how, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        yield np.asarray(turned, np.uint8), is_bad
