"""Serving the metrics of a line: a thread of the supervisor, which waits for nothing that happens here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import get_args

from edge_agent.line.metrics.counts import Counts
from edge_agent.line.metrics.table import LINE_METRICS
from edge_agent.line.tables.whole import Line
from edge_agent.line.words import OUTCOMES, Cause
from edge_agent.serving.observing.exposition import Exposition, HistogramFamily, ScalarFamily, write
from edge_agent.serving.rpc.metrics_door import MetricsDoor


class LineMetrics:
    """Answers at the address of a line until it is closed."""

    def __init__(self, line: Line, counts: Counts, count_broken: Callable[[], int]) -> None:
        """Listen.

        Raises:
            AddressInUse: the address can't be had; SettingsError: see SocketClaim.
        """
        self._line, self._counts, self._count_broken = line, counts, count_broken
        self._loop = asyncio.new_event_loop()
        self._problem: BaseException | None = None
        self._door: MetricsDoor | None = None
        opened = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="metrics", daemon=True)
        self._thread.start()
        opened.wait()
        if self._problem is not None:
            self._thread.join()
            raise self._problem

    def _run(self, opened: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._open())
        except BaseException as error:
            self._problem = error
            self._loop.close()
            return
        finally:
            opened.set()
        self._loop.run_forever()
        self._loop.close()

    async def _open(self) -> None:
        self._door = MetricsDoor(self._line.metrics, self._write)

    async def _write(self, accept: str) -> Exposition:
        return await write(self._families(), accept)

    async def _families(self) -> AsyncIterator[HistogramFamily | ScalarFamily]:
        counts, name = self._counts, self._line.name
        yield _numbers("able", {(name,): counts.is_able})
        yield _numbers("parts", {(name, outcome): counts.parts[outcome] for outcome in OUTCOMES})
        yield _numbers("late_parts", {(name,): counts.late})
        yield _numbers("safe_states", {(name, cause): counts.safe_states[cause] for cause in get_args(Cause)})
        yield _numbers("restarts", {(name,): counts.restarts})
        cycle = LINE_METRICS["edge_agent_line_cycle_seconds"]
        yield HistogramFamily(cycle.name, cycle.help, cycle.labels, [((name,), counts.cycle)])
        yield _numbers("cycle_limit_seconds", {(name,): self._line.cycle})
        yield _numbers("last_part_timestamp_seconds", {(name,): counts.last_part})
        yield _numbers("broken_pins", {(name,): self._count_broken()})

    def close(self) -> None:
        """Answer nobody any more."""
        if self._door is not None:
            asyncio.run_coroutine_threadsafe(self._door.close(), self._loop).result()
            self._door = None
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()


def _numbers(name: str, rows: dict[tuple[str, ...], float]) -> ScalarFamily:
    row = LINE_METRICS[f"edge_agent_line_{name}"]
    return ScalarFamily(row.name, row.kind, row.help, row.labels, rows.items())
