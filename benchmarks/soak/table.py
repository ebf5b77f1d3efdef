"""The table of a soak, a line when its stage has ended."""

from __future__ import annotations

from benchmarks.soak.stages import Row

_PROCESSES = [name for process in ("front", "worker") for name in (f"{process} MB", "fds", "parcels", "threads")]
_COLUMNS = ["calls", "minutes", "p50 ms", "p99 ms", "lost", *_PROCESSES, "zombies", "segments"]


def print_heading() -> None:
    """Print the names of the columns."""
    print("  ".join(f"{name:>9}" for name in _COLUMNS), flush=True)


def print_row(row: Row) -> None:
    """Print a line."""
    cells = [str(row.calls), f"{row.elapsed / 60:.2f}", f"{row.p50 * 1000:.2f}", f"{row.p99 * 1000:.2f}", str(row.lost)]
    for process in (row.front, row.worker):
        cells += [f"{process.own:.2f}", *map(str, (process.descriptors, process.parcels, process.threads))]
    print("  ".join(f"{cell:>9}" for cell in [*cells, str(row.zombies), str(row.segments)]), flush=True)
