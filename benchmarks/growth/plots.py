"""The plots: one file for each sweep, readable on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.growth.figures import Figures, Times

# Two colours that those who can't tell red from green tell apart (Okabe and Ito), and a page of its own under them.
_BLUE, _ORANGE, _INK, _FAINT, _PAGE = "#0072B2", "#D55E00", "#24292f", "#d0d7de", "#ffffff"
_COLORS = {"shared memory": _BLUE, "bytes": _ORANGE}
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
_MILLISECONDS = "time of a call [ms]"

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and sharp at any size
    "svg.hashsalt": "edge-agent",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "axes.titlesize": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _FAINT,
    "legend.framealpha": 1.0,
    "legend.facecolor": _PAGE,
    "legend.edgecolor": _PAGE,
}


def draw(figures: Figures, folder: Path) -> list[Path]:
    """Write growth-models.svg, growth-clients.svg and growth-pictures.svg, where measured; return their paths."""
    kinds = {"models": (figures.models, _models), "clients": (figures.clients, _clients)}
    kinds["pictures"] = (figures.pictures, _pictures)
    paths = []
    with matplotlib.rc_context(_STYLE):
        for name, (rows, drawn) in kinds.items():
            if rows:
                figure = drawn(figures)
                figure.text(0.995, 0.01, f"{figures.machine}; {figures.date}", ha="right", va="bottom", fontsize=6.5)
                paths.append(folder / f"growth-{name}.svg")
                figure.savefig(paths[-1], metadata={"Date": None})
    return paths


def _models(figures: Figures) -> Figure:
    rows = figures.models
    counts = [row.models for row in rows]
    figure, (left, right) = _panels(2)
    left.set_title("A call to one of the models that run")
    _curve(left, counts, [row.same for row in rows], _BLUE, "always the same")
    _curve(left, counts, [row.each for row in rows], _ORANGE, "one after the other")
    _axes(left, counts, "models running", _MILLISECONDS, from_zero=True)
    right.set_title("Memory, the front and all workers")
    right.plot(counts, [row.front + row.workers for row in rows], "o-", color=_BLUE, label="together")
    right.plot(counts, [row.front for row in rows], "s-", color=_ORANGE, label="the front")
    _axes(right, counts, "models running", "proportional set size [MB]", from_zero=True)
    right.set_xscale("linear")  # so that a straight line is what each model adds
    right.xaxis.set_major_locator(FixedLocator(counts))
    return figure


def _clients(figures: Figures) -> Figure:
    figure, (left, right) = _panels(2)
    left.set_title("A call, with so many clients at once")
    right.set_title("All clients together")
    for way, color in _COLORS.items():
        rows = [row for row in figures.clients if row.way == way]
        counts = [row.clients for row in rows]
        _curve(left, counts, [row.times for row in rows], color, way)
        right.plot(counts, [row.per_second for row in rows], "o-", color=color, label=way)
        _axes(left, counts, "clients", _MILLISECONDS)
        _axes(right, counts, "clients", "pictures a second", from_zero=True)
    return figure


def _pictures(figures: Figures) -> Figure:
    figure, (left,) = _panels(1)
    left.set_title("A call, by the size of its picture")
    for way, color in _COLORS.items():
        rows = [row for row in figures.pictures if row.way == way]
        sides = [row.side for row in rows]
        _curve(left, sides, [row.times for row in rows], color, way)
        _axes(left, sides, "side of a square picture [pixels]", _MILLISECONDS)
    return figure


def _panels(count: int) -> tuple[Figure, Sequence[Any]]:
    figure = Figure(figsize=(4.6 * count if count > 1 else 5.6, 3.3), facecolor=_PAGE, layout="constrained")
    # Room below for the line that names the machine.
    layout: Any = figure.get_layout_engine()
    layout.set(rect=(0, 0.05, 1, 0.95), w_pad=0.1)
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _curve(axes: Any, x: Sequence[int], times: Sequence[Times], color: str, label: str) -> None:
    axes.plot(x, [time.p50 for time in times], "o-", color=color, label=f"{label}, p50")
    axes.plot(x, [time.p99 for time in times], "o--", color=color, label=f"{label}, p99", markerfacecolor=_PAGE)


def _axes(axes: Any, x: Sequence[int], x_label: str, y_label: str, *, from_zero: bool = False) -> None:
    """Label the axes: doublings to the right; upwards a logarithmic scale, or one that begins with 0."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.xaxis.set_minor_locator(NullLocator())
    if from_zero:
        axes.set_ylim(0, 1.3 * axes.dataLim.y1)  # the legend stands above the curves
    else:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(_PLAIN)
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper left", ncols=2 if from_zero else 1)
