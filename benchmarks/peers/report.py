"""The table of a run, what the agent is meant to reach, and the same for another program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.peers.measuring import Cell, Sample
from benchmarks.rig import median

OURS = "agent"
#: the server that does nothing: what the client alone needs
FLOOR = "floor"
Figures = Mapping[Cell, Mapping[tuple[str, int], Sample]]


class Goal(NamedTuple):
    """At most `share` of the time of `peer`, one client, at these quantiles."""

    peer: str
    cell: Cell
    share: float
    quantiles: tuple[str, ...] = ("p50", "p99")


GOALS = (
    Goal("triton", Cell("empty", 1280, 960, "shared memory"), 0.6),
    Goal("triton", Cell("empty", 1280, 960, "bytes"), 0.7),
    Goal("bare", Cell("reference", 1280, 960, "shared memory"), 1.06, ("p50",)),
    Goal("bare", Cell("reference", 1280, 960, "shared memory"), 1.15, ("p99",)),
    Goal("triton", Cell("empty", 4096, 4096, "shared memory"), 0.4),
)


def ratios(samples: Mapping[tuple[str, int], Sample], peer: str, clients: int, of: str = OURS) -> dict[str, float]:
    """Return the agent's time, or that `of` another, as a share of the peer's, by the quantile."""
    ours, theirs = samples[of, clients], samples[peer, clients]
    return {"p50": ours.p50 / theirs.p50, "p99": ours.p99 / theirs.p99}


def print_table(figures: Figures) -> None:
    """Print a line for each system."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("size", "model", "way", "clients", "system"):
        table.add_column(name)
    for name in ("p50", "p99", "a second", "agent / it: p50", "p99", "refused"):
        table.add_column(name, justify="right")
    for cell, samples in figures.items():
        for (name, clients), sample in samples.items():
            share = {} if name == OURS else ratios(samples, name, clients)
            table.add_row(
                f"{cell.width}x{cell.height}", cell.model, cell.way, str(clients), name,
                f"{sample.p50 * 1000:.2f} ms", f"{sample.p99 * 1000:.2f} ms", f"{sample.per_second:.1f}",
                *(f"{share[quantile]:.2f}" if share else "" for quantile in ("p50", "p99")),
                str(sample.refused or ""),
            )  # fmt: skip
        table.add_section()
    console = Console()
    console.print(table) if console.is_terminal else Console(width=140).print(table)


def print_medians(setting: str, runs: Sequence[Figures]) -> None:
    """Print the median of the runs' ratios, and between which they lay, for each kind of call and each peer."""
    table = Table(title=f"{setting}, {len(runs)} runs: agent / it", box=None, pad_edge=False, header_style="bold")
    for name in ("size", "model", "way", "clients", "system"):
        table.add_column(name)
    for name in ("agent p50", "agent p99", "p50", "p99"):
        table.add_column(name, justify="right")
    for cell, samples in runs[0].items():
        for name, clients in samples:
            if name == OURS:
                continue
            ours = [figures[cell][OURS, clients] for figures in runs]
            shares = [ratios(figures[cell], name, clients) for figures in runs]
            table.add_row(
                f"{cell.width}x{cell.height}", cell.model, cell.way, str(clients), name,
                *(f"{median([getattr(sample, key) for sample in ours]) * 1000:.2f} ms" for key in ("p50", "p99")),
                *(_spread([share[key] for share in shares]) for key in ("p50", "p99")),
            )  # fmt: skip
        table.add_section()
    console = Console()
    console.print(table) if console.is_terminal else Console(width=140).print(table)


def print_rows(setting: str, runs: Sequence[Figures]) -> None:
    """Print the same as rows of the table in docs/performance.md."""
    for cell, samples in runs[0].items():
        for name, clients in samples:
            if name == OURS:
                continue
            ours = [figures[cell][OURS, clients] for figures in runs]
            shares = [ratios(figures[cell], name, clients) for figures in runs]
            times = " / ".join(f"{median([getattr(one, key) for one in ours]) * 1000:.2f}" for key in ("p50", "p99"))
            spreads = " | ".join(_spread([share[key] for share in shares]) for key in ("p50", "p99"))
            kind = f"{cell.width}x{cell.height}, {cell.model} model, {cell.way}"
            print(f"| {setting} | {kind} | {clients} | {name} | {times} | {spreads} |")


def print_goals(setting: str, runs: Sequence[Figures]) -> None:
    """Print for each goal that was measured whether the median of the runs reaches it."""
    for goal in GOALS:
        measured = [figures.get(goal.cell, {}) for figures in runs]
        if any((OURS, 1) not in samples or (goal.peer, 1) not in samples for samples in measured):
            continue
        for key in goal.quantiles:
            shares = [ratios(samples, goal.peer, 1)[key] for samples in measured]
            cell = f"{goal.cell.model} model, {goal.cell.width}x{goal.cell.height}, {goal.cell.way}"
            verdict = "reached" if median(shares) <= goal.share else "NOT reached"
            share = f"{_spread(shares)}, goal at most {goal.share:g}"
            print(f"{setting}: agent / {goal.peer}, {cell}, {key}: {share}: {verdict}")
            if all((FLOOR, 1) in samples for samples in measured):
                least = _spread([ratios(samples, goal.peer, 1, FLOOR)[key] for samples in measured])
                print(f"{setting}: a server that does nothing / {goal.peer}, the same: {least}")


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(list(values)):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"


def as_fields(figures: Figures) -> list[dict[str, Any]]:
    """Return the figures of a run for another program; times in milliseconds, null where no call was answered."""
    rows = []
    for cell, samples in figures.items():
        for (name, clients), sample in samples.items():
            row = {**cell._asdict(), "clients": clients, "system": name}
            row |= {"p50_ms": _number(sample.p50 * 1000), "p99_ms": _number(sample.p99 * 1000)}
            row |= {"per_second": _number(sample.per_second), "calls": sample.calls, "refused": sample.refused}
            if name != OURS:
                row["agent_over_it"] = {key: _number(value) for key, value in ratios(samples, name, clients).items()}
            rows.append(row)
    return rows


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
