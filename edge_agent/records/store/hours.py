"""What a line did by the hour, from sums that the writer keeps: a year takes no longer to read than a moment."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_agent.records.store.reading import model_names
from edge_agent.records.store.schema import HOUR


class Confirmed(NamedTuple):
    """What people have said of verdicts: the parts that they found to be of a kind, and of these the wrong verdicts."""

    normal: int = 0
    #: of the normal ones, those that were judged anomalous
    false_rejects: int = 0
    anomaly: int = 0
    #: of the anomalies, those that were judged normal
    escapes: int = 0


@dataclass
class Hour:
    """One version of a model in one hour of UTC."""

    #: microseconds since 1970
    begin: int
    model: str
    version: str
    pictures: int = 0
    anomalous: int = 0
    #: sum, and longest, of the times from arrival to answer
    milliseconds: float = 0.0
    slowest: float = 0.0
    #: pictures by part of the score, and of the time: bins.score_of and bins.milliseconds_of say what a part is
    scores: Counter[int] = field(default_factory=Counter)
    times: Counter[int] = field(default_factory=Counter)
    #: anomalous pictures by label; one picture may have several
    labels: Counter[str] = field(default_factory=Counter)
    #: of the pictures of this hour, whenever it was said
    confirmed: Confirmed = field(default_factory=Confirmed)


def hours(connection: sqlite3.Connection, *, model: str = "", since: int, until: int) -> list[Hour]:
    """Give the hours in which there were pictures, from the one that `since` lies in, in order of time and version.

    With "" every model's. 50 rows of scores an hour: for much more than a month ask for `histograms`.
    """
    first, last = since // HOUR, -(-until // HOUR)
    names = {number: name for number, name in model_names(connection).items() if model in ("", name[0])}
    found: dict[tuple[int, int], Hour] = {}

    def at(hour: int, number: int) -> Hour:
        key = (hour, number)
        if key not in found:
            found[key] = Hour(hour * HOUR, *names[number])
        return found[key]

    where = f"model IN ({','.join(map(str, names))})"  # numbers of ours
    quarters = (first * 4, last * 4)
    for hour, number, pictures, anomalous, taken, slowest in connection.execute(
        "SELECT quarter / 4, model, sum(total), sum(anomalous), sum(milliseconds), max(slowest) FROM quarters "  # noqa: S608
        f"WHERE quarter >= ? AND quarter < ? AND {where} GROUP BY 1, 2",
        quarters,
    ):
        one = at(hour, number)
        one.pictures, one.anomalous, one.milliseconds, one.slowest = pictures, anomalous, taken, slowest
    for hour, number, label, pictures in connection.execute(
        "SELECT quarter / 4, model, label, sum(pictures) FROM label_quarters "  # noqa: S608
        f"WHERE quarter >= ? AND quarter < ? AND {where} GROUP BY 1, 2, 3",
        quarters,
    ):
        at(hour, number).labels[label] = pictures
    for table in ("score_hours", "time_hours"):
        for hour, number, part, pictures in connection.execute(
            f"SELECT hour, model, bin, pictures FROM {table} WHERE hour >= ? AND hour < ? AND {where}",  # noqa: S608
            (first, last),
        ):
            one = at(hour, number)
            (one.scores if table == "score_hours" else one.times)[part] = pictures
    for (hour, number), confirmed in _confirmed(connection, where, first, last).items():
        at(hour, number).confirmed = confirmed
    return [found[key] for key in sorted(found)]


def _confirmed(
    connection: sqlite3.Connection, where: str, first: int, last: int
) -> dict[tuple[int, int], Confirmed]:  # fmt: skip
    counts: dict[tuple[int, int], Counter[tuple[str, bool]]] = defaultdict(Counter)
    for hour, number, truth, anomalous, count in connection.execute(
        f"SELECT at / ?, model, truth, anomalous, count(*) FROM words WHERE at >= ? AND at < ? AND {where} "  # noqa: S608
        "GROUP BY 1, 2, 3, 4",
        (HOUR, first * HOUR, last * HOUR),
    ):
        counts[hour, number][truth, bool(anomalous)] = count
    return {
        key: Confirmed(
            said["normal", True] + said["normal", False],
            said["normal", True],
            said["anomaly", True] + said["anomaly", False],
            said["anomaly", False],
        )
        for key, said in counts.items()
    }


class Histograms(NamedTuple):
    """Pictures by part of the score, and by part of the time."""

    scores: Counter[int]
    times: Counter[int]


def histograms(
    connection: sqlite3.Connection, *, model: str = "", version: str = "", since: int, until: int
) -> Histograms:
    """Add up how scores and times are distributed from the hour that `since` lies in; "" stands for all."""
    names = model_names(connection)
    numbers = [
        number for number, name in names.items() if model in ("", name[0]) and version in ("", name[1])
    ]  # fmt: skip
    where = f"model IN ({','.join(map(str, numbers))})"  # numbers of ours
    span = (since // HOUR, -(-until // HOUR))
    return Histograms(
        *(
            Counter(
                dict(
                    connection.execute(
                        f"SELECT bin, sum(pictures) FROM {table} WHERE hour >= ? AND hour < ? AND {where} "  # noqa: S608
                        "GROUP BY bin",
                        span,
                    )
                )
            )
            for table in ("score_hours", "time_hours")
        )
    )
