"""What each file of tests costs in processor time: its own, and that of the processes it has started and waited for.

`pytest --cost=20` ends with the 20 dearest files and the 20 dearest tests. Unlike `--durations` it tells the same on a
busy machine as on an idle one. A daemon's time is counted when it is ended, with the test that ends it.
"""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import commands


def processor_seconds() -> float:
    """Give the processor time of this process and of all its descendants that have ended and been waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used) + commands.forked_seconds


class Cost:
    """Counts in each process of pytest-xdist, and prints at the end in the one that has started them."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._processor: dict[str, float] = defaultdict(float)
        self._wall: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        processor, wall = processor_seconds(), time.monotonic()
        result = yield
        self._processor[item.nodeid] += processor_seconds() - processor
        self._wall[item.nodeid] += time.monotonic() - wall
        return result

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output["cost"] = (dict(self._processor), dict(self._wall))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        processor, wall = getattr(node, "workeroutput", {}).get("cost", ({}, {}))
        self._processor.update(processor)
        self._wall.update(wall)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        by_file: dict[str, float] = defaultdict(float)
        for test, seconds in self._processor.items():
            by_file[test.partition("::")[0]] += seconds
        wall = defaultdict(float, self._wall)
        for test, seconds in self._wall.items():
            wall[test.partition("::")[0]] += seconds
        for what, costs in (("files", by_file), ("tests", self._processor)):
            terminalreporter.section(f"dearest {what}, in seconds of the processor (and by the clock)")
            for name, seconds in sorted(costs.items(), key=lambda cost: -cost[1])[: self._lines]:
                terminalreporter.line(f"{seconds:8.2f} {wall[name]:8.2f}  {name}")
        terminalreporter.line(f"{sum(by_file.values()):8.2f} {sum(self._wall.values()):8.2f}  all tests")
