"""Do parts lie at any angle, or a little elsewhere? Then each picture is brought to lie as the others.

What is usual at a place, and where something should be, is known only where parts lie alike. On a conveyor they don't:
a label that lies at any angle has hardly a place twice. Good parts tell by themselves whether they look alike once they
are turned and shifted, and whether they lay alike before; only where the first is so and the second is not, pictures
are registered. A screw that lies the wrong way round in a tray stays what it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.building.training import backbone
from edge_agent.building.training.features import F32, input_spec
from edge_agent.building.training.registration_graph import (
    COARSER,
    CORRELATION,
    HIGH_PASS,
    POSE,
    REGISTERED,
    SOFTEN,
    VIEW,
    Search,
    pose_model,
    registration_model,
)
from edge_agent.building.training.sentence import Sentence
from edge_agent.building.training.shrinking import shrink
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer

_FINE = 96  # places on the longer side of what is compared, about
_ANGLES = 72  # that are tried, where parts may lie at any
_STEP = 2 * np.pi / _ANGLES
_WITHIN = 0.98  # of the largest circle in the picture, which is seen at every angle
_CANDIDATES, _LEARNED_FROM, _ROUNDS = 4, 20, 2
_LEAST_PARTS = 6
#: the correlation from which on registered parts look alike, and the share of what they differ by that may be left when
#: more than a little is allowed for
_ALIKE, _LESS = 0.74, 0.65
#: the correlation from which on no wider range is tried
_ALIKE_ENOUGH = 0.95
#: parts that must lie farther off than the narrower range, where any angle is searched, and a share of them
_LEAST_FAR, _SHARE_FAR = 3, 0.25
_TIMED = 5  # runs
_SEEN_BY = 3  # parts, of which the mean is known at a place
_MORE, _BEYOND = 1.5, 0.01  # of the largest angle and shift that was seen is searched, and a share of the longer side

Poses = npt.NDArray[np.float32]


class Range(NamedTuple):
    """How far parts may lie off: angles in radians that are tried first, and a share of the longer side."""

    angles: npt.NDArray[np.floating]
    reach: float
    is_circle: bool = False

    def limit(self, poses: Poses, shape: tuple[int, ...]) -> Poses:
        """Cut poses off at the range's ends."""
        shift = 2 * self.reach * max(shape) / shape[1]
        angle = np.inf if self.is_circle else float(self.angles.max()) + _STEP / 2
        most = np.array([angle, shift, shift], np.float32)
        return np.clip(poses, -most, most)


#: where parts lie alike, the same way, and anyhow
_RANGES = (
    Range(np.zeros(1), 0.02),
    Range(np.arange(-4, 5) * _STEP, 0.12),
    Range(np.arange(_ANGLES) * _STEP, 0.12, is_circle=True),
)


class Registration(NamedTuple):
    """How good parts look where they lie alike, and in which poses they were seen."""

    search: Search
    #: whether no more than a little is gained by more than a little
    lie_alike: bool
    #: correlation of good parts with the mean of the others, as they lie, and registered
    as_they_lie: float
    registered: float
    #: how far off they lie: the largest angle in radians, and the root of the mean square of how far a place at the
    #: circle's edge moves, in shares of the longer side
    angle: float
    moved: float


