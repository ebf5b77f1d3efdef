"""Independent steps of a training side by side, a core each.

The products of a training are many and small. To divide each among the cores costs more than it gains, and where
another process wants a core too, a thread of BLAS that waits for its sibling keeps a core busy with waiting: beside two
busy processes a training took twice the processor time. So BLAS has one thread, and whole steps run beside each other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from edge_agent.hardware.cpu_quota import threads_within_quota

T = TypeVar("T")

_MOST = 4  # each step has memory of its own


class _Share(threading.local):
    """What a step may use itself of the cores, beside the others; None outside of steps."""

    cores: int | None = None


_share = _Share()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Leave BLAS one thread in each thread of ours."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def side_by_side(steps: Sequence[Callable[[], T]]) -> list[T]:
    """Run steps that don't wait for each other, as many at once as there are cores; give what they return, in order.

    Steps that call this themselves share the cores that their own call had.
    """
    cores = _share.cores or min(threads_within_quota() or len(os.sched_getaffinity(0)), _MOST)
    threads = min(len(steps), cores)
    if threads < 2:
        return [step() for step in steps]
    with ThreadPoolExecutor(threads, initializer=_give, initargs=(cores // threads,)) as pool:
        return list(pool.map(lambda step: step(), steps))


@contextmanager
def meanwhile(step: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Run a step beside what the caller does; what is given waits for it, and returns what it returns.

    Steps of its own it runs one after another; an engine that it loads has threads as ever.
    """
    with ThreadPoolExecutor(1, initializer=_give, initargs=(1,)) as pool:
        yield pool.submit(step).result


def _give(cores: int) -> None:
    _share.cores = cores
