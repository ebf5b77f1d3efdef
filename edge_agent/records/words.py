"""A person's word on a record: what the part really was. From such words come false-reject and escape rates."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from edge_agent.errors import RecordsError
from edge_agent.records.store.reading import Found, get, reading
from edge_agent.records.store.schema import FILE_NAME

Truth = Literal["normal", "anomaly"]
_Z = 1.959964  # of a normal distribution, two-sided 95 %


def confirm(folder: Path, number: int, truth: Truth, labels: Sequence[str] = (), who: str = "") -> Found:
    """Write down what a person says of a record; a later word replaces an earlier one.

    It is the one thing that another process than the records' own writes, in one short transaction.

    Raises:
        RecordsError: there is no such record, a label was refused, or the file can't be written by this user.
    """
    for label in labels:
        if not label or "," in label or len(label) > 64:
            raise RecordsError(f"label '{label}' is not a name of 1 to 64 characters without a comma")
    if labels and truth == "normal":
        raise RecordsError("a normal part has no kind of anomaly: leave --label away, or say anomaly")
    with reading(folder) as connection:
        record = get(connection, number)
    path = folder / FILE_NAME
    try:
        writer = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10.0, isolation_level=None)
        try:
            writer.execute(
                "INSERT OR REPLACE INTO words SELECT id, at, model, anomalous, ?, ?, ?, ? FROM records WHERE id = ?",
                (truth, ",".join(labels), who, time.time_ns() // 1000, number),
            )
        finally:
            writer.close()
    except sqlite3.Error as error:
        raise RecordsError(f"{path} can't be written: {error}; do it as the daemon's user") from None
    return record._replace(truth=truth, labels=tuple(labels), who=who)


class Word(NamedTuple):
    """What a person has said, beside the verdict."""

    at: int
    model: str
    anomalous: bool
    truth: str


def words(connection: sqlite3.Connection, *, model: str, since: int, until: int) -> list[Word]:
    """Give the words on records of a time, of one model or (with "") of all."""
    rows = connection.execute(
        "SELECT words.at, models.name, anomalous, truth FROM words JOIN models ON models.id = words.model "
        "WHERE words.at >= ? AND words.at < ? AND (? = '' OR models.name = ?) ORDER BY words.record",
        (since, until, model, model),
    )
    return [Word(at, name, bool(anomalous), truth) for at, name, anomalous, truth in rows]


class Rate(NamedTuple):
    """A share of confirmed parts, with its 95 % interval; None and (0, 1) when there are no such parts."""

    wrong: int
    of: int
    share: float | None
    low: float
    high: float


def rate(wrong: int, of: int) -> Rate:
    """Give a share and its interval after Wilson (1927), which is right for small numbers and for 0 of n too."""
    if not of:
        return Rate(0, 0, None, 0.0, 1.0)
    share = wrong / of
    middle = (share + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z / (1 + _Z**2 / of) * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
    return Rate(wrong, of, share, max(0.0, middle - half), min(1.0, middle + half))


class Rates(NamedTuple):
    """Of the parts that people have confirmed: good ones that were rejected, bad ones that escaped."""

    false_reject: Rate
    escape: Rate


def rates(said: Iterable[Word]) -> Rates:
    """Count the verdicts that were wrong."""
    said = list(said)
    normal = [word for word in said if word.truth == "normal"]
    anomaly = [word for word in said if word.truth == "anomaly"]
    return Rates(
        rate(sum(word.anomalous for word in normal), len(normal)),
        rate(sum(not word.anomalous for word in anomaly), len(anomaly)),
    )
