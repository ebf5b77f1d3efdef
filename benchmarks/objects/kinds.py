"""Which kinds of parts there are, what is wrong with their anomalies, and which half each belongs to.

A method is chosen on the development half. The held-out half is looked at for the final table only, so that its
figures are what somebody with parts of their own may expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import cv2
import numpy as np

from benchmarks import synthetic
from benchmarks.objects import assemblies, irregular, metal, plate, rotor, sieve, surfaces, unmeasured
from benchmarks.objects.canvas import U8, Part
from edge_agent.building.demo.pictures import anomalous_picture, normal_picture

Half = Literal["development", "held-out"]
Draw = Callable[[str | None, np.random.Generator], Part]

NORMALS, ANOMALIES = 80, 50  # pictures of a drawn kind
_SEED, _PANEL_SEED = 7, 99
_PANEL = (2, 3)  # rows and columns of parts
_PANEL_SIDE = 500  # pixels of a part's longer side


class Kind(NamedTuple):
    """A drawn kind: how, which defects, and what it stands for."""

    half: Half
    draw: Draw
    defects: tuple[str, ...]
    what: str


def _flange(defect: str | None, rng: np.random.Generator) -> Part:
    picture = anomalous_picture(rng) if defect else normal_picture(rng)
    return Part(picture, np.full(picture.shape[:2], int(bool(defect)), np.uint8))


def _synthetic(name: str) -> Draw:
    return lambda defect, rng: synthetic.draw(name, defect, rng)


KINDS: dict[str, Kind] = {
    "flange": Kind("development", _flange, ("scratch or dent",), "turned metal"),
    "fabric": Kind("development", _synthetic("fabric"), synthetic.LABELS["fabric"], "woven"),
    "blister": Kind("development", _synthetic("blister"), synthetic.LABELS["blister"], "a part missing"),
    "brushed": Kind("development", metal.brushed, ("scratch", "dent", "stain"), "shiny, the light wanders"),
    "label": Kind("development", assemblies.label, ("missing", "smear", "blot", "register"), "printed"),
    "tray": Kind("development", assemblies.tray, ("missing", "doubled", "turned", "short"), "many small parts"),
    "vial": Kind("development", assemblies.vial, ("bubble", "crack", "particle", "low"), "transparent"),
    "gear": Kind("held-out", metal.gear, ("missing", "chipped", "crack", "pores"), "cast, at any angle"),
    "connector": Kind("held-out", metal.connector, ("bent", "missing", "sunk", "flake"), "pins in rows"),
    "seal": Kind("held-out", metal.seal, ("nick", "flash", "blister"), "hardly any contrast"),
    "knit": Kind("held-out", surfaces.knit, ("dropped", "snag", "yarn"), "knitted"),
    "wood": Kind("held-out", surfaces.wood, ("scratch", "stain", "hole", "crack"), "no two alike"),
    "gravel": Kind("held-out", surfaces.gravel, ("pebble", "wire", "oil"), "a photograph, defects drawn"),
    "board": Kind("held-out", assemblies.board, ("open", "bridge", "missing", "turned"), "large, small defects"),
    "caps": Kind("held-out", assemblies.caps, ("colour", "cracked", "foreign"), "a heap, wrong colour"),
    "marble": Kind("development", irregular.marble, ("chip", "crack", "rust", "pit"), "no two alike"),
    "weld": Kind("development", irregular.weld, ("pore", "gap", "spatter", "undercut"), "rough, no two alike"),
    "nut": Kind("development", irregular.nut, ("burr", "crack", "threadless", "dirt"), "dark, anywhere, at any angle"),
    "keys": Kind("development", irregular.keys, ("letter", "scratch", "sunk", "lamp"), "large, small defects"),
    "bearing": Kind("held-out", unmeasured.bearing, ("missing", "scored", "rust", "bent"), "turns, shines"),
    "ceramic": Kind("held-out", unmeasured.ceramic, ("chip", "hairline", "pinholes", "petal"), "glazed, printed"),
    "zipper": Kind("held-out", unmeasured.zipper, ("missing", "split", "bent", "thread"), "many teeth, not straight"),
    "leather": Kind("held-out", unmeasured.leather, ("scratch", "cut", "glue", "stitch"), "grained, with a seam"),
    "plate": Kind("development", plate.plate, ("burr", "chamfer", "swarf", "line", "scratch"), "large, small defects"),
    "sieve": Kind(
        "development",
        sieve.sieve,
        ("broken", "clogged", "together", "fibre", "rust"),
        "large, small defects, never lies alike",
    ),
    "rotor": Kind(
        "development",
        rotor.rotor,
        ("broken", "worn", "crack", "pores", "closed"),
        "round, repeats itself, at any angle",
    ),
}


def pictures(name: str, normals: int = NORMALS, anomalies: int = ANOMALIES) -> Iterator[tuple[U8, str]]:
    """Draw a kind's pictures, the same ones each time: the picture, and its defect or an empty string."""
    kind = KINDS[name]
    rng = np.random.default_rng([_SEED, list(KINDS).index(name)])
    for _ in range(normals):
        yield kind.draw(None, rng).picture, ""
    for number in range(anomalies):
        defect = kind.defects[number % len(kind.defects)]
        yield kind.draw(defect, rng).picture, defect


def panels(name: str, normals: int = NORMALS, anomalies: int = ANOMALIES) -> Iterator[tuple[U8, str]]:
    """Draw large pictures with small defects, the same ones each time: six parts of a kind in each, of which one has a
    defect where the panel has."""
    kind = KINDS[name]
    rng = np.random.default_rng([_PANEL_SEED, list(KINDS).index(name)])
    rows, columns = _PANEL
    for number in range(normals + anomalies):
        is_bad = number >= normals
        where = int(rng.integers(rows * columns)) if is_bad else -1
        defect = kind.defects[number % len(kind.defects)] if is_bad else ""
        parts = [
            _of_longer_side(kind.draw(defect if place == where else None, rng).picture)
            for place in range(rows * columns)
        ]
        lines = [np.concatenate(parts[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
        yield np.concatenate(lines), defect


def _of_longer_side(picture: U8) -> U8:
    height, width = picture.shape[:2]
    times = _PANEL_SIDE / max(width, height)
    size = round(width * times), round(height * times)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
