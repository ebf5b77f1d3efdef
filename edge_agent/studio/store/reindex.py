"""Making the index anew from the files, after somebody has copied some in or out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_agent.building.datasets.reading import read_dataset
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError, InvalidRequest, StudioError
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.studio.store.layout import PICTURES, TEST, TRAIN
from edge_agent.studio.store.pictures import file_digest, place_of
from edge_agent.studio.store.projects import read_name, read_project
from edge_agent.studio.store.store import Store

_MEANT = {"picture-missing"}


class Found(NamedTuple):
    """What a reindexing found: numbers of projects and pictures, and what could not be used, in sentences."""

    projects: int
    pictures: int
    problems: list[str]


def reindex(store: Store, tell: Callable[[str], None] = lambda text: None) -> Found:
    """Read every project's folder, and make the index say what the files say."""
    store.manifests.write_changed()  # what people said last is in the index alone for a moment
    problems: list[str] = []
    names, count = [], 0
    folders = sorted(store.layout.projects.iterdir()) if store.layout.projects.is_dir() else []
    for folder in folders:
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        name = read_name(folder)
        try:
            store.layout.project(name)
        except StudioError as error:
            problems.append(str(error))
            continue
        tell(name)
        names.append(name)
        count += _read_folder(store, name, folder, problems)
    with store.database.writing() as write:
        marks = ",".join("?" * len(names))
        write.execute(f"DELETE FROM projects WHERE name NOT IN ({marks})", names)  # noqa: S608
    return Found(len(names), count, problems)


def _read_folder(store: Store, name: str, folder: Path, problems: list[str]) -> int:
    description, created, labels = read_project(folder)
    said, unread = _said(folder, problems)
    with store.database.writing() as write:
        write.execute(
            "INSERT INTO projects (name, description, created) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET description = excluded.description",
            (name, description, created),
        )
        number = write.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()["id"]
        write.execute("DELETE FROM labels WHERE project = ?", (number,))
        write.executemany(
            "INSERT INTO labels (project, place, name, color) VALUES (?, ?, ?, ?)",
            [(number, place, label.name, label.color) for place, label in enumerate(labels, start=1)],
        )
    known = {row["file"]: row for row in store.database.rows("SELECT * FROM pictures WHERE project = ?", (number,))}
    there = sorted(path for path in (folder / PICTURES).glob("*") if path.is_file() and not path.name.startswith("."))
    for path in there:
        row = known.get(path.name)
        digest = file_digest(path)
        if row is None or row["digest"] != digest:
            try:
                pixels = read_picture(path)
            except InvalidRequest as error:
                problems.append(str(error))
                continue
            with store.database.writing() as write:
                write.execute(
                    "INSERT INTO pictures (project, file, place, bytes, width, height, digest, added)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (project, file) DO UPDATE SET bytes = excluded.bytes, width = excluded.width,"
                    " height = excluded.height, digest = excluded.digest, score = NULL, verdict = NULL",
                    (
                        number,
                        path.name,
                        place_of(path.name),
                        path.stat().st_size,
                        pixels.shape[1],
                        pixels.shape[0],
                        digest,
                        time.time(),
                    ),
                )
        if path.name not in said and unread and row is not None:
            # A manifest that can't be read says nothing of it; what people said is not forgotten for that.
            said[path.name] = (row["class"], row["part"])
        _apply(store, name, number, path.name, said, problems)
    gone = set(known) - {path.name for path in there}
    with store.database.writing() as write:
        write.executemany("DELETE FROM pictures WHERE project = ? AND file = ?", [(number, file) for file in gone])
    return len(there)


def _said(folder: Path, problems: list[str]) -> tuple[dict[str, tuple[str | None, str]], bool]:
    """Read from the manifests which class and part each picture's file name has, and whether one can't be read."""
    said: dict[str, tuple[str | None, str]] = {}
    unread = False
    for part in (TRAIN, TEST):
        path = folder / f"{part}.manifest"
        if not path.is_file():
            continue
        try:
            dataset = read_dataset(path)
        except DatasetError as error:
            sentences = [str(error)]
        else:
            said |= {example.path.name: (str(example.label), part) for example in dataset.labelled}
            # A picture that was copied out is missing, and that is meant.
            sentences = [sentence(reason) for reason in dataset.reasons if reason.stops and reason.code not in _MEANT]
        if sentences:
            unread = True
            problems.append(f"{sentences[0]}; what the index knows of its pictures stays")
    return said, unread


def _apply(
    store: Store, project: str, number: int, file: str, said: dict[str, tuple[str | None, str]], problems: list[str]
) -> None:
    class_, part = said.get(file, (None, TRAIN))
    row = store.database.row("SELECT id, revision FROM pictures WHERE project = ? AND file = ?", (number, file))
    assert row is not None
    picture = store.pictures.get(project, row["id"])
    marked: list[str] = []
    if store.masks.path(project, picture).is_file():
        try:
            present = np.unique(store.masks.read(project, picture.id))
            labels = store.projects.labels(number)
            marked = [labels[place - 1].name for place in present if place]
        except (StudioError, DatasetError) as error:
            problems.append(str(error))
    with store.database.writing() as write:
        write.execute(
            "UPDATE pictures SET class = ?, part = ?, marked = ?, revision = max(revision, ?) WHERE id = ?",
            (class_, part, json.dumps(marked), int(bool(marked)), picture.id),
        )
