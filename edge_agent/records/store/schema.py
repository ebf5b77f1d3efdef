"""The tables of records.db. SQLite in WAL mode: one writes, others read meanwhile; https://www.sqlite.org/wal.html.

What covers long times is added up when it is written: ten million records are looked at in 35,000 quarters of an hour
a year and model. Quarters and not hours, because a shift begins at a full hour of local time, which in some countries
is not one of UTC. How scores and times are distributed is counted by hours of UTC, in which that matters less.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edge_agent.errors import RecordsError

FILE_NAME = "records.db"

#: microseconds in a quarter of an hour, in an hour, and in a day
QUARTER = 900 * 1_000_000
HOUR = 4 * QUARTER
DAY = 86_400 * 1_000_000
#: scores are counted in so many equal parts of 0..1
SCORE_BINS = 50

_FIRST = """
CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (name, version));
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    model INTEGER NOT NULL REFERENCES models,
    anomalous INTEGER NOT NULL,
    score REAL NOT NULL,
    threshold REAL NOT NULL,
    confidence REAL NOT NULL,
    areas TEXT,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    milliseconds REAL NOT NULL,
    uid INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    program TEXT NOT NULL,
    part TEXT,
    station TEXT,
    picture TEXT
);
CREATE INDEX records_model ON records (model, id);
CREATE INDEX records_anomalous ON records (id) WHERE anomalous;
CREATE INDEX records_model_anomalous ON records (model, id) WHERE anomalous;
CREATE INDEX records_part ON records (part) WHERE part IS NOT NULL;
CREATE TABLE quarters (
    quarter INTEGER NOT NULL, model INTEGER NOT NULL,
    total INTEGER NOT NULL, anomalous INTEGER NOT NULL, milliseconds REAL NOT NULL, slowest REAL NOT NULL,
    PRIMARY KEY (quarter, model)
) WITHOUT ROWID;
CREATE TABLE label_quarters (
    quarter INTEGER NOT NULL, model INTEGER NOT NULL, label TEXT NOT NULL,
    pictures INTEGER NOT NULL, area REAL NOT NULL,
    PRIMARY KEY (quarter, model, label)
) WITHOUT ROWID;
CREATE TABLE score_days (
    day INTEGER NOT NULL, model INTEGER NOT NULL, bin INTEGER NOT NULL, pictures INTEGER NOT NULL,
    PRIMARY KEY (model, day, bin)
) WITHOUT ROWID;
CREATE TABLE words (
    record INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    model INTEGER NOT NULL REFERENCES models,
    anomalous INTEGER NOT NULL,
    truth TEXT NOT NULL CHECK (truth IN ('normal', 'anomaly')),
    labels TEXT NOT NULL,
    who TEXT NOT NULL,
    said INTEGER NOT NULL
);
CREATE TABLE losses (at INTEGER NOT NULL, why TEXT NOT NULL, records INTEGER NOT NULL);
"""
_HOURS = """
CREATE TABLE score_hours (
    hour INTEGER NOT NULL, model INTEGER NOT NULL, bin INTEGER NOT NULL, pictures INTEGER NOT NULL,
    PRIMARY KEY (hour, model, bin)
) WITHOUT ROWID;
CREATE TABLE time_hours (
    hour INTEGER NOT NULL, model INTEGER NOT NULL, bin INTEGER NOT NULL, pictures INTEGER NOT NULL,
    PRIMARY KEY (hour, model, bin)
) WITHOUT ROWID;
CREATE INDEX words_at ON words (at);
-- Records below `record` are not in the two tables yet: they were written by an agent that did not have them.
CREATE TABLE unfilled (record INTEGER NOT NULL);
INSERT INTO unfilled SELECT max(id) + 1 FROM records HAVING max(id) IS NOT NULL;
"""
_CONDITION = """
-- How scores are distributed now, by version of a model; `reference` is a JSON list of counts.
CREATE TABLE drifts (
    model INTEGER PRIMARY KEY REFERENCES models,
    state TEXT NOT NULL, since INTEGER NOT NULL, at INTEGER NOT NULL, pictures INTEGER NOT NULL,
    psi REAL NOT NULL, ks REAL NOT NULL, p_value REAL NOT NULL, compared_with TEXT NOT NULL
);
CREATE TABLE first_weeks (model INTEGER PRIMARY KEY REFERENCES models, scores TEXT NOT NULL);
-- How the pictures of a model look now.
CREATE TABLE cameras (
    model TEXT PRIMARY KEY, version TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE TABLE notices (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL
);
-- What another model said of a record's picture. `model` is the record's, `shadow` the other.
CREATE TABLE shadows (
    record INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models, shadow INTEGER NOT NULL REFERENCES models,
    agrees INTEGER NOT NULL, anomalous INTEGER NOT NULL, score REAL NOT NULL, threshold REAL NOT NULL, areas TEXT,
    milliseconds REAL NOT NULL, picture TEXT
);
CREATE INDEX shadows_pair ON shadows (model, shadow, record);
CREATE INDEX shadows_differ ON shadows (model, shadow, record) WHERE NOT agrees;
"""
_DAYS = """
-- Of a long time only the ends are read from the smaller units: a year is 365 days and not 8760 hours.
CREATE TABLE time_days (
    day INTEGER NOT NULL, model INTEGER NOT NULL, bin INTEGER NOT NULL, pictures INTEGER NOT NULL,
    PRIMARY KEY (model, day, bin)
) WITHOUT ROWID;
INSERT INTO time_days SELECT hour / 24, model, bin, sum(pictures) FROM time_hours GROUP BY 1, 2, 3;
-- The same as quarters and label_quarters, of whole hours and days.
CREATE TABLE sum_hours (
    hour INTEGER NOT NULL, model INTEGER NOT NULL,
    total INTEGER NOT NULL, anomalous INTEGER NOT NULL, milliseconds REAL NOT NULL, slowest REAL NOT NULL,
    PRIMARY KEY (hour, model)
) WITHOUT ROWID;
INSERT INTO sum_hours SELECT quarter / 4, model, sum(total), sum(anomalous), sum(milliseconds), max(slowest)
    FROM quarters GROUP BY 1, 2;
CREATE TABLE label_days (
    day INTEGER NOT NULL, model INTEGER NOT NULL, label TEXT NOT NULL,
    pictures INTEGER NOT NULL, area REAL NOT NULL,
    PRIMARY KEY (day, model, label)
) WITHOUT ROWID;
INSERT INTO label_days SELECT quarter / 96, model, label, sum(pictures), sum(area) FROM label_quarters GROUP BY 1, 2, 3;
-- Calls that got no verdict. `model` is a name, "" where the call named none that is on the device: many of these never
-- had a record. `details` is what the last of them was answered.
CREATE TABLE refused (
    quarter INTEGER NOT NULL, model TEXT NOT NULL, reason TEXT NOT NULL, calls INTEGER NOT NULL, details TEXT NOT NULL,
    PRIMARY KEY (quarter, model, reason)
) WITHOUT ROWID;
"""
_LIMIT = """
-- The index at which drifted begins, which chance may raise.
ALTER TABLE drifts ADD COLUMN psi_limit REAL NOT NULL DEFAULT 0.25;
"""
#: what brings a file from each version to the next
_STEPS = (_FIRST, _HOURS, _CONDITION, _DAYS, _LIMIT)
#: of the tables; a file with a later one is left alone
VERSION = len(_STEPS)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the database for its writer; make it if there is none, and bring it up to date if it is an older agent's.

    Raises:
        sqlite3.Error, OSError: it can't be opened, read or written.
        RecordsError: it was made by a newer agent.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    try:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # pages of deleted records are given back in steps
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise RecordsError(f"{path} was made by a newer agent (version {found}), expected {VERSION} at most")
        if found < VERSION:
            steps = "".join(_STEPS[found:])
            connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection
