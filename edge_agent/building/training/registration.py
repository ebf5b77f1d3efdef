"""Do parts lie at any angle, or a little elsewhere? Then each picture is brought to lie as the others.

What is usual at a place, and where something should be, is known only where parts lie alike. On a conveyor they don't:
a label that lies at any angle has hardly a place twice. Good parts tell by themselves whether they look alike once they
are turned and shifted, and whether they lay alike before; only where the first is so and the second is not, pictures
are registered. A screw that lies the wrong way round in a tray stays what it is.
Where defects may be a few pixels of a large picture, parts that lie a few pixels elsewhere are registered too: their
edges would differ by more than a defect does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.building.counting import Progress, count_up
from edge_agent.building.training import backbone
from edge_agent.building.training.cores import one_thread_each, side_by_side
from edge_agent.building.training.features import F32, input_spec
from edge_agent.building.training.registration_graph import (
    REGISTERED,
    Search,
    light_grid,
    normalized,
    registration_model,
    spread_light,
)
from edge_agent.building.training.registration_search import (
    Poses,
    coarse_fits,
    find_poses,
    make_search,
    radii,
    region,
    see,
    unit,
    warp,
)
from edge_agent.building.training.sentence import Sentence
from edge_agent.inference.imaging.resize import U8

_ANGLES = 72  # that are tried, where parts may lie at any
_STEP = 2 * np.pi / _ANGLES
_CANDIDATES, _LEARNED_FROM, _ROUNDS = 4, 20, 2
_LEAST_PARTS = 6
#: the correlation from which on registered parts look alike, and the share of what they differ by that may be left when
#: more than a little is allowed for
_ALIKE, _LESS = 0.74, 0.65
#: the correlation from which on no wider range is tried, unless a share of parts lies at the ends of the narrower one,
#: and, as parts lie, from which on they are not laid closer
_ALIKE_ENOUGH = 0.95
#: parts that must lie farther off than the narrower range, where any angle is searched, and that share
_LEAST_FAR, _SHARE_FAR = 3, 0.25
_TIMED = 5  # runs
_SEEN_BY = 3  # parts, of which the mean is known at a place
_SMALLER = 2  # the sides of the picture of that
_MORE, _BEYOND = 1.5, 0.01  # of the largest angle and shift that was seen is searched, and a share of the longer side


class Range(NamedTuple):
    """How far parts may lie off: angles in radians that are tried first, and a share of the longer side."""

    angles: npt.NDArray[np.floating]
    reach: float
    is_circle: bool = False

    def limit(self, poses: Poses, shape: tuple[int, ...]) -> Poses:
        """Cut poses off at the range's ends."""
        most = self._most(shape)
        return np.clip(poses, -most, most)

    def ends(self, poses: Poses, shape: tuple[int, ...]) -> float:
        """Tell which share of poses lies at the range's ends, and may well have been cut off there."""
        return float((np.abs(poses) >= 0.99 * self._most(shape)).any(axis=1).mean())

    def _most(self, shape: tuple[int, ...]) -> Poses:
        # Hardly off is as far in a wide picture as in a square one of as many pixels: a turn moves its ends the more.
        side = max(shape) if len(self.angles) > 1 else np.sqrt(shape[0] * shape[1])
        shift = 2 * self.reach * side / shape[1]
        angle = np.inf if self.is_circle else (float(self.angles.max()) + _STEP / 2) * side / max(shape)
        return np.array([angle, shift, shift], np.float32)


#: where parts lie alike, the same way, and anyhow
_RANGES = (
    Range(np.zeros(1), 0.02),
    Range(np.arange(-4, 5) * _STEP, 0.12),
    Range(np.arange(_ANGLES) * _STEP, 0.12, is_circle=True),
)


class Registration(NamedTuple):
    """How good parts look where they lie alike, and in which poses they were seen."""

    search: Search
    #: whether they lie within the narrowest range, and no more than a little is gained by a wider one
    lie_alike: bool
    #: correlation of good parts with the mean of the others, as they lie, and registered
    as_they_lie: float
    registered: float
    #: how far off they lie: the largest angle in radians, and the root of the mean square of how far a place at the
    #: circle's edge moves, in shares of the longer side
    angle: float
    moved: float

    @property
    def could_lie_closer(self) -> bool:
        """Whether much of what parts differ by is that each lies a little elsewhere."""
        return self.as_they_lie < _ALIKE_ENOUGH and 1 - self.registered <= _LESS * (1 - self.as_they_lie)


