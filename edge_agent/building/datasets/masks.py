"""Masks as people draw them: palettes, transparency, soft edges, colours that are nearly right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from edge_agent.access.rights import describe_refusal
from edge_agent.building.datasets.dataset import MaskFile, Rgb, write_color
from edge_agent.errors import DatasetError, InvalidRequest
from edge_agent.inference.imaging.picture_file import check_sides, examine
from edge_agent.inference.imaging.resize import U8

#: a pixel has a label's colour when no channel is further off
_NEAR = 24
_OPAQUE = 128  # of 255: at least half
_USUAL_BACKGROUNDS: tuple[Rgb, ...] = ((255, 255, 255), (0, 0, 0))
#: around what is labelled, and around what is not, colours are mixed: pixels
_SOFT_EDGE = 2
#: a stray pixel is no undeclared colour
_LEAST_UNDECLARED = 9
_SHOWN = 8  # values or colours in a sentence


class Mask(NamedTuple):
    """Classes uint8 [height, width], 0 for the background, i for the i-th label; and colours that nobody declared."""

    classes: U8
    undeclared: tuple[str, ...]
    #: one colour everywhere
    uniform: bool = False


def read_mask(mask: MaskFile, labels: tuple[str, ...]) -> Mask:
    """Read a mask.

    A pixel belongs to a label where its colour is near the label's and it is at least half opaque. All white, all
    black or all transparent is nothing marked, whatever the background was declared to be, unless a label is so.

    Raises:
        DatasetError: it is not a PNG, or can't be read; or the files of one picture have different sizes.
    """
    rgba = _read_rgba(mask.path)
    if mask.any_value:
        return _any_value(mask, rgba, labels)
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
    uniform = bool((rgba == rgba[0, 0]).all())
    if not classes.any() and uniform and _is_usual_background(rgba[0, 0]):
        return Mask(classes, (), uniform)
    return Mask(classes, _undeclared(rgb, known, classes), uniform)


def fitted_classes(mask: MaskFile, labels: tuple[str, ...], shape: tuple[int, int]) -> U8:
    """Give the classes of a mask in the size of its picture, [height, width]; one that marks nothing fits any.

    Raises:
        DatasetError: it can't be read, or has another size.
    """
    classes = read_mask(mask, labels).classes
    if not classes.any():
        return np.zeros(shape, np.uint8)
    if classes.shape != shape:
        raise DatasetError(
            f"mask {mask.path} is {classes.shape[1]}x{classes.shape[0]}, its picture {shape[1]}x{shape[0]}"
        )
    return classes


def describe(mask: MaskFile) -> str:
    """Say in words what a mask that marks nothing contains.

    Raises:
        DatasetError: it can't be read.
    """
    rgba = _read_rgba(mask.path)
    seen = rgba[rgba[..., 3] >= _OPAQUE][:, :3]
    faint = rgba[(rgba[..., 3] < _OPAQUE) & (rgba[..., 3] > 0)]
    for name, color in mask.colors.items():
        near = (np.abs(faint[:, :3].astype(np.int16) - np.array(color, np.int16)) <= _NEAR).all(axis=1)
        if name is not None and near.any():
            opacity = round(100 * float(faint[near][:, 3].mean()) / 255)
            return (
                f"the colour {write_color(color)} of '{name}' is there, but at {opacity} % opacity, and half is needed"
            )
    if not len(seen):
        return "it is transparent everywhere"
    if (seen == seen[:, :1]).all():
        values = np.unique(seen[:, 0]).tolist()
        if values in ([0], [255]):
            return f"it is {'black' if values == [0] else 'white'} everywhere"
        shown = ", ".join(map(str, values[:_SHOWN])) + (", …" if len(values) > _SHOWN else "")
        text = f"it holds the values {shown} of 255, and {mask.declared} is expected"
        if not mask.attribute and len(values) == 2 and values[0] == 0:  # of a folder, where labels can be declared
            declared = write_color((values[1],) * 3)
            text += f'; masks/labels.json with {{"anomaly": "{declared}"}} makes {values[1]} the label'
        return text
    colors, counts = np.unique(seen, axis=0, return_counts=True)
    shown = ", ".join(write_color(tuple(colors[i])) for i in np.argsort(-counts)[:_SHOWN])
    return f"it holds the colours {shown}, and {mask.declared} is expected"


def _any_value(mask: MaskFile, rgba: U8, labels: tuple[str, ...]) -> Mask:
    label = next(labels.index(name) + 1 for name in mask.colors if name is not None)
    marked = (rgba[..., :3] > 0).any(axis=2) & (rgba[..., 3] >= _OPAQUE)
    for path in mask.more:
        other = _read_rgba(path)
        if other.shape != rgba.shape:
            raise DatasetError(
                f"mask {path} is {other.shape[1]}x{other.shape[0]}, mask {mask.path} of the same picture is "
                f"{rgba.shape[1]}x{rgba.shape[0]}"
            )
        marked |= (other[..., :3] > 0).any(axis=2) & (other[..., 3] >= _OPAQUE)
    return Mask(marked.astype(np.uint8) * np.uint8(label), (), bool(marked.all() or not marked.any()))


def _with_background(colors: Mapping[str | None, Rgb]) -> list[tuple[str | None, Rgb]]:
    """Where no background is declared it is white or black, unless a label is."""
    declared = list(colors.items())
    if None not in colors:
        declared += [(None, color) for color in _USUAL_BACKGROUNDS if color not in colors.values()]
    return declared


def _is_usual_background(rgba: U8) -> bool:
    return any(
        max(abs(int(a) - b) for a, b in zip(rgba[:3], usual, strict=True)) <= _NEAR for usual in (_USUAL_BACKGROUNDS)
    )


def _read_rgba(path: Path) -> U8:
    """Read a mask, turned as its own EXIF orientation says, as pictures are."""
    try:
        file = examine(path, "mask ", "PNG file")
        if file.format != "PNG":
            raise DatasetError(f"mask {path} is a {file.format} file, expected PNG")
        check_sides(file, "mask ")
        with Image.open(path, formats=("PNG",)) as image:
            return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(image).convert("RGBA")))
    except InvalidRequest as error:
        raise DatasetError(str(error)) from None
    except (OSError, SyntaxError, ValueError) as error:
        said = describe_refusal(error, path) if isinstance(error, OSError) else error
        raise DatasetError(f"mask {path} can't be read: {said}") from None


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
