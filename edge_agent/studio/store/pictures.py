"""Pictures of a project: taking them in, listing them, and what people say of them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.errors import InvalidRequest, NotThere, StudioError
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.studio.store.database import Database
from edge_agent.studio.store.layout import MASKS, PICTURES, PROPOSALS, THUMBNAILS, Layout, safe_file_name
from edge_agent.studio.store.projects import Projects
from edge_agent.studio.store.thumbnails import make_thumbnail

Class = Literal["normal", "anomaly"]
Part = Literal["train", "test"]

#: how the list can be ordered
ORDERS = {
    "name": "place, id",
    "newest": "added DESC, id DESC",
    "score": "score IS NULL, score DESC, id",
    "doubt": "score IS NULL, abs(score - 0.5), id",
}
#: a part of the list at once
MOST_ROWS = 500
_BLOCK = 1 << 20


class Picture(msgspec.Struct, frozen=True):
    """One picture: what is known of the file, what people said, and what a model said last."""

    id: int
    file: str
    width: int
    height: int
    bytes: int
    added: float
    class_: str | None = msgspec.field(name="class")
    part: str
    marked: list[str]
    revision: int
    changed_by: str
    changed: float
    score: float | None
    verdict: str | None
    judged_by: str
    #: a model has called it anomalous, and its mask is there
    proposed: bool


class Page(msgspec.Struct, frozen=True):
    """A part of a list, and how long the whole is."""

    total: int
    pictures: list[Picture]


class Added(msgspec.Struct, frozen=True):
    """What became of a file that was sent: `added`, or `duplicate` of the picture that is named."""

    state: Literal["added", "duplicate"]
    id: int
    file: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures, in which order."""

    class_: Literal["", "normal", "anomaly", "none", "labelled"] = msgspec.field(name="class", default="")
    part: Literal["", "train", "test"] = ""
    label: str = ""
    verdict: Literal["", "normal", "anomaly", "differs"] = ""
    name: str = ""
    order: Literal["name", "newest", "score", "doubt"] = "name"


