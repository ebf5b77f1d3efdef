"""Masks as people paint them: a map of labels, one byte a pixel, kept as an indexed PNG of the picture's size."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from edge_agent.building.datasets.dataset import ANOMALY, MaskFile, Rgb, parse_color
from edge_agent.building.datasets.masks import read_mask
from edge_agent.errors import Conflict, StudioError
from edge_agent.inference.imaging.resize import U8
from edge_agent.studio.store.database import Database
from edge_agent.studio.store.layout import MASKS, Layout
from edge_agent.studio.store.pictures import Picture, Pictures
from edge_agent.studio.store.projects import Label, Projects
from edge_agent.studio.store.writing import write_file

WHITE = (255, 255, 255)


class Saved(msgspec.Struct, frozen=True):
    """What a mask is after it was saved: the revision that the next change has to build on."""

    revision: int
    marked: list[str]


class Masks:
    """The masks of all projects."""

    def __init__(self, layout: Layout, database: Database, projects: Projects, pictures: Pictures) -> None:
        self._layout, self._database, self._projects, self._pictures = layout, database, projects, pictures

    def path(self, project: str, picture: Picture) -> Path:
        """Give the place of a picture's mask."""
        return self._layout.project(project) / MASKS / f"{picture.file}.png"

    def read(self, project: str, number: int) -> U8:
        """Give the map of a picture's mask, uint8 [height, width]: 0 where nothing is marked, i for the i-th label.

        Raises:
            NotThere: there is no such picture.
            StudioError: the file has been damaged.
        """
        picture = self._pictures.get(project, number)
        path = self.path(project, picture)
        empty = np.zeros((picture.height, picture.width), np.uint8)
        if not path.is_file():
            return empty
        return self.interpret(project, path, picture)

    def interpret(self, project: str, path: Path, picture: Picture) -> U8:
        """Read a mask's file in the labels of a project."""
        labels = self._projects.labels(self._projects.number(project))
        try:
            with Image.open(path, formats=("PNG",)) as image:
                indexed = np.asarray(image) if image.mode == "P" else None
        except (OSError, SyntaxError, ValueError) as error:
            raise StudioError(f"the mask of {picture.file} can't be read: {error}") from None
        if indexed is not None and (not indexed.size or indexed.max() <= len(labels)):
            found = indexed.astype(np.uint8)
        else:  # somebody else's, in colours
            colors: dict[str | None, Rgb] = {label.name: parse_color(label.color) for label in labels}
            names = tuple(label.name for label in labels)
            found = read_mask(MaskFile(path, {None: WHITE, **colors}), names).classes
        if found.shape != (picture.height, picture.width):
            raise StudioError(
                f"the mask of {picture.file} is {found.shape[1]}x{found.shape[0]}, the picture "
                f"{picture.width}x{picture.height}"
            )
        return found

    def save(self, project: str, number: int, content: bytes, revision: int, *, by: str = "") -> Saved:
        """Keep a map, height * width bytes, in place of the one of `revision`.

        A picture on which something is marked is anomalous from then on; one without a class stays so when nothing is.

        Raises:
            Conflict: the mask has another revision; the text says who changed it.
            StudioError: it has the wrong size, or a value without a label.
        """
        picture = self._pictures.get(project, number)
        labels = self._projects.labels(self._projects.number(project))
        if len(content) != picture.width * picture.height:
            raise StudioError(
                f"the mask of {picture.file} has {len(content)} bytes, expected {picture.width} x {picture.height} = "
                f"{picture.width * picture.height}"
            )
        classes = np.frombuffer(content, np.uint8).reshape(picture.height, picture.width)
        present = np.flatnonzero(np.bincount(classes.ravel(), minlength=256))
        if present[-1] > len(labels):
            raise StudioError(f"the mask of {picture.file} has a pixel {present[-1]}, expected 0 to {len(labels)}")
        marked = [labels[place - 1].name for place in present if place]
        encoded = encode_mask(classes, labels)
        with self._database.writing() as write:
            row = write.execute("SELECT revision, changed_by FROM pictures WHERE id = ?", (number,)).fetchone()
            if row is None or row["revision"] != revision:
                who = (row and row["changed_by"]) or "somebody else"
                raise Conflict(f"the mask of {picture.file} was changed by {who} meanwhile; open it again to go on")
            write_file(self.path(project, picture), encoded)
            write.execute(
                "UPDATE pictures SET revision = revision + 1, marked = ?, changed = ?, changed_by = ?,"
                " class = CASE WHEN ? THEN ? ELSE class END WHERE id = ?",
                (json.dumps(marked), time.time(), by, bool(marked), ANOMALY, number),
            )
            write.execute("UPDATE projects SET unwritten = 1 WHERE name = ?", (project,))
        return Saved(revision + 1, marked)


def encode_mask(classes: U8, labels: list[Label]) -> bytes:
    """Encode a map as an indexed PNG in which each label has its colour, and the background is white."""
    image = Image.fromarray(classes, "L")
    image.putpalette([value for color in (WHITE, *(parse_color(label.color) for label in labels)) for value in color])
    content = io.BytesIO()
    image.save(content, "PNG", optimize=False, compress_level=6)
    return content.getvalue()