class Registrar:
    """Brings pictures of the input's size to lie as good parts do."""

    def __init__(self, search: Search, width: int, height: int) -> None:
        self._session = _session(registration_model(search, width, height))
        self._spec = input_spec(width, height)
        self._normalize = Normalizer(self._spec)

    def __call__(self, picture: U8) -> U8:
        (found,) = self._session.run([REGISTERED], {backbone.INPUT: self._normalize(picture)})
        mean = np.asarray(self._spec.mean, np.float32)[:, None, None]
        pixels = np.rint((found[0] + mean) / self._spec.scale)
        return np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def find_poses(search: Search, views: Sequence[F32]) -> tuple[Poses, F32]:
    """Give the poses [n, 3] of what pictures look like on the fine grid, and the correlations [n]."""
    session = _session(pose_model(search))
    found = [session.run([POSE, CORRELATION], {VIEW: view[None, None]}) for view in views]
    return np.concatenate([pose for pose, _ in found]), np.concatenate([fits for _, fits in found])


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # it is little work
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def learn_registration(pictures: Sequence[U8]) -> Registration | None:
    """Learn from good parts, pictures of the input's size, how they lie; None where there are too few."""
    if len(pictures) < _LEAST_PARTS:
        return None
    evenly = np.linspace(0, len(pictures) - 1, min(_LEARNED_FROM, len(pictures))).round().astype(int)
    pictures = [pictures[place] for place in evenly]
    views = [see(picture) for picture in pictures]
    chosen = _learn(views, _RANGES[0])
    for more in _RANGES[1:]:
        if chosen.registered >= _ALIKE_ENOUGH:
            break  # of what is left then, a share is chance
        # A weld's bead looks much the same further along it, or the other way round, which is no reason to move it.
        found = _learn(views, more)
        if more.is_circle and not _turn_far(find_poses(found.search, views)[0][:, 0]):
            continue
        if 1 - found.registered <= _LESS * (1 - chosen.registered):
            chosen = found
    poses = find_poses(chosen.search, views)[0]
    return chosen._replace(search=chosen.search._replace(mean=_mean_picture(pictures, poses)))


def _turn_far(angles: npt.NDArray[np.floating]) -> bool:
    """Tell whether many parts are turned by more than those that lie the same way are, from whichever of them."""
    between = np.abs(_signed(angles[:, None] - angles[None]))
    far = (between > _RANGES[1].angles.max()).sum(axis=1).min()
    # One or two that look alike the other way round are no parts that lie at any angle.
    return bool(far >= max(_LEAST_FAR, _SHARE_FAR * len(angles)))