class Pictures:
    """The pictures of all projects."""

    def __init__(self, layout: Layout, database: Database, projects: Projects) -> None:
        self._layout, self._database, self._projects = layout, database, projects

    def add(self, project: str, name: str, received: Path, *, by: str = "") -> Added:
        """Take in a file, which is moved from where it was received.

        Raises:
            StudioError: it is no picture that can be read; the text says why.
            NotThere: there is no such project.
        """
        number = self._projects.number(project)
        file = safe_file_name(name)
        digest = file_digest(received)
        same = self._database.row("SELECT id, file FROM pictures WHERE project = ? AND digest = ?", (number, digest))
        if same is not None:
            received.unlink(missing_ok=True)
            return Added("duplicate", same["id"], same["file"])
        try:
            pixels = read_picture(received)
        except InvalidRequest as error:
            raise StudioError(str(error).replace(str(received), file)) from None
        folder = self._layout.project(project)
        size = received.stat().st_size
        # The row first: it decides who gets the name when two files of one name come at once.
        with self._database.writing() as write:
            taken = {row["file"] for row in write.execute("SELECT file FROM pictures WHERE project = ?", (number,))}
            _remove_left(folder / PICTURES / file, digest, taken)
            file = _free_name(file, taken, folder / PICTURES)
            found = write.execute(
                "INSERT INTO pictures (project, file, place, bytes, width, height, digest, added, changed_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, file, place_of(file), size, pixels.shape[1], pixels.shape[0], digest, time.time(), by),
            ).lastrowid
            target = folder / PICTURES / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(received, target)
            target.chmod(0o644)  # it came from a private temporary file
        assert found is not None
        make_thumbnail(pixels, folder / THUMBNAILS / f"{found}.jpg")
        return Added("added", found, file)

    def known(self, project: str, digests: Sequence[str]) -> dict[str, str]:
        """Give the names of the pictures that are there of these SHA-256 digests."""
        number = self._projects.number(project)
        marks = ",".join("?" * len(digests))
        rows = self._database.rows(
            f"SELECT digest, file FROM pictures WHERE project = ? AND digest IN ({marks})",  # noqa: S608
            (number, *digests),
        )
        return {row["digest"]: row["file"] for row in rows}

    def page(self, project: str, wanted: Filter, offset: int, limit: int) -> Page:
        """List a part of the pictures that a filter lets pass.

        Raises:
            NotThere: there is no such project.
        """
        where, values = _where(self._projects.number(project), wanted)
        total = self._database.value(f"SELECT count(*) FROM pictures WHERE {where}", values)  # noqa: S608
        rows = self._database.rows(
            f"SELECT * FROM pictures WHERE {where} ORDER BY {ORDERS[wanted.order]} LIMIT ? OFFSET ?",  # noqa: S608
            (*values, min(limit, MOST_ROWS), offset),
        )
        return Page(total, [self._told(project, row) for row in rows])

    def ids(self, project: str, wanted: Filter) -> list[int]:
        """List the numbers of all pictures that a filter lets pass, in its order."""
        where, values = _where(self._projects.number(project), wanted)
        query = f"SELECT id FROM pictures WHERE {where} ORDER BY {ORDERS[wanted.order]}"  # noqa: S608
        return [row["id"] for row in self._database.rows(query, values)]

    def get(self, project: str, picture: int) -> Picture:
        """Describe one picture; NotThere when the project has none of that number."""
        row = self._database.row(
            "SELECT * FROM pictures WHERE id = ? AND project = ?", (picture, self._projects.number(project))
        )
        if row is None:
            raise NotThere(f"project '{project}' has no picture {picture}")
        return self._told(project, row)

    def number_of(self, project: str, file: str) -> int | None:
        """Give the number of the picture of exactly that file name; None when the project has none."""
        row = self._database.row(
            "SELECT id FROM pictures WHERE project = ? AND file = ?", (self._projects.number(project), file)
        )
        return None if row is None else int(row["id"])

    def path(self, project: str, picture: int) -> Path:
        """Give the file of a picture."""
        return self._layout.project(project) / PICTURES / self.get(project, picture).file

    def thumbnail(self, project: str, picture: int) -> Path:
        """Give the small copy of a picture, made again if it is missing."""
        path = self._layout.project(project) / THUMBNAILS / f"{picture}.jpg"
        if not path.is_file():
            make_thumbnail(read_picture(self.path(project, picture)), path)
        return path

    def proposal(self, project: str, picture: int) -> Path:
        """Give the place of the mask that a model has made of a picture; it may not be there."""
        return self._layout.project(project) / PROPOSALS / f"{picture}.png"

    def _told(self, project: str, row: Any) -> Picture:
        keys = (
            "id", "file", "width", "height", "bytes", "added", "class", "part", "marked", "revision", "changed_by",
            "changed", "score", "verdict", "judged_by",
        )  # fmt: skip
        known = [json.loads(row[key]) if key == "marked" else row[key] for key in keys]
        known.append(row["verdict"] == ANOMALY and self.proposal(project, row["id"]).is_file())
        return Picture(*known)

    def say(
        self,
        project: str,
        pictures: Sequence[int],
        *,
        class_: Class | Literal["keep"] | None = "keep",
        part: Part | None = None,
        by: str = "",
    ) -> int:
        """Say which class pictures have (None: nobody knows), and which part they belong to; return how many changed.

        Raises:
            NotThere: there is no such project.
        """
        number = self._projects.number(project)
        changes: list[str] = []
        values: list[object] = []
        if class_ != "keep":
            changes, values = [*changes, "class = ?"], [*values, class_]
        if part is not None:
            changes, values = [*changes, "part = ?"], [*values, part]
        if not changes:
            return 0
        changes += ["changed = ?", "changed_by = ?"]
        values += [time.time(), by]
        changed = 0
        with self._database.writing() as write:
            for start in range(0, len(pictures), 500):
                some = pictures[start : start + 500]
                marks = ",".join("?" * len(some))
                changed += write.execute(
                    f"UPDATE pictures SET {', '.join(changes)} WHERE project = ? AND id IN ({marks})",  # noqa: S608
                    (*values, number, *some),
                ).rowcount
            write.execute("UPDATE projects SET unwritten = 1 WHERE id = ?", (number,))
        return changed

    def judge(self, project: str, picture: int, *, score: float, anomalous: bool, by: str) -> None:
        """Keep what a model said of a picture."""
        with self._database.writing() as write:
            write.execute(
                "UPDATE pictures SET score = ?, verdict = ?, judged_by = ? WHERE id = ? AND project = ?",
                (score, ANOMALY if anomalous else NORMAL, by, picture, self._projects.number(project)),
            )

    def remove(self, project: str, pictures: Sequence[int]) -> int:
        """Remove pictures with their masks; return how many there were."""
        number = self._projects.number(project)
        folder = self._layout.project(project)
        removed = 0
        for picture in pictures:
            row = self._database.row("SELECT file FROM pictures WHERE id = ? AND project = ?", (picture, number))
            if row is None:
                continue
            with self._database.writing() as write:
                write.execute("DELETE FROM pictures WHERE id = ?", (picture,))
                write.execute("UPDATE projects SET unwritten = 1 WHERE id = ?", (number,))
            for path in (
                folder / PICTURES / row["file"], folder / MASKS / f"{row['file']}.png",
                folder / THUMBNAILS / f"{picture}.jpg", folder / PROPOSALS / f"{picture}.png",
            ):  # fmt: skip
                path.unlink(missing_ok=True)
            removed += 1
        return removed