class Registrar:
    """Brings pictures of the input's size to lie as good parts do."""

    def __init__(self, search: Search, width: int, height: int) -> None:
        self._session = _session(registration_model(search, width, height))
        spec = input_spec(width, height)
        self._scale, self._mean = np.float32(spec.scale), np.asarray(spec.mean, np.float32)[:, None, None]

    def __call__(self, picture: U8) -> U8:
        """Register one picture; from any thread."""
        (found,) = self._session.run([REGISTERED], {backbone.INPUT: normalized(picture)[None]})
        pixels = np.rint((found[0] + self._mean) / self._scale)
        return np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # it is little work
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@one_thread_each()
def learn_registration(pictures: Sequence[U8], progress: Progress = lambda done, total: None) -> Registration | None:
    """Learn from good parts, pictures of the input's size, how they lie; None where there are too few."""
    if len(pictures) < _LEAST_PARTS:
        return None
    evenly = np.linspace(0, len(pictures) - 1, min(_LEARNED_FROM, len(pictures))).round().astype(int)
    pictures = [pictures[place] for place in evenly]
    views = side_by_side([partial(see, picture) for picture in pictures])
    chosen = _learn(views, _RANGES[0])
    for tried, more in enumerate(_RANGES[1:], start=1):
        progress(tried, len(_RANGES))
        if chosen.fit >= _ALIKE_ENOUGH and chosen.within.ends(chosen.poses, views[0].shape) < _SHARE_FAR:
            break  # of what is left then, a share is chance
        # A weld's bead looks much the same further along it, or the other way round, which is no reason to move it.
        found = _learn(views, more)
        if more.is_circle and not _turn_far(found.poses[:, 0]):
            continue
        if 1 - found.fit <= _LESS * (1 - chosen.fit_within(views, is_circle=more.is_circle)):
            chosen = found
    progress(len(_RANGES), len(_RANGES))
    return _describe(chosen, pictures, views)


class _Learned(NamedTuple):
    """What was learned within a range: the poses of the parts, and how well they fit the mean of the others then."""

    within: Range
    search: Search
    poses: Poses
    fit: float

    def fit_within(self, views: Sequence[F32], *, is_circle: bool) -> float:
        """Tell how well the parts fit where they are compared in another range."""
        if is_circle == self.within.is_circle:
            return self.fit
        return float(_fit_of_each(_lay(views, self.poses), is_circle=is_circle).mean())


