"""Masks as people draw them: palettes, transparency, soft edges, colours that are nearly right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from edge_agent.building.datasets.dataset import MaskFile, Rgb
from edge_agent.errors import DatasetError
from edge_agent.inference.imaging.resize import U8

#: a pixel has a label's colour when no channel is further off
_NEAR = 24
_OPAQUE = 128  # of 255: at least half
_USUAL_BACKGROUNDS: tuple[Rgb, ...] = ((255, 255, 255), (0, 0, 0))
#: around what is labelled, and around what is not, colours are mixed: pixels
_SOFT_EDGE = 2
#: a stray pixel is no undeclared colour
_LEAST_UNDECLARED = 9


class Mask(NamedTuple):
    """Classes uint8 [height, width], 0 for the background, i for the i-th label; and colours that nobody declared."""

    classes: U8
    undeclared: tuple[str, ...]


def read_mask(mask: MaskFile, labels: tuple[str, ...]) -> Mask:
    """Read a mask.

    A pixel belongs to a label where its colour is near the label's and it is at least half opaque.

    Raises:
        DatasetError: it is not a PNG, or can't be read.
    """
    rgba = _read_rgba(mask.path)
    rgb = rgba[..., :3].astype(np.int16)
    opaque = rgba[..., 3] >= _OPAQUE
    classes = np.zeros(opaque.shape, np.uint8)
    known = ~opaque
    distance = np.full(opaque.shape, _NEAR + 1, np.int16)
    for name, color in _with_background(mask.colors):
        off = np.abs(rgb - np.array(color, np.int16)).max(axis=2)
        nearer = opaque & (off < distance)
        classes[nearer] = 0 if name is None else labels.index(name) + 1
        distance[nearer] = off[nearer]
        known |= nearer
    return Mask(classes, _undeclared(rgb, known, classes))


def _with_background(colors: Mapping[str | None, Rgb]) -> list[tuple[str | None, Rgb]]:
    """Where no background is declared it is white or black, unless a label is."""
    declared = list(colors.items())
    if None not in colors:
        declared += [(None, color) for color in _USUAL_BACKGROUNDS if color not in colors.values()]
    return declared


def _read_rgba(path: Path) -> U8:
    try:
        with Image.open(path) as image:
            if image.format != "PNG":
                raise DatasetError(f"mask {path} is a {image.format} file, expected PNG")
            return np.asarray(image.convert("RGBA"))
    except UnidentifiedImageError:
        raise DatasetError(f"mask {path} is not a PNG file") from None
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"mask {path} can't be read: {getattr(error, 'strerror', None) or error}") from None


def _undeclared(rgb: npt.NDArray[np.int16], known: npt.NDArray[np.bool_], classes: U8) -> tuple[str, ...]:
    """Name the colours of pixels that are neither declared nor a mixture at an edge, most frequent first."""
    if known.all():
        return ()
    # An edge is where a label and something else meet; mixed colours there are the drawing program's smoothing.
    kernel = np.ones((2 * _SOFT_EDGE + 1,) * 2, np.uint8)
    edge = cv2.dilate((classes > 0).astype(np.uint8), kernel) > 0
    colors, counts = np.unique(rgb[~known & ~edge].reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts)
    return tuple("#{:02x}{:02x}{:02x}".format(*colors[i]) for i in order if counts[i] >= _LEAST_UNDECLARED)[:8]
