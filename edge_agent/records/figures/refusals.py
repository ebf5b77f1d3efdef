"""Calls that got no verdict: how many in each of some periods, and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.records.figures.periods import Period
from edge_agent.records.store.schema import QUARTER


class Refusal(NamedTuple):
    """Calls of a model ("" for none that is here) that were refused for one reason."""

    model: str
    reason: str
    calls: int
    #: what the last of them was answered
    details: str


def refused_by_period(connection: sqlite3.Connection, model: str, periods: Sequence[Period]) -> list[int]:
    """Count refused calls of a model ("" for all) in periods, which begin and end at quarters of an hour."""
    found = [0] * len(periods)
    if not periods:
        return found
    rows = connection.execute(
        f"WITH period(place, first, last) AS (VALUES {_listed(periods)}) "  # noqa: S608  # numbers from here
        "SELECT place, sum(calls) FROM period CROSS JOIN refused ON quarter >= first AND quarter < last "
        "WHERE ? IN ('', model) GROUP BY place",
        (model,),
    )
    for place, calls in rows:
        found[place] = calls
    return found


def refusals_of(connection: sqlite3.Connection, model: str, periods: Sequence[Period]) -> list[Refusal]:
    """Give why calls of a model ("" for all) were refused in some periods, the most frequent reason first."""
    if not periods:
        return []
    # With max(), SQLite takes the other columns from the row that has it: https://www.sqlite.org/lang_select.html
    rows = connection.execute(
        f"WITH period(place, first, last) AS (VALUES {_listed(periods)}) "  # noqa: S608  # numbers from here
        "SELECT model, reason, sum(calls) AS often, details, max(quarter) FROM period "
        "CROSS JOIN refused ON quarter >= first AND quarter < last "
        "WHERE ? IN ('', model) GROUP BY model, reason ORDER BY often DESC, model, reason",
        (model,),
    )
    return [Refusal(*row[:4]) for row in rows]


def refused_models(connection: sqlite3.Connection) -> set[str]:
    """Give the names of models of which calls were refused."""
    return {name for (name,) in connection.execute("SELECT DISTINCT model FROM refused WHERE model != ''")}


def _listed(periods: Sequence[Period]) -> str:
    return ",".join(
        f"({place},{period.begin // QUARTER},{period.end // QUARTER})" for place, period in enumerate(periods)
    )
