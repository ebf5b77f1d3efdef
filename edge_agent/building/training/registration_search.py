"""Where does a part lie? What the nodes of registration_graph.py tell of one picture, of the few that a training has.

To load a network for each template that is tried would take longer than to look for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.building.training.cores import side_by_side
from edge_agent.building.training.features import F32
from edge_agent.building.training.registration_graph import (
    BESIDE,
    COARSER,
    HIGH_PASS,
    LONGEST,
    SOFTEN,
    STEPS,
    Search,
    tried_angles,
)
from edge_agent.inference.imaging.resize import U8

_FINE = 96  # places on the longer side of what is compared, about
_WITHIN = 0.98  # of the largest circle, or ellipse, in the picture
_LEAST = 1e-6  # of a length: what is shorter is one colour, and has none
_CLOSED_IN = 1e-3  # what was turned out of the picture is looked for at its border, where it is missed

Poses = npt.NDArray[np.float32]


def see(picture: U8) -> F32:
    """See a picture as the graph does: grey, small, without its light."""
    height, width = picture.shape[:2]
    factor = fine_factor(width, height)
    gray = picture.astype(np.float32).mean(axis=2)
    gray = gray.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))
    return np.asarray(gray - _box(gray, HIGH_PASS), np.float32)


def fine_factor(width: int, height: int) -> int:
    """Say how many pixels of the input are one place of what is compared: a power of two, which divides both sides."""
    return int(2 ** max(0, round(np.log2(max(width, height) / _FINE))))


def _box(view: F32, side: int) -> F32:
    """Average what is around each place, as far as there is something."""
    total, count = (
        cv2.boxFilter(of, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        for of in (view, np.ones_like(view))
    )
    return np.asarray(total / count, np.float32)


def _coarse(view: F32) -> F32:
    rows, columns = view.shape
    soft = _box(view, SOFTEN)[: rows // COARSER * COARSER, : columns // COARSER * COARSER]
    found = soft.reshape(rows // COARSER, COARSER, columns // COARSER, COARSER).mean(axis=(1, 3))
    return np.asarray(found, np.float32)


def radii(shape: tuple[int, ...], *, is_circle: bool) -> tuple[float, float]:
    """Give how far down and across it is to the end of what is compared."""
    sides = (min(shape[:2]),) * 2 if is_circle else shape[:2]
    return _WITHIN * sides[0] / 2, _WITHIN * sides[1] / 2


def region(shape: tuple[int, ...], *, is_circle: bool) -> npt.NDArray[np.bool_]:
    """True where parts are compared: where they are seen at every angle, or hardly turned."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    down, across = radii(shape, is_circle=is_circle)
    return np.asarray(np.hypot((y - (shape[0] - 1) / 2) / down, (x - (shape[1] - 1) / 2) / across) <= 1)


def unit(values: F32, of: npt.NDArray[np.bool_] | None = None) -> F32:
    """Take off the mean, and bring to length 1; both of what is looked at. What is all alike becomes 0."""
    looked = values if of is None else values[of]
    centred = values - looked.mean()
    length = float(np.linalg.norm(centred if of is None else centred[of]))
    return np.asarray(centred / length if length > _LEAST * len(values) else np.zeros_like(centred), np.float32)