def _where(number: int, wanted: Filter) -> tuple[str, list[object]]:
    conditions, values = ["project = ?"], [number]  # type: tuple[list[str], list[object]]
    if wanted.class_ == "none":
        conditions.append("class IS NULL")
    elif wanted.class_ == "labelled":
        conditions.append("class IS NOT NULL")
    elif wanted.class_:
        conditions.append("class = ?")
        values.append(wanted.class_)
    if wanted.part:
        conditions.append("part = ?")
        values.append(wanted.part)
    if wanted.label:
        conditions.append("EXISTS (SELECT 1 FROM json_each(marked) WHERE value = ?)")
        values.append(wanted.label)
    if wanted.verdict == "differs":
        conditions.append("verdict IS NOT NULL AND class IS NOT NULL AND verdict <> class")
    elif wanted.verdict:
        conditions.append("verdict = ?")
        values.append(wanted.verdict)
    if wanted.name:
        conditions.append("instr(lower(file), lower(?)) > 0")
        values.append(wanted.name)
    return " AND ".join(conditions), values


def file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def place_of(file: str) -> str:
    """Give what sorts file names as people count: numbers of the same length, and case does not matter."""
    return re.sub(r"\d+", lambda digits: digits.group().zfill(12), file.lower())


def _remove_left(path: Path, digest: str, taken: set[str]) -> None:
    """Remove the same file, left without a row by a studio that was killed between the two: it would stay for ever."""
    if path.name not in taken and path.is_file() and file_digest(path) == digest:
        path.unlink()


def _free_name(name: str, taken: set[str], folder: Path) -> str:
    """Give a name that no picture of the project has; case does not tell two files apart everywhere."""
    used = {other.lower() for other in taken}
    stem, dot, suffix = name.rpartition(".")
    candidate, count = name, 1
    while candidate.lower() in used or (folder / candidate).exists():
        count += 1
        candidate = f"{stem}-{count}{dot}{suffix}" if dot else f"{suffix}-{count}"
    return candidate