def _learn(views: Sequence[F32], within: Range) -> _Learned:
    """Learn from views: that which fits the others best is the first template, then the mean of all, registered."""
    candidates = range(0, len(views), max(1, len(views) // _CANDIDATES))
    searches = [
        make_search(views[place], within.angles, within.reach, is_circle=within.is_circle) for place in candidates
    ]
    fits = coarse_fits(searches, views[1::2])
    fits[np.equal.outer(candidates, range(1, len(views), 2))] = np.nan  # each fits itself, which says nothing
    search = searches[int(np.nanmean(fits, axis=1).argmax())]
    shape = views[0].shape
    for _ in range(_ROUNDS):
        poses = within.limit(find_poses(search, views)[0], shape)
        poses = poses if within.is_circle else _recentred(poses)
        template = np.mean([unit(view) for view in _lay(views, poses)], axis=0)
        search = _searched(template, poses, within)
    poses = within.limit(find_poses(search, views)[0], shape)
    fit = _fit_of_each(_lay(views, poses), is_circle=within.is_circle).mean()
    return _Learned(within, search, poses, float(fit))


def _lay(views: Sequence[F32], poses: Poses) -> list[F32]:
    return [warp(view, pose) for view, pose in zip(views, poses, strict=True)]


def _describe(learned: _Learned, pictures: Sequence[U8], views: Sequence[F32]) -> Registration:
    """Say how far off parts lie, and what they look like in the mean."""
    search, poses, shape = learned.search, learned.poses, views[0].shape
    turned = _signed(poses[:, 0])
    # In halves of the width, as poses are.
    edge = 2 * max(radii(shape, is_circle=search.is_circle)) / shape[1]
    moved = np.sqrt(((2 * np.sin(turned / 2) * edge) ** 2 + (poses[:, 1:] ** 2).sum(axis=1)).mean())
    return Registration(
        search._replace(mean=_mean_picture(pictures, poses)),
        lie_alike=learned.within is _RANGES[0],
        as_they_lie=float(_fit_of_each(views, is_circle=search.is_circle).mean()),
        registered=learned.fit,
        angle=float(np.abs(turned).max()),
        moved=float(moved) / 2 * shape[1] / max(shape),
    )


def _turn_far(angles: npt.NDArray[np.floating]) -> bool:
    """Tell whether many parts are turned by more than those that lie the same way are, from whichever of them."""
    between = np.abs(_signed(angles[:, None] - angles[None]))
    far = (between > _RANGES[1].angles.max()).sum(axis=1).min()
    # One or two that look alike the other way round are no parts that lie at any angle.
    return bool(far >= max(_LEAST_FAR, _SHARE_FAR * len(angles)))


def _searched(template: F32, poses: Poses, within: Range) -> Search:
    """Search where parts were seen, and somewhat beyond."""
    shape = template.shape
    reach = min(within.reach, _MORE * float(np.abs(poses[:, 1:]).max()) / 2 * shape[1] / max(shape) + _BEYOND)
    if within.is_circle:
        return make_search(template, within.angles, reach, is_circle=True)
    count = int(np.ceil(_MORE * float(np.abs(poses[:, 0]).max()) / _STEP)) + 1
    return make_search(template, np.arange(-count, count + 1) * _STEP, reach, is_circle=False)


def _recentred(poses: Poses) -> Poses:
    """Give poses of parts that lie the same way from the mean one: least of each picture is lost so."""
    angle, across, down = poses.mean(axis=0)
    angles = poses[:, 0] - angle
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack(
        [angles, poses[:, 1] - (cos * across - sin * down), poses[:, 2] - (sin * across + cos * down)], axis=1
    ).astype(np.float32)


def _mean_picture(pictures: Sequence[U8], poses: Poses) -> U8:
    """Average registered pictures, smaller, each in the light of all, where they are seen; and what lies around that
    where hardly one is."""
    height, width = (max(1, side // _SMALLER) for side in pictures[0].shape[:2])
    small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pictures]
    laid = np.stack([warp(picture.astype(np.float32), pose) for picture, pose in zip(small, poses, strict=True)])
    seen = np.stack([_seen_at(pose, (height, width)) for pose in poses])
    count = seen.sum(axis=0)
    is_known = count >= min(_SEEN_BY, int(count.max()))
    light = np.zeros_like(laid)
    for _ in range(_ROUNDS):
        total = ((laid - light) * seen[..., None]).sum(axis=0)
        mean = total / np.maximum(count, 1)[..., None]
        mean = np.where(is_known[..., None], mean, _extend_light(mean, is_known))
        light = np.stack(
            [_extend_light(picture - mean, there & is_known) for picture, there in zip(laid, seen, strict=True)]
        )
    return np.asarray(np.clip(np.rint(mean), 0, 255), np.uint8)


def _extend_light(values: npt.NDArray[np.floating], is_seen: npt.NDArray[np.bool_]) -> F32:
    """Give what values [rows, columns, 3] are about, where they are seen and beyond it, as the graph does."""
    rows, columns = values.shape[:2]
    grid = light_grid(values.shape)
    parts = [
        cv2.resize(of, grid[::-1], interpolation=cv2.INTER_AREA).reshape(grid[0] * grid[1], -1)
        for of in (values * is_seen[..., None], is_seen.astype(np.float32))
    ]
    more, share = (spread_light(grid) @ part for part in parts)
    found = (more / np.maximum(share, 1e-6)).astype(np.float32).reshape(*grid, 3)
    return np.asarray(cv2.resize(found, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)


def _fit_of_each(views: Sequence[F32], *, is_circle: bool) -> F32:
    """Correlate each with the mean of the others, in what is compared of them."""
    where = region(views[0].shape, is_circle=is_circle)
    units = np.stack([unit(view[where]) for view in views])
    others = units.sum(axis=0) - units
    others -= others.mean(axis=1, keepdims=True)
    return np.asarray((units * others).sum(axis=1) / np.maximum(np.linalg.norm(others, axis=1), 1e-6), np.float32)


def _signed(angles: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return (angles + np.pi) % (2 * np.pi) - np.pi


def registration_of(
    pictures: Sequence[U8],
    good: npt.NDArray[np.bool_],
    progress: Progress = lambda done, total: None,
    *,
    closely: bool = False,
) -> Registration | None:
    """Learn from the `good` ones of pictures of the input's size how to bring them to lie alike; None where they do, or
    can't be brought to. `closely`: also where they lie alike, but could lie closer."""
    found = learn_registration([picture for picture, is_good in zip(pictures, good, strict=True) if is_good], progress)
    return found if found and is_needed(found, closely=closely) else None


def is_needed(found: Registration, *, closely: bool = False) -> bool:
    """Tell whether parts look alike once they are registered, and have to be."""
    if found.registered < _ALIKE:
        return False
    return not found.lie_alike or (closely and found.could_lie_closer)


def _seen_at(pose: Poses, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """True where a registered picture shows what the camera saw."""
    return np.asarray(warp(np.ones(shape[:2], np.float32), pose, cv2.BORDER_CONSTANT) > 1 - 1e-3)


def lay_all_alike(
    registration: Registration | None,
    size: tuple[int, int],
    pictures: list[U8],
    progress: Progress = lambda done, total: None,
) -> list[U8]:
    """Bring pictures of the input's `size` to lie alike; without a registration they stay what they are. `progress` is
    told how many are done of all."""
    if registration is None:
        return pictures
    lay, one_more = Registrar(registration.search, *size), count_up(progress, len(pictures))

    def one(picture: U8) -> U8:
        found = lay(picture)
        one_more()
        return found

    return side_by_side([partial(one, picture) for picture in pictures])


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