def warp(view: npt.NDArray[Any], pose: Poses, border: int = cv2.BORDER_REPLICATE) -> npt.NDArray[Any]:
    """Bring a view, or a picture, of a pose to lie as the template."""
    rows, columns = view.shape[:2]
    angle, across, down = (float(value) for value in pose)
    cos, sin, x, y = np.cos(angle), np.sin(angle), (columns - 1) / 2, (rows - 1) / 2
    right, below = across * columns / 2, down * columns / 2
    matrix = np.array([[cos, -sin, x - cos * x + sin * y + right], [sin, cos, y - sin * x - cos * y + below]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(view, matrix, (columns, rows), flags=flags, borderMode=border))


def make_search(
    template: F32, angles: npt.NDArray[np.floating], reach: float, *, is_circle: bool, mean: U8 | None = None
) -> Search:
    """Make what a template is found by, at these angles, and shifted by up to `reach` of the longer side."""
    rows, columns = template.shape
    coarse = _coarse(template)
    around, steps = region(coarse.shape, is_circle=is_circle), max(1, round(reach * max(coarse.shape)))
    turned = [unit(warp(coarse, np.array([-angle, 0, 0], np.float32)), around) * around for angle in angles]
    y, x = np.nonzero(region(template.shape, is_circle=is_circle))
    is_taken = (y + x) % 2 == 0
    y, x = y[is_taken], x[is_taken]
    across, down = (2 * x + 1 - columns) / columns, (2 * y + 1 - rows) / columns
    shown = template[y, x] - template[y, x].mean()
    length = max(float(np.linalg.norm(shown)), _LEAST)
    by_row, by_column = np.gradient(template / length)
    to_right, to_below = by_column[y, x] * columns / 2, by_row[y, x] * columns / 2
    changes = np.stack([to_below * across - to_right * down, to_right, to_below, np.ones(len(x))], axis=1)
    return Search(
        angles=np.asarray(angles, np.float32),
        is_circle=is_circle,
        turned=np.stack(turned)[:, None].astype(np.float32),
        mask=around[None, None].astype(np.float32),
        reach=steps,
        points=np.stack([across, down], axis=1).astype(np.float32),
        shown=(shown / length).astype(np.float32),
        solved=_solve(changes),
        grid=(rows, columns),
        mean=np.full((1, 1, 3), 127, np.uint8) if mean is None else mean,
    )


def _solve(changes: npt.NDArray[np.floating]) -> F32:
    """Give what makes least squares of differences [n]: [n, 3]; the fourth column of `changes` is the light's."""
    square = changes.T @ changes
    return np.asarray((changes @ np.linalg.pinv(square, hermitian=True))[:, :3], np.float32)


def find_poses(search: Search, views: Sequence[F32]) -> tuple[Poses, F32]:
    """Give the poses [n, 3] of what pictures look like on the fine grid, and the correlations [n]."""
    found = side_by_side([partial(_find_pose, search, view) for view in views])
    return np.stack([pose for pose, _ in found]), np.array([fit for _, fit in found], np.float32)


def coarse_fits(searches: Sequence[Search], views: Sequence[F32]) -> F32:
    """Tell how well views fit templates at the best of their angles and places, which are as many for all of them:
    [searches, views]."""
    kernels = np.concatenate([_kernels(search) for search in searches])

    def best(view: F32) -> F32:
        fits = _correlate(searches[0], view, kernels).reshape(len(searches), -1)
        return np.asarray(fits.max(axis=1), np.float32)

    return np.stack(side_by_side([partial(best, view) for view in views]), axis=1)


def _kernels(search: Search) -> F32:
    return search.turned.reshape(len(search.angles), -1)


def _correlate(search: Search, view: F32, kernels: F32) -> F32:
    """Correlate a view with kernels [n, rows * columns] wherever a part may be shifted to: [n, places]."""
    coarse = _coarse(view)
    wide = np.pad(coarse, search.reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(wide, coarse.shape).reshape(-1, coarse.size)
    mask = search.mask.ravel()
    sums, squares = windows @ mask, windows**2 @ mask
    energy = np.maximum(squares - sums**2 / mask.sum(), _LEAST)
    return np.asarray(kernels @ windows.T / np.sqrt(energy), np.float32)


def _find_pose(search: Search, view: F32) -> tuple[Poses, float]:
    fits = _correlate(search, view, _kernels(search))
    side, columns, rows = 2 * search.reach + 1, search.grid[1], search.grid[0]
    step = 2 * COARSER / columns
    found: list[tuple[float, Poses]] = []
    for angle in _chosen_angles(search, fits.max(axis=1)):
        down, across = divmod(int(fits[angle].argmax()), side)
        pose = np.array([search.angles[angle], (across - search.reach) * step, (down - search.reach) * step])
        for _ in range(STEPS):
            seen = _look(view, search.points, pose, rows, columns)
            # As in the graph: Lucas and Kanade, inverse compositional.
            turn, right, below = np.clip((search.shown - seen) @ search.solved, -LONGEST, LONGEST)
            cos, sin = np.cos(pose[0]), np.sin(pose[0])
            pose = pose + np.array([turn, cos * right - sin * below, sin * right + cos * below])
        found.append((float(_look(view, search.points, pose, rows, columns) @ search.shown), pose))
    fit, pose = max(found, key=lambda pair: pair[0])
    return pose.astype(np.float32), fit


def _chosen_angles(search: Search, by_angle: F32) -> list[int]:
    """Choose the angles that fit best, of those beside each other one."""
    count, tried = len(by_angle), tried_angles(search)
    if tried > 1:
        beside = np.arange(count)[:, None] + np.arange(-(BESIDE // 2), BESIDE // 2 + 1)
        by_angle = np.where(by_angle < by_angle[beside % count].max(axis=1), np.float32(-2), by_angle)
    return [int(place) for place in np.argsort(-by_angle, kind="stable")[:tried]]


def _look(view: F32, points: F32, pose: npt.NDArray[np.floating], rows: int, columns: int) -> F32:
    """See what is at the points of a part that lies so, brought to length 1."""
    angle, right, below = pose
    cos, sin = np.cos(angle), np.sin(angle)
    across = cos * points[:, 0] - sin * points[:, 1] + right
    down = sin * points[:, 0] + cos * points[:, 1] + below
    x, y = (
        ((across * columns + columns - 1) / 2).astype(np.float32),
        ((down * columns + rows - 1) / 2).astype(np.float32),
    )
    seen = cv2.remap(view, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return unit(np.asarray(seen[:, 0], np.float32))


def registered_places(places: F32, pose: Poses, size: tuple[int, int]) -> F32:
    """Tell where places of a picture, rows and columns [n, 2] in shares of its sides, are once it is registered."""
    width, height = size
    angle, across, down = (float(value) for value in pose)
    # In halves of the width from the middle, as poses are.
    x, y = 2 * places[:, 1] - 1 - across, (2 * places[:, 0] - 1) * height / width - down
    cos, sin = np.cos(angle), np.sin(angle)
    found = np.stack([((cos * y - sin * x) * width / height + 1) / 2, (cos * x + sin * y + 1) / 2], axis=1)
    return np.asarray(np.clip(found, _CLOSED_IN, 1 - _CLOSED_IN), np.float32)


def laid_places(search: Search, picture: U8, places: F32) -> F32:
    """Tell where places of a picture of the input's size, rows and columns [n, 2] in shares of its sides, are once it
    has been laid alike."""
    return registered_places(places, find_poses(search, [see(picture)])[0][0], (picture.shape[1], picture.shape[0]))
