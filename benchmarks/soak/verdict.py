"""What counts as growth, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.soak.stages import Row

#: MB that a process may hold more than after the first thousand calls. Hundreds of starts and connections leave holes
#: in the heap, and Python's collector comes when it likes: 1 to 2 MB together. 4 bytes a call are 4 MB in a million.
MEMORY = 4.0
#: parcels that there may be for each client that calls at the same time: one for its message and one for the mask, of
#: two sizes, kept until nobody has needed them for half a minute; a parcel that is not given back is one more each time
_PARCELS = 4
_OTHERS = 2  # clients beside the client processes that call at the same time: see trouble.py
#: how much slower the last stage's calls may be than the first's. A shared machine's speed drifts by a tenth and more;
#: what searches through something that grows with the calls does not stop at that.
P50, P99 = 1.5, 2.0
#: seconds that a stage must last for its p99 to mean something: about two of every kind of trouble
_LONG_ENOUGH = 15.0
#: asyncio's threads for what blocks: made when first needed, and kept (concurrent.futures.ThreadPoolExecutor)
_POOL_THREADS = min(32, (os.cpu_count() or 1) + 4)


def growths(rows: list[Row], clients: int) -> list[str]:
    """Say what has grown beyond its bound, given the row after the first thousand calls and those that followed."""
    first, last = rows[0], rows[-1]
    return [*_memory(first, last), *_numbers(first, last), *_parcels(last, clients), *_times(rows[1:])]


def _memory(first: Row, last: Row) -> Iterator[str]:
    for name, before, after in (("front", first.front, last.front), ("worker", first.worker, last.worker)):
        if after.own - before.own > MEMORY:
            yield (
                f"the {name}'s memory grew from {before.own:.1f} to {after.own:.1f} MB, by more than {MEMORY:g} MB, "
                f"between {first.calls} and {last.calls} calls"
            )


def _numbers(first: Row, last: Row) -> Iterator[str]:
    more_threads = max(0, 1 + _POOL_THREADS - first.front.threads)
    allowed = [
        ("the front's file descriptors", first.front.descriptors, last.front.descriptors, 0),
        ("the front's threads", first.front.threads, last.front.threads, more_threads),
        ("the worker's file descriptors", first.worker.descriptors, last.worker.descriptors, 0),
        ("the worker's threads", first.worker.threads, last.worker.threads, 0),
        ("segments in /dev/shm", first.segments, last.segments, 0),
        ("zombies", 0, last.zombies, 0),
    ]
    for name, before, after, more in allowed:
        if after > before + more:
            yield f"{name} grew from {before} to {after}" + (f", by more than {more}" if more else "")


def _parcels(last: Row, clients: int) -> Iterator[str]:
    most = _PARCELS * (clients + _OTHERS)
    for name, there in (("front", last.front.parcels), ("worker", last.worker.parcels)):
        if there > most:
            yield f"the {name} has {there} parcels, more than {most}, which {clients} + {_OTHERS} clients may need"


def _times(rows: list[Row]) -> Iterator[str]:
    first, last = rows[0], rows[-1]
    if min(first.seconds, last.seconds) < _LONG_ENOUGH:
        return
    for name, before, after, most in (("p50", first.p50, last.p50, P50), ("p99", first.p99, last.p99, P99)):
        if after > most * before:
            yield (
                f"{name} grew from {before * 1000:.2f} to {after * 1000:.2f} ms between the first and the last of "
                f"{len(rows)} stages, to more than {most:g} times"
            )
