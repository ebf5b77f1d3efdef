"""The larger input that `edge-agent train` tries for large pictures: which of both would a model have?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.objects.canvas import F32, U8
from edge_agent.building.training.drawn import chosen_for_drawing, draw_defect, smaller_by
from edge_agent.building.training.features import Extractor, Features, join, source_model
from edge_agent.building.training.head import Head, Wanted, fit_head
from edge_agent.building.training.options import Options
from edge_agent.building.training.pictures import TrainingPictures
from edge_agent.building.training.place_bank import Moved, chosen_to_move, lean, move
from edge_agent.building.training.registration import Registrar, Registration
from edge_agent.building.training.registration_search import laid_places
from edge_agent.building.training.resolution import add_specks, choose_larger, speck_middles, specks_seen, twice
from edge_agent.building.training.shrinking import halve, shrink

Bools = npt.NDArray[np.bool_]


class Larger(NamedTuple):
    """Features with the larger input, and at half its size where that is the usual one: of all pictures, of the same
    with drawn defects, and of moved copies of the good ones. With specks with both inputs; where the specks are on
    each."""

    plain: Features
    drawn: Features
    moved: Moved
    specks_usual: Features
    specks_larger: Features
    middles: F32


_SEEN = ("plain", "drawn", "specks_usual", "specks_larger")


def larger_of(
    pictures: Iterable[tuple[U8, bool]],
    stored: Path | None,
    quality: Literal["auto", "best"] = "auto",
    network: Callable[[tuple[int, int], Sequence[U8]], Any] | None = None,
    *,
    trained_on: Bools | None = None,
    registration: Registration | None = None,
) -> Larger | None:
    """Extract what decides about the larger input that a quality tries, or take it from the cache; None where none is.

    `network` makes the source of a size that pictures are judged by, of all pictures in it, where it is not the plain
    one, which sees specks. Of pictures that are not `trained_on` only the features are asked for; they are
    laid alike with a `registration`.
    """
    assert stored is None or (trained_on is None and registration is None), "what is stored is of all, as they lie"
    if stored and stored.exists():
        with np.load(stored) as found:
            plain, defects, specks_usual, specks_larger = (unpack(found, name) for name in _SEEN)
            return Larger(plain, defects, unpack_moved(found), specks_usual, specks_larger, found["middles"])
    source = iter(pictures)
    first, is_bad = next(source)
    size = (first.shape[1], first.shape[0])
    usual, larger = TrainingPictures(Options(quality=quality)).sizes(size)
    if larger is None:
        return None
    extract = {of: Extractor(*of, source_model(*of), threads=1) for of in (usual, larger)}
    judging = extract
    registrars = {of: Registrar(registration.search, *of) for of in extract} if registration else {}

    def bring(picture: U8, of: tuple[int, int]) -> U8:
        """Bring a picture to the size of an input, and to lie as the others."""
        small = shrink(picture, of)
        return registrars[of](small) if registrars else small

    def look(picture: U8, of: tuple[int, int]) -> Features:
        return extract[of]([bring(picture, of)])

    everything = _again(first, is_bad, source)
    if network:
        kept = list(everything)
        everything = iter(kept)
        judging = {of: Extractor(*of, network(of, [bring(each, of) for each, _ in kept]), threads=1) for of in extract}
    looks_at_half = larger == twice(usual) and not (registration and registration.lie_alike)
    see = judging[larger].beside(judging[usual]) if looks_at_half else judging[larger]

    parts: list[tuple[Features, Features, Features, Features]] = []
    middles: list[F32] = []
    copies: list[Features] = []
    good: list[int] = []
    for number, (picture, is_anomalous) in enumerate(everything):
        small = bring(picture, larger)
        is_asked = trained_on is None or bool(trained_on[number])
        if not is_asked and parts:
            parts.append((see([small]), *parts[0][1:]))  # what nobody asks for
            middles.append(middles[0])
            continue
        if not is_anomalous and is_asked:
            good.append(number)
            halves = [judging[usual]([copy]) if looks_at_half else None for copy in move(halve(small))]
            copies += [
                lean(judging[larger]([copy])._replace(half=half))
                for copy, half in zip(move(small), halves, strict=True)
            ]
        speck = add_specks(np.ascontiguousarray(picture), number)
        where = speck_middles(size, number)
        middles.append(laid_places(registration.search, shrink(speck, usual), where) if registration else where)
        plain, drawn = (see([of]) for of in (small, draw_defect(small, number, smaller_by(size))))
        parts.append((plain, drawn, look(speck, usual), look(speck, larger)))
    plain, defects, specks_usual, specks_larger = (join(of) for of in zip(*parts, strict=True))
    found = Larger(plain, defects, moved_copies(copies, good), specks_usual, specks_larger, np.stack(middles))
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        packed = {key: value for name in _SEEN for key, value in pack(getattr(found, name), name).items()}
        np.savez(stored, middles=found.middles, **packed, **pack_moved(found.moved))
    return found


def _again(first: U8, is_bad: bool, rest: Iterator[tuple[U8, bool]]) -> Iterator[tuple[U8, bool]]:
    yield first, is_bad
    yield from rest


def pack(features: Features, name: str) -> dict[str, Any]:
    """Name what is to be stored of features."""
    found = {f"{name}.{key}": value for key, value in features._asdict().items() if key != "half"}
    return found | (pack(features.half, f"{name}.half") if features.half else {})


def unpack(found: Mapping[str, Any], name: str) -> Features:
    """Read what was stored by that name."""
    rows, columns = found[f"{name}.grid"].tolist()
    patches, sharp, fine, pooled = (found[f"{name}.{key}"] for key in ("patches", "sharp", "fine", "pooled"))
    half = unpack(found, f"{name}.half") if f"{name}.half.grid" in found else None
    return Features(patches, sharp, fine, pooled, (rows, columns), half)


def moved_copies(copies: list[Features], good: Sequence[int]) -> Moved:
    """Put copies of the pictures `good` together."""
    moved = Moved.join(copies, np.array(good, np.intp))
    assert moved is not None
    return moved


def pack_moved(moved: Moved) -> dict[str, Any]:
    """Name what is to be stored of copies."""
    return {**pack(moved.features, "moved"), "moved.owner": moved.owner}


def unpack_moved(found: Mapping[str, Any]) -> Moved:
    """Read copies."""
    return Moved(unpack(found, "moved"), found["moved.owner"])


def fit(features: Features, drawn: Features, moved: Moved, anomalous: Bools, chosen: Bools, seed: int) -> Head:
    """Fit a verdict of the chosen pictures as the trainer does; `drawn` and `moved` are of the same pictures."""
    truth, train = anomalous[chosen], np.flatnonzero(chosen)
    defects = None if truth.any() else drawn.of(train[chosen_for_drawing(~truth)])
    has_copies = np.zeros(len(chosen), bool)
    has_copies[train[chosen_to_move(~truth)]] = True
    taken = has_copies[moved.owner]
    copies = Moved(moved.features.of(taken), moved.owner[taken]).of(chosen)
    return fit_head(
        features.of(chosen), truth, seed=seed, wanted=Wanted(), progress=lambda done, total: None, drawn=defects,
        moved=copies,
    )  # fmt: skip


class _Fitted(NamedTuple):
    head: Head
    features: Features


def fit_best(
    usual: Features,
    drawn: Features,
    moved: Moved,
    larger: Larger | None,
    anomalous: Bools,
    chosen: Bools,
    seed: int,
) -> tuple[Head, Features]:
    """Fit a verdict of the chosen pictures; return it, and the features of all that are of its input's size."""
    train, truth = np.flatnonzero(chosen), anomalous[chosen]

    def fitted(features: Features, drawn: Features, moved: Moved) -> _Fitted:
        return _Fitted(fit(features, drawn, moved, anomalous, chosen, seed), features)

    if larger is None:
        return fitted(usual, drawn, moved)

    def see_specks(good: npt.NDArray[np.intp]) -> tuple[float, float]:
        of = train[good]
        return (
            specks_seen(usual.of(of), larger.specks_usual.of(of), larger.middles[of], seed=seed),
            specks_seen(larger.plain.of(of), larger.specks_larger.of(of), larger.middles[of], seed=seed),
        )

    return choose_larger(
        fitted(usual, drawn, moved), truth, lambda: fitted(larger.plain, larger.drawn, larger.moved), see_specks
    )[0]
