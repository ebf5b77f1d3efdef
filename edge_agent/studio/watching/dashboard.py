"""The figures of a time: how many pictures and anomalies, whether that is usual, what kinds, how sure, how fast."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal

import msgspec

from edge_agent.component.manifest import Manifest
from edge_agent.errors import RecordsError, StudioError
from edge_agent.records.figures import sums
from edge_agent.records.figures.control import (
    Group,
    Limits,
    signals,
    stable_limits,
    training_limits,
)
from edge_agent.records.figures.periods import MOST_PERIODS, Period, Step, fitting_step, offset_at, periods
from edge_agent.records.figures.refusals import refusals_of, refused_by_period, refused_models
from edge_agent.records.span import SECOND, moment
from edge_agent.records.statistics import DEFAULT_SHIFTS, losses, parse_shifts
from edge_agent.records.store.bins import milliseconds_of, time_quantile
from edge_agent.records.store.reading import model_names
from edge_agent.records.store.schema import SCORE_BINS
from edge_agent.records.words import Rate, rates, words
from edge_agent.studio.watching.records import Records

_HOUR = 3600 * SECOND
#: periods after a version's first picture in which a stable time is looked for
_FIRST_PERIODS = 400
#: the year 2200: calendars of computers end not much later
_LATEST = 7_258_118_400 * SECOND
SPANS = {"1d": 24, "3d": 72, "1w": 168, "2w": 336, "1m": 730, "3m": 2190, "6m": 4380}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which figures: of a model ("" for all), the last `span`, or from `since` until `until` (seconds since 1970).

    `begin` and `end` are the same as the device's clock shows them, such as 2026-03-01T06:00.
    `shifts` are when shifts begin, local time; `only` is one of them, to count that shift alone. `by` is what pictures
    are counted by; "" for what fits the time.
    """

    model: str = ""
    span: Literal["", "1d", "3d", "1w", "2w", "1m", "3m", "6m"] = "1d"
    since: float = 0.0
    until: float = 0.0
    begin: str = ""
    end: str = ""
    by: Literal["", "quarter", "hour", "shift", "day"] = ""
    shifts: str = DEFAULT_SHIFTS
    only: str = ""
    limits: Literal["stable", "training"] = "stable"


class Point(msgspec.Struct, frozen=True):
    """A period: what was counted, the limits of its share, and the rule by which it stands out, "" for none."""

    begin: float
    end: float
    #: minutes that its local time is ahead of UTC
    offset: int
    total: int
    anomalous: int
    low: float | None
    high: float | None
    rule: str
    milliseconds: float | None
    slowest: float | None
    #: calls that got no verdict
    refused: int


class Chart(msgspec.Struct, frozen=True):
    """What limits come from: `stable` or `few`, `shown` groups, or `training`; "" where there are none."""

    center: float | None
    spread: float
    basis: str
    groups: int
    since: float | None


class Bar(msgspec.Struct, frozen=True):
    """A kind of anomaly."""

    label: str
    pictures: int
    area: float


class Scores(msgspec.Struct, frozen=True):
    """Pictures by equal parts of the score 0..1, of the time and of the training's normal pictures (shares, or [])."""

    counts: list[int]
    training: list[float]
    threshold: float | None


class Times(msgspec.Struct, frozen=True):
    """Calls by time from arrival to answer: where each part begins (ms), how many; and quantiles."""

    begins: list[float]
    counts: list[int]
    p50: float
    p95: float
    p99: float
    slowest: float


class Share(msgspec.Struct, frozen=True):
    """A share of what people confirmed, with its 95 % interval."""

    wrong: int
    of: int
    share: float | None
    low: float
    high: float


class VersionShare(msgspec.Struct, frozen=True):
    """A version that answered in this time."""

    model: str
    version: str
    pictures: int
    first: float
    last: float


class RefusedBar(msgspec.Struct, frozen=True):
    """Calls that got no verdict: of which model ("" for none that is here), why, and what the last was answered."""

    model: str
    reason: str
    calls: int
    details: str


