"""The tables that say how a line is: what scores are compared with, drift, the camera, and what was told of them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import NamedTuple

from edge_agent.records.condition.drift import LEAST_WINDOWS, Seen
from edge_agent.records.condition.notice import Camera, Drift, Notice, Reference
from edge_agent.records.store.bins import score_bin
from edge_agent.records.store.schema import SCORE_BINS

#: days that count as the first weeks of a version
FIRST_DAYS = 14


def number_of(connection: sqlite3.Connection, model: str, version: str) -> int:
    """Return the number by which the tables know a version of a model, of which there are records."""
    row = connection.execute("SELECT id FROM models WHERE name = ? AND version = ?", (model, version)).fetchone()
    return int(row[0])


def last_seen(connection: sqlite3.Connection, number: int, size: int) -> list[Seen]:
    """Give the last pictures of a version, the oldest first."""
    rows = connection.execute(
        "SELECT score, anomalous FROM records WHERE model = ? ORDER BY id DESC LIMIT ?", (number, size)
    ).fetchall()
    return [Seen(score_bin(score), bool(anomalous)) for score, anomalous in reversed(rows)]


def first_weeks(connection: sqlite3.Connection, number: int, *, today: int, size: int) -> Reference | None:
    """Give the histogram of a version's first weeks, or of what has passed of them before the day `today`.

    On a slow line they last until there are enough pictures. Once they are over they are written down: the sums of days
    are deleted some time. None while there are too few pictures for windows of `size`.
    """
    kept = connection.execute("SELECT scores FROM first_weeks WHERE model = ?", (number,)).fetchone()
    if kept is not None:
        return Reference("first weeks", tuple(json.loads(kept[0])))
    counts: Counter[int] = Counter()
    first, is_over = 0, False
    for day, part, pictures in connection.execute(
        "SELECT day, bin, pictures FROM score_days WHERE model = ? AND day < ? ORDER BY day", (number, today)
    ):
        first = first or day
        if day >= first + FIRST_DAYS and sum(counts.values()) >= LEAST_WINDOWS * size:
            is_over = True
            break
        counts[part] += pictures
    if sum(counts.values()) < LEAST_WINDOWS * size:
        return None
    reference = Reference("first weeks", tuple(counts[part] for part in range(SCORE_BINS)))
    if is_over or today >= first + FIRST_DAYS:
        connection.execute("INSERT INTO first_weeks VALUES (?,?)", (number, json.dumps(reference.scores)))
    return reference


def write_drift(connection: sqlite3.Connection, number: int, drift: Drift) -> None:
    """Write down how a version's scores are."""
    connection.execute(
        "INSERT OR REPLACE INTO drifts VALUES (?,?,?,?,?,?,?,?,?,?)",
        (number, drift.state, drift.since, drift.at, drift.pictures, drift.psi, drift.ks, drift.p_value,
         drift.compared_with, drift.limit),
    )  # fmt: skip


def write_camera(connection: sqlite3.Connection, camera: Camera) -> None:
    """Write down how a model's pictures look."""
    connection.execute(
        "INSERT OR REPLACE INTO cameras VALUES (?,?,?,?,?)",
        (camera.model, camera.version, camera.state, camera.since, camera.text),
    )


def write_notice(connection: sqlite3.Connection, notice: Notice) -> None:
    """Write down what was told."""
    connection.execute(
        "INSERT INTO notices VALUES (?,?,?,?,?,?,?)",
        (notice.id, notice.at, notice.model, notice.version, notice.kind, notice.state, notice.text),
    )


class Condition(NamedTuple):
    """How the line of one model is; None for what nothing is known of."""

    model: str
    camera: Camera | None
    #: of the version that had the latest picture
    drift: Drift | None


def conditions(connection: sqlite3.Connection) -> list[Condition]:
    """Tell of every model how its camera and its scores are, in the order of names; `reading` opens a connection."""
    cams = read_cameras(connection)
    latest: dict[str, Drift] = {}
    for drift in read_drifts(connection):
        if drift.model not in latest or drift.at > latest[drift.model].at:
            latest[drift.model] = drift
    return [Condition(name, cams.get(name), latest.get(name)) for name in sorted(cams.keys() | latest.keys())]


def read_cameras(connection: sqlite3.Connection) -> dict[str, Camera]:
    """Give what is written of cameras, by model."""
    return {
        row[0]: Camera(*row) for row in connection.execute("SELECT model, version, state, since, text FROM cameras")
    }


def read_drifts(connection: sqlite3.Connection) -> list[Drift]:
    """Give what is written of scores, by version of a model."""
    rows = connection.execute(
        "SELECT name, version, state, since, at, pictures, psi, ks, p_value, compared_with, psi_limit "
        "FROM drifts JOIN models ON models.id = drifts.model ORDER BY name, at"
    )
    return [Drift(*row) for row in rows]


def notices(connection: sqlite3.Connection, *, model: str = "", since: int, until: int) -> list[Notice]:
    """Give what was told of cameras and scores in a time, the oldest first; "" stands for every model."""
    rows = connection.execute(
        "SELECT id, at, model, version, kind, state, text FROM notices "
        "WHERE at >= ? AND at < ? AND (? = '' OR model = ?) ORDER BY id",
        (since, until, model, model),
    )
    return [Notice(*row) for row in rows]
