"""Projects: a name, a sentence, and the kinds of anomaly that its masks show."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.building.datasets.dataset import MAX_LABELS, PALETTE, check_distinct, parse_color
from edge_agent.errors import Conflict, NotThere, StudioError
from edge_agent.studio.store.database import Database
from edge_agent.studio.store.layout import LONGEST_COMPONENT, MASKS, PICTURES, Layout, shortened
from edge_agent.studio.store.writing import write_file

_FILE = "project.json"


class Label(msgspec.Struct, frozen=True):
    """A kind of anomaly, and the colour, #RRGGBB, in which it is painted."""

    name: str
    color: str


class Project(msgspec.Struct, frozen=True):
    """A project, and how many pictures of which class it has."""

    name: str
    description: str
    created: float
    labels: list[Label]
    normal: int
    anomaly: int
    unlabelled: int
    test: int
    masks: int
    #: the picture that stands for it on the list of projects; 0 for none
    cover: int


class Projects:
    """The projects of a data folder."""

    def __init__(self, layout: Layout, database: Database) -> None:
        self._layout, self._database = layout, database

    def create(self, name: str, description: str = "") -> Project:
        """Make an empty project.

        Raises:
            StudioError: the name can't be one.
            Conflict: there is one of that name.
        """
        folder = self._layout.project(name)
        if self._database.row("SELECT id FROM projects WHERE name = ?", (name,)) or folder.exists():
            raise Conflict(f"there is a project '{name}' already")
        for inside in (PICTURES, MASKS):
            (folder / inside).mkdir(parents=True)
        with self._database.writing() as write:
            write.execute(
                "INSERT INTO projects (name, description, created) VALUES (?, ?, ?)",
                (name, description[:2000], time.time()),
            )
        self._write(name)
        return self.get(name)

    def all(self) -> list[Project]:
        """List the projects, the newest first."""
        rows = self._database.rows("SELECT name FROM projects ORDER BY created DESC, name")
        return [self.get(row["name"]) for row in rows]

    def name_of(self, component: str) -> str:
        """Give the project whose models are called so: of the same name, or of one too long for a component."""
        rows = self._database.rows("SELECT name FROM projects WHERE length(name) > ?", (LONGEST_COMPONENT,))
        return next((row["name"] for row in rows if shortened(row["name"]) == component), component)

    def get(self, name: str) -> Project:
        """Describe a project; NotThere when there is none of that name."""
        row = self._row(name)
        counts = self._database.row(
            "SELECT sum(class = 'normal') AS normal, sum(class = 'anomaly') AS anomaly,"
            " sum(class IS NULL) AS unlabelled, sum(class IS NOT NULL AND part = 'test') AS test,"
            " sum(revision > 0 AND marked <> '[]') AS masks"
            " FROM pictures WHERE project = ?",
            (row["id"],),
        )
        assert counts is not None
        cover = self._database.value(
            "SELECT id FROM pictures WHERE project = ? ORDER BY class = 'normal' DESC, id LIMIT 1", (row["id"],)
        )
        return Project(
            name=row["name"],
            description=row["description"],
            created=row["created"],
            labels=self.labels(row["id"]),
            normal=counts["normal"] or 0,
            anomaly=counts["anomaly"] or 0,
            unlabelled=counts["unlabelled"] or 0,
            test=counts["test"] or 0,
            masks=counts["masks"] or 0,
            cover=cover or 0,
        )

    def number(self, name: str) -> int:
        """Give the index's number of a project; NotThere when there is none of that name."""
        return int(self._row(name)["id"])

    def _row(self, name: str) -> Any:
        row = self._database.row("SELECT * FROM projects WHERE name = ?", (name,))
        if row is None:
            raise NotThere(f"there is no project '{name[:140]}'")
        return row

    def labels(self, project: int) -> list[Label]:
        """List a project's kinds of anomaly, in the order of their values in the masks."""
        rows = self._database.rows("SELECT name, color FROM labels WHERE project = ? ORDER BY place", (project,))
        return [Label(row["name"], row["color"]) for row in rows]

    def change(self, name: str, *, description: str | None = None, labels: Sequence[Label] | None = None) -> Project:
        """Change the description, or the labels: those that were there keep their places, others come behind them.

        Raises:
            StudioError: a label's name or colour can't be used, or one that was there is missing.
            NotThere: there is no such project.
        """
        number = self.number(name)
        before = self.labels(number)
        if labels is not None:
            labels = _checked(before, labels)
        with self._database.writing() as write:
            if description is not None:
                write.execute("UPDATE projects SET description = ? WHERE id = ?", (description[:2000], number))
            if labels is not None:
                renamed = {old.name: new.name for old, new in zip(before, labels) if old.name != new.name}  # noqa: B905
                write.execute("DELETE FROM labels WHERE project = ?", (number,))
                write.executemany(
                    "INSERT INTO labels (project, place, name, color) VALUES (?, ?, ?, ?)",
                    [(number, place, label.name, label.color) for place, label in enumerate(labels, start=1)],
                )
                if renamed:
                    _rename(write, number, renamed)
            write.execute("UPDATE projects SET unwritten = 1 WHERE id = ?", (number,))
        self._write(name)
        return self.get(name)

    def remove(self, name: str) -> None:
        """Remove a project with its pictures; its models stay."""
        number = self.number(name)
        folder = self._layout.project(name)
        aside = folder.with_name(f".removed-{number}-{folder.name}")
        if folder.exists():
            folder.rename(aside)
        with self._database.writing() as write:
            write.execute("DELETE FROM projects WHERE id = ?", (number,))
        shutil.rmtree(aside, ignore_errors=True)

    def next_color(self, name: str) -> str:
        """Give a colour that none of a project's labels has."""
        used = {label.color.upper() for label in self.get(name).labels}
        return next((color for color in PALETTE if color not in used), PALETTE[0])

    def _write(self, name: str) -> None:
        project = self.get(name)
        content = {
            "name": name,  # a long one is not the folder's
            "description": project.description,
            "created": project.created,
            "labels": [msgspec.to_builtins(label) for label in project.labels],
        }
        write_file(self._layout.project(name) / _FILE, json.dumps(content, indent=2, ensure_ascii=False).encode())