class Dashboard(msgspec.Struct, frozen=True):
    """All figures. `state`: `ok`, `none` (no records at all), `unreadable`; the text says more."""

    state: Literal["ok", "none", "unreadable"]
    problem: str
    folder: str
    since: float
    until: float
    offset: int
    by: str
    models: list[str]
    total: int = 0
    anomalous: int = 0
    points: list[Point] = []
    chart: Chart | None = None
    kinds: list[Bar] = []
    scores: Scores | None = None
    times: Times | None = None
    false_rejects: Share | None = None
    escapes: Share | None = None
    versions: list[VersionShare] = []
    #: records that could not be written in this time
    lost: int = 0
    #: calls that got no verdict, and why
    refused: int = 0
    refusals: list[RefusedBar] = []


class Figures:
    """Makes dashboards of records; `manifest_of` gives a version's manifest where this machine has it."""

    def __init__(self, records: Records, manifest_of: Callable[[str, str], Manifest | None]) -> None:
        self._records, self._manifest_of = records, manifest_of

    def dashboard(self, wanted: Wanted) -> Dashboard:
        """Make the figures of a time.

        Raises:
            StudioError: the times can't be used.
        """
        try:
            shifts = parse_shifts(wanted.shifts)
            only = parse_shifts(wanted.only)[0] if wanted.only else None
            since, until = _span(wanted)
            step: Step = wanted.by or fitting_step(since, until)
            found = periods(since, until, step, shifts, only)
        except RecordsError as error:
            raise StudioError(str(error)) from None
        if len(found) > MOST_PERIODS:
            raise StudioError(f"that is more than {MOST_PERIODS} periods; choose longer ones, or a shorter time")
        first, last = (found[0].begin, found[-1].end) if found else (since, until)
        place = (str(self._records.folder), first / SECOND, last / SECOND, offset_at(until), step)
        if not self._records.are_readable:
            return Dashboard("unreadable", f"this user may not look into {self._records.state}", *place, [])
        if not self._records.are_there:
            return Dashboard("none", "", *place, [])
        try:
            with self._records.reading() as connection:
                return self._of(connection, wanted, found, place, (shifts, only))
        except RecordsError as error:
            return Dashboard("unreadable", str(error), *place, [])

    def _of(
        self, connection: sqlite3.Connection, wanted: Wanted, found: list[Period],
        place: tuple[str, float, float, int, Step], shifts: tuple[Sequence[timedelta], timedelta | None],
    ) -> Dashboard:  # fmt: skip
        numbers = sums.numbers_of(connection, wanted.model)
        since, until = round(place[1] * SECOND), round(place[2] * SECOND)
        counted = sums.sums_of(connection, numbers, found)
        refused = refused_by_period(connection, wanted.model, found)
        served = sums.served_in(connection, numbers, since, until)
        manifest = self._manifest_of(served[-1].model, served[-1].version) if wanted.model and served else None
        scores, times = sums.distributions_of(connection, numbers, found)
        limits, begun = self._limits(connection, wanted, place[4], shifts, manifest)
        said = [word for word in words(connection, model=wanted.model, since=since, until=until) if _in(word.at, found)]
        rate = rates(said)
        return Dashboard(
            "ok", "", *place,
            sorted({name for name, _ in model_names(connection).values()} | refused_models(connection)),
            total=sum(one.total for one in counted),
            anomalous=sum(one.anomalous for one in counted),
            points=_points(found, counted, refused, limits),
            chart=None if limits is None else Chart(limits.center, limits.spread, limits.basis, limits.groups, begun),
            kinds=[Bar(*kind) for kind in sums.kinds_of(connection, numbers, found)],
            scores=Scores(scores, _trained(manifest), None if manifest is None else manifest.threshold),
            times=_times(times, max((one.slowest for one in counted), default=0.0)),
            false_rejects=_share(rate.false_reject),
            escapes=_share(rate.escape),
            versions=[
                VersionShare(one.model, one.version, one.pictures, one.first / SECOND, one.last / SECOND)
                for one in served
            ],
            lost=sum(count for _, _, count in losses(connection, since=since, until=until)),
            refused=sum(refused),
            refusals=[RefusedBar(*one) for one in refusals_of(connection, wanted.model, found)],
        )  # fmt: skip

    def _limits(
        self, connection: sqlite3.Connection, wanted: Wanted, step: Step,
        shifts: tuple[Sequence[timedelta], timedelta | None], manifest: Manifest | None,
    ) -> tuple[Limits | None, float | None]:  # fmt: skip
        """Give the limits and, for those of a stable time, when that began: the same whatever time is shown."""
        if wanted.limits == "training":
            trained = [] if manifest is None else _trained_counts(manifest)
            if manifest is None or not sum(trained):
                return None, None
            first = round(manifest.threshold * SCORE_BINS)
            return training_limits(sum(trained[first:]), sum(trained)), None
        numbers = sums.numbers_of(connection, wanted.model)
        if wanted.model and numbers:
            numbers = numbers[-1:]  # limits belong to a version: the newest that has answered
        begun = sums.begun(connection, numbers)
        if begun is None:
            return None, None
        length = {"quarter": _HOUR // 4, "hour": _HOUR, "shift": 8 * _HOUR, "day": 24 * _HOUR}[step]
        now = time.time_ns() // 1000
        early = periods(begun, max(begun + 1, min(now, begun + _FIRST_PERIODS * length)), step, *shifts)
        groups = [Group(one.total, one.anomalous) for one in sums.sums_of(connection, numbers, early)]
        limits = stable_limits(groups)
        return limits, None if limits is None else early[limits.first].begin / SECOND


def _span(wanted: Wanted) -> tuple[int, int]:
    """Give from when to when, in microseconds since 1970; RecordsError for what no calendar has."""
    now = time.time_ns() // 1000
    until = moment(wanted.end, now) if wanted.end else _microseconds(wanted.until) or now
    if wanted.begin:
        since = moment(wanted.begin, now)
    else:
        since = _microseconds(wanted.since) or until - SPANS[wanted.span or "1d"] * _HOUR
    if until > _LATEST:
        raise RecordsError("the time ends after the year 2199")
    if until - since > MOST_PERIODS * 24 * _HOUR:
        raise RecordsError(f"that is more than {MOST_PERIODS} days; choose a shorter time")
    return since, until


def _microseconds(seconds: float) -> int:
    if not 0 <= seconds <= _LATEST / SECOND:  # nor one that is no number
        raise RecordsError(f"{seconds:g} is not a time, expected seconds since 1970")
    return round(seconds * SECOND)


def _points(
    found: Sequence[Period], counted: Sequence[sums.Sums], refused: Sequence[int], limits: Limits | None
) -> list[Point]:
    groups = [Group(one.total, one.anomalous) for one in counted]
    rules = [""] * len(groups) if limits is None else list(signals(groups, limits))
    points = []
    for period, one, calls, rule in zip(found, counted, refused, rules, strict=True):
        low, high = limits.at(one.total) if limits is not None and one.total else (None, None)
        mean = one.milliseconds / one.total if one.total else None
        points.append(
            Point(
                period.begin / SECOND,
                period.end / SECOND,
                period.offset,
                one.total,
                one.anomalous,
                low,
                high,
                rule,
                mean,
                one.slowest if one.total else None,
                calls,
            )
        )
    return points


def _times(counts: dict[int, int], slowest: float) -> Times:
    first, last = (min(counts), max(counts)) if counts else (0, -1)
    parts = range(first, last + 2)  # the end of the last one too
    p50, p95, p99 = (min(slowest, time_quantile(counts, share)) for share in (0.5, 0.95, 0.99))
    return Times(
        [milliseconds_of(part) for part in parts], [counts.get(part, 0) for part in parts[:-1]], p50, p95, p99, slowest
    )


def _trained_counts(manifest: Manifest) -> list[int]:
    scores = manifest.training.get("scores")
    normal = scores.get("normal") if isinstance(scores, dict) else None
    if not isinstance(normal, list) or len(normal) != SCORE_BINS:
        return []
    return [count for count in normal if isinstance(count, int)]


def _trained(manifest: Manifest | None) -> list[float]:
    counts = [] if manifest is None else _trained_counts(manifest)
    return [count / sum(counts) for count in counts] if sum(counts) else []


def _share(rate: Rate) -> Share:
    return Share(*rate)


def _in(at: int, found: Sequence[Period]) -> bool:
    return any(period.begin <= at < period.end for period in found)