def _learn(views: Sequence[F32], within: Range) -> Registration:
    """Learn from views: that which fits the others best is the first template, then the mean of all, registered."""
    blank = np.zeros((1, 1, 3), np.float32)
    found: list[tuple[float, Search]] = []
    for candidate in range(0, len(views), max(1, len(views) // _CANDIDATES)):
        search = make_search(views[candidate], blank, within.angles, within.reach, is_circle=within.is_circle)
        others = [view for place, view in enumerate(views) if place != candidate][::2]
        found.append((float(find_poses(search, others)[1].mean()), search))
    search = max(found, key=lambda pair: pair[0])[1]
    for _ in range(_ROUNDS):
        poses = within.limit(find_poses(search, views)[0], views[0].shape)
        poses = poses if within.is_circle else _recentred(poses)
        template = np.mean([_unit(warp(view, pose)) for view, pose in zip(views, poses, strict=True)], axis=0)
        search = _searched(template, blank, poses, within)
    shape = views[0].shape
    poses = within.limit(find_poses(search, views)[0], shape)
    circle = _circle(shape)
    before, after = (
        _fit_of_each([view[circle] for view in of])
        for of in (views, [warp(view, pose) for view, pose in zip(views, poses, strict=True)])
    )
    turned = _signed(poses[:, 0])
    # In halves of the width, as poses are.
    edge = 2 * _radius(shape) / shape[1]
    moved = np.sqrt(((2 * np.sin(turned / 2) * edge) ** 2 + (poses[:, 1:] ** 2).sum(axis=1)).mean())
    return Registration(
        search,
        lie_alike=within is _RANGES[0],
        as_they_lie=float(before.mean()),
        registered=float(after.mean()),
        angle=float(np.abs(turned).max()),
        moved=float(moved) / 2 * shape[1] / max(shape),
    )


def make_search(template: F32, mean: F32, angles: npt.NDArray[np.floating], reach: float, *, is_circle: bool) -> Search:
    """Make what a template is found by, at these angles, and shifted by up to `reach` of the longer side."""
    rows, columns = template.shape
    circle = _circle(template.shape)
    size = (columns // COARSER, rows // COARSER)
    soft = cv2.blur(template, (SOFTEN, SOFTEN))
    coarse = np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.float32)
    around, steps = _circle(coarse.shape), max(1, round(reach * max(coarse.shape)))
    turned = [_unit(_turn(coarse, -float(angle)), around) * around for angle in angles]
    y, x = np.nonzero(circle)
    is_taken = (y + x) % 2 == 0
    y, x = y[is_taken], x[is_taken]
    across, down = (2 * x + 1 - columns) / columns, (2 * y + 1 - rows) / columns
    shown = template[y, x] - template[y, x].mean()
    length = max(float(np.linalg.norm(shown)), 1e-6)
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
        solved=np.linalg.pinv(changes)[:3].T.astype(np.float32),
        grid=(rows, columns),
        mean=mean,
    )


def _searched(template: F32, mean: F32, poses: Poses, within: Range) -> Search:
    """Search where parts were seen, and somewhat beyond."""
    shape = template.shape
    reach = min(within.reach, _MORE * float(np.abs(poses[:, 1:]).max()) / 2 * shape[1] / max(shape) + _BEYOND)
    if within.is_circle:
        return make_search(template, mean, within.angles, reach, is_circle=True)
    count = int(np.ceil(_MORE * float(np.abs(poses[:, 0]).max()) / _STEP)) + 1
    return make_search(template, mean, np.arange(-count, count + 1) * _STEP, reach, is_circle=False)


def _recentred(poses: Poses) -> Poses:
    """Give poses of parts that lie the same way from the mean one: least of each picture is lost so."""
    angle, across, down = poses.mean(axis=0)
    angles = poses[:, 0] - angle
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack(
        [angles, poses[:, 1] - (cos * across - sin * down), poses[:, 2] - (sin * across + cos * down)], axis=1
    ).astype(np.float32)


def see(picture: U8) -> F32:
    """See a picture as the graph does: grey, small, without its light."""
    height, width = picture.shape[:2]
    factor = fine_factor(width, height)
    gray = picture.astype(np.float32).mean(axis=2)
    gray = gray.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))
    box = (HIGH_PASS, HIGH_PASS)
    total, count = (
        cv2.boxFilter(of, -1, box, normalize=False, borderType=cv2.BORDER_CONSTANT) for of in (gray, np.ones_like(gray))
    )
    return np.asarray(gray - total / count, np.float32)


def _mean_picture(pictures: Sequence[U8], poses: Poses) -> F32:
    """Average registered pictures where they are seen; where hardly one is, the middle of all values."""
    height, width = pictures[0].shape[:2]
    total, count = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
    everything = np.ones((height, width), np.float32)
    for picture, pose in zip(pictures, poses, strict=True):
        is_seen = (warp(everything, pose, cv2.BORDER_CONSTANT) > 1 - 1e-3)[..., None]
        total += warp(picture.astype(np.float32), pose) * is_seen
        count += is_seen
    return np.where(count >= _SEEN_BY, total / np.maximum(count, 1), np.float32(127.5)).astype(np.float32)


def fine_factor(width: int, height: int) -> int:
    """Say how many pixels of the input are one place of what is compared: a power of two, which divides both sides."""
    return int(2 ** max(0, round(np.log2(max(width, height) / _FINE))))