def read_name(folder: Path) -> str:
    """Give the name of the project whose folder that is: its own, and of a long one what project.json says."""
    try:
        name = str(json.loads((folder / _FILE).read_bytes())["name"])
    except (OSError, ValueError, TypeError, KeyError):
        return folder.name
    # A folder that somebody has copied or renamed is another project.
    return name if shortened(name) == folder.name else folder.name


def read_project(folder: Path) -> tuple[str, float, list[Label]]:
    """Read project.json: description, time of creation and labels; empty where it is missing or damaged."""
    try:
        content = json.loads((folder / _FILE).read_bytes())
        labels = [Label(str(entry["name"]), str(entry["color"])) for entry in content.get("labels", ())]
        return str(content.get("description", "")), float(content.get("created", 0)), _checked((), labels)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StudioError):
        return "", time.time(), []


def _checked(before: Sequence[Label], labels: Sequence[Label]) -> list[Label]:
    if len(labels) > MAX_LABELS:
        raise StudioError(f"{len(labels)} labels, expected {MAX_LABELS} at most")
    if len(labels) < len(before):
        raise StudioError(
            f"label '{before[len(labels)].name}' is missing: labels can be renamed and added, not removed"
        )
    try:
        check_distinct({None: (255, 255, 255), **{label.name: parse_color(label.color) for label in labels}})
    except ValueError as error:
        raise StudioError(str(error)) from None
    if len({label.name for label in labels}) < len(labels):
        raise StudioError("two labels have the same name")
    return list(labels)


def _rename(write: Any, project: int, renamed: dict[str, str]) -> None:
    for row in write.execute(
        "SELECT id, marked FROM pictures WHERE project = ? AND marked <> '[]'", (project,)
    ).fetchall():
        marked = [renamed.get(label, label) for label in json.loads(row["marked"])]
        write.execute("UPDATE pictures SET marked = ? WHERE id = ?", (json.dumps(marked), row["id"]))
