"""How the figures of growth are kept and told; what they are is not tested."""

from __future__ import annotations

import json

from benchmarks.growth.figures import ClientsRow, Figures, ModelsRow, PicturesRow, Times, read_figures, tables

FIGURES = Figures(
    "a machine, 2 cores",
    "1 January 2026",
    [ModelsRow(16, Times(1.234, 2.5), Times(2.0, 3.0), 26.4, 620.2)],
    [
        ClientsRow(2, "shared memory", Times(2.0, 5.0), 909.4, 0),
        ClientsRow(2, "bytes", Times(8.0, 16.0), 225.0, 0),
    ],
    [PicturesRow(64, "shared memory", Times(1.2, 3.2)), PicturesRow(64, "bytes", Times(1.5, 393.1))],
)


def test_figures_are_the_same_when_they_are_read_again() -> None:
    assert read_figures(json.loads(json.dumps(FIGURES.as_fields()))) == FIGURES


def test_the_tables() -> None:
    assert list(tables(FIGURES)) == [
        "| models running | the same one called, p50 / p99 | each in turn, p50 / p99 | front | workers together |",
        "|---|---|---|---|---|",
        "| 16 | 1.23 / 2.5 ms | 2 / 3 ms | 26 MB | 620 MB |",
        "",
        "| clients | shared memory, p50 / p99 | shared memory, pictures/s | bytes, p50 / p99 | bytes, pictures/s |",
        "|---|---|---|---|---|",
        "| 2 | 2 / 5 ms | 909 | 8 / 16 ms | 225 |",
        "",
        "| picture | shared memory, p50 / p99 | bytes, p50 / p99 |",
        "|---|---|---|",
        "| 64x64 | 1.2 / 3.2 ms | 1.5 / 393 ms |",
    ]
    assert list(tables(FIGURES._replace(models=[], clients=[], pictures=[]))) == ["", ""], "what was not measured"
