"""One agent for the tests of a file, and lines that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo
from tests.support.line import Line


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("agent")
    write_echo(folder / "models")
    with running_daemon(folder) as daemon:
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        yield daemon


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def line(socket: str, *more: Any, **others: Any) -> Line:
        made.append(Line(tmp_path / f"line-{len(made)}", socket, *more, **others))
        return made[-1]

    yield line
    for each in made:
        each.close()
