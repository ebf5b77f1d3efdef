"""The table of a run, what the agent is meant to reach, and the same for another program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.peers.measuring import Cell, Sample

OURS = "agent"
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
)


def ratios(samples: Mapping[tuple[str, int], Sample], peer: str, clients: int) -> dict[str, float]:
    """Return the agent's time as a share of the peer's, by the quantile."""
    ours, theirs = samples[OURS, clients], samples[peer, clients]
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


def print_goals(figures: Figures) -> None:
    """Print for each goal that was measured whether it is reached."""
    for goal in GOALS:
        samples = figures.get(goal.cell, {})
        if (OURS, 1) not in samples or (goal.peer, 1) not in samples:
            continue
        for quantile in goal.quantiles:
            share = ratios(samples, goal.peer, 1)[quantile]
            cell = f"{goal.cell.model} model, {goal.cell.width}x{goal.cell.height}, {goal.cell.way}"
            verdict = "reached" if share <= goal.share else "NOT reached"
            print(f"agent / {goal.peer}, {cell}, {quantile}: {share:.2f}, goal at most {goal.share:g}: {verdict}")


def as_fields(figures: Figures) -> list[dict[str, Any]]:
    """Return the figures for another program; times in milliseconds, null where no call was answered."""
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