def warp(view: npt.NDArray[Any], pose: Poses, border: int = cv2.BORDER_REPLICATE) -> npt.NDArray[Any]:
    """Bring a view, or a picture, of a pose to lie as the template."""
    rows, columns = view.shape[:2]
    angle, across, down = (float(value) for value in pose)
    cos, sin, x, y = np.cos(angle), np.sin(angle), (columns - 1) / 2, (rows - 1) / 2
    right, below = across * columns / 2, down * columns / 2
    matrix = np.array([[cos, -sin, x - cos * x + sin * y + right], [sin, cos, y - sin * x - cos * y + below]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(view, matrix, (columns, rows), flags=flags, borderMode=border))


def _turn(view: F32, angle: float) -> F32:
    return warp(view, np.array([angle, 0, 0], np.float32))


def _radius(shape: tuple[int, ...]) -> float:
    return _WITHIN * min(shape) / 2


def _circle(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """True where a part is seen at every angle."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(np.hypot(y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2) <= _radius(shape))


def _unit(values: F32, of: npt.NDArray[np.bool_] | None = None) -> F32:
    """Take off the mean, and bring to length 1; both of what is looked at."""
    looked = values if of is None else values[of]
    centred = values - looked.mean()
    length = np.linalg.norm(centred if of is None else centred[of])
    return np.asarray(centred / max(float(length), 1e-6), np.float32)


def _fit_of_each(views: Sequence[F32]) -> F32:
    """Correlate each with the mean of the others."""
    units = np.stack([_unit(view) for view in views])
    others = units.sum(axis=0) - units
    others -= others.mean(axis=1, keepdims=True)
    return np.asarray((units * others).sum(axis=1) / np.maximum(np.linalg.norm(others, axis=1), 1e-6), np.float32)


def _signed(angles: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return (angles + np.pi) % (2 * np.pi) - np.pi


def registration_of(pictures: Sequence[U8], good: npt.NDArray[np.bool_]) -> Registration | None:
    """Learn from the `good` ones of pictures of the input's size how to bring them to lie alike; None where they do, or
    can't be brought to."""
    found = learn_registration([picture for picture, is_good in zip(pictures, good, strict=True) if is_good])
    return found if found and is_needed(found) else None


def is_needed(found: Registration) -> bool:
    """Tell whether parts look alike once they are registered, and have to be."""
    return not found.lie_alike and found.registered >= _ALIKE


def lay_alike(registration: Registration | None, size: tuple[int, int], picture: U8) -> U8:
    """Bring a picture in full size to lie as the others; `size` is that of the input which the registration is of."""
    if registration is None:
        return picture
    height, width = picture.shape[:2]
    small = shrink(picture, size)
    pose = find_poses(registration.search, [see(small)])[0][0]
    is_seen = warp(np.ones((height, width), np.float32), pose, cv2.BORDER_CONSTANT) > 1 - 1e-3
    mean = cv2.resize(registration.search.mean, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(np.where(is_seen[..., None], warp(picture, pose), np.rint(mean).astype(np.uint8)))


def lay_all_alike(registration: Registration | None, size: tuple[int, int], pictures: list[U8]) -> list[U8]:
    """Bring pictures of the input's `size` to lie alike; without a registration they stay what they are."""
    return [*map(Registrar(registration.search, *size), pictures)] if registration else pictures


def describe(registration: Registration, size: tuple[int, int]) -> Sentence:
    """Say how parts lie, what is done about it, and what that takes."""
    values = {
        "moved": f"{registration.moved:.1%}",
        "alike": f"{registration.registered:.2f}",
        "before": f"{registration.as_they_lie:.2f}",
        "milliseconds": f"{_milliseconds(registration, size):.0f}",
    }
    if registration.search.is_circle:
        key, how = "any_angle", "parts lie at any angle"
    else:
        values["angle"] = f"{np.degrees(registration.angle):.0f}"
        key = "elsewhere"
        how = f"parts lie {values['moved']} of the longer side elsewhere, turned by up to {values['angle']} degrees"
    return Sentence(
        f"{how}: each picture is turned and shifted to lie as the others before it is judged, so that good parts look "
        f"alike with a correlation of {values['alike']} instead of {values['before']}; it takes "
        f"{values['milliseconds']} ms of one core on this machine",
        key,
        values,
    )


def _milliseconds(registration: Registration, size: tuple[int, int]) -> float:
    registrar, blank, taken = Registrar(registration.search, *size), np.zeros((size[1], size[0], 3), np.uint8), []
    for _ in range(_TIMED):
        begun = time.perf_counter()
        registrar(blank)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken)) * 1000
