"""The forms that the index has had, in order: a script each, none ever changed once it was released."""

from __future__ import annotations

_FIRST = """
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    unwritten INTEGER NOT NULL DEFAULT 0      -- its manifests don't say yet what stands here
);
CREATE TABLE labels (
    project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    place INTEGER NOT NULL,                   -- 1 .. n: the value in the masks
    name TEXT NOT NULL,
    color TEXT NOT NULL,
    PRIMARY KEY (project, place),
    UNIQUE (project, name)
) WITHOUT ROWID;
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    file TEXT NOT NULL,
    place TEXT NOT NULL,                      -- sorts as people count: part-2 before part-10
    bytes INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    digest TEXT NOT NULL,                     -- SHA-256 of the file
    added REAL NOT NULL,
    class TEXT CHECK (class IN ('normal', 'anomaly')),
    part TEXT NOT NULL DEFAULT 'train' CHECK (part IN ('train', 'test')),
    marked TEXT NOT NULL DEFAULT '[]',        -- names of the labels in its mask
    revision INTEGER NOT NULL DEFAULT 0,      -- of its mask
    changed_by TEXT NOT NULL DEFAULT '',
    changed REAL NOT NULL DEFAULT 0,
    score REAL,                               -- what a model said last, and which
    verdict TEXT CHECK (verdict IN ('normal', 'anomaly')),
    judged_by TEXT NOT NULL DEFAULT '',
    UNIQUE (project, file)
);
CREATE INDEX pictures_by_digest ON pictures (project, digest);
CREATE INDEX pictures_by_place ON pictures (project, place);
CREATE INDEX pictures_by_class ON pictures (project, class, place);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    process INTEGER,                          -- pid, and when it started, so that another's is not taken for it
    process_started REAL,
    problem TEXT NOT NULL DEFAULT ''
);
CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer')),
    salt BLOB NOT NULL,
    hash BLOB NOT NULL
);
CREATE TABLE sessions (
    token TEXT PRIMARY KEY,                   -- SHA-256 of the cookie
    user TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    ends REAL NOT NULL
)
"""

MIGRATIONS = (_FIRST,)
