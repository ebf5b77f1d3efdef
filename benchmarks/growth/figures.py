"""What is measured, and how it is told: as JSON for the plots, and as tables for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.rig import median, quantile
from edge_agent.device.bench.client import Way


class Times(NamedTuple):
    """What calls took, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """Summarise calls."""
        return cls(round(median(seconds) * 1000, 3), round(quantile(seconds, 0.99) * 1000, 3))


class ModelsRow(NamedTuple):
    """So many models run, and one client calls; memory in MB, each page counted once."""

    models: int
    #: always the same model is called
    same: Times
    #: one model after the other is called
    each: Times
    front: float
    workers: float


class ClientsRow(NamedTuple):
    """So many clients call one model, each as soon as it has its answer."""

    clients: int
    way: Way
    times: Times
    #: pictures, of all clients together
    per_second: float
    refused: int


class PicturesRow(NamedTuple):
    """One client sends pictures of side x side."""

    side: int
    way: Way
    times: Times


class Figures(NamedTuple):
    """A whole run."""

    machine: str
    date: str
    models: list[ModelsRow]
    clients: list[ClientsRow]
    pictures: list[PicturesRow]

    def as_fields(self) -> dict[str, Any]:
        """Return it for another program."""
        rows = {name: [_plain(row) for row in getattr(self, name)] for name in ("models", "clients", "pictures")}
        return {"machine": self.machine, "date": self.date, **rows}


def read_figures(fields: dict[str, Any]) -> Figures:
    """Make figures of what `as_fields` returned."""
    return Figures(
        fields["machine"],
        fields["date"],
        [ModelsRow(**row | {name: Times(**row[name]) for name in ("same", "each")}) for row in fields["models"]],
        [ClientsRow(**row | {"times": Times(**row["times"])}) for row in fields["clients"]],
        [PicturesRow(**row | {"times": Times(**row["times"])}) for row in fields["pictures"]],
    )


def _plain(row: ModelsRow | ClientsRow | PicturesRow) -> dict[str, Any]:
    return {key: value._asdict() if isinstance(value, Times) else value for key, value in row._asdict().items()}


def tables(figures: Figures) -> Iterator[str]:
    """Yield the lines of three tables in Markdown."""
    yield from _table(
        ("models running", "the same one called, p50 / p99", "each in turn, p50 / p99", "front", "workers together"),
        [(row.models, _times(row.same), _times(row.each), f"{row.front:.0f} MB", f"{row.workers:.0f} MB")
         for row in figures.models],
    )  # fmt: skip
    yield ""
    yield from _table(
        ("clients", *(f"{way}, {what}" for way in _ways(figures.clients) for what in ("p50 / p99", "pictures/s"))),
        [(count, *(cell for row in rows for cell in (_times(row.times), f"{row.per_second:.0f}")))
         for count, rows in _by_way([(row.clients, row) for row in figures.clients])],
    )  # fmt: skip
    yield ""
    yield from _table(
        ("picture", *(f"{way}, p50 / p99" for way in _ways(figures.pictures))),
        [(f"{side}x{side}", *(_times(row.times) for row in rows))
         for side, rows in _by_way([(row.side, row) for row in figures.pictures])],
    )  # fmt: skip


def _ways(rows: Sequence[ClientsRow] | Sequence[PicturesRow]) -> list[Way]:
    return list(dict.fromkeys(row.way for row in rows))


def _by_way(rows: Sequence[tuple[int, Any]]) -> list[tuple[int, list[Any]]]:
    """Put the rows of one number beside each other; they are in the order of the ways."""
    return [(number, [row for other, row in rows if other == number]) for number in dict.fromkeys(n for n, _ in rows)]


def _times(times: Times) -> str:
    return f"{times.p50:.3g} / {times.p99:.3g} ms"


def _table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
