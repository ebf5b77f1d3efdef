"""While a test of this folder does its worst to a daemon, a steady client of another model must not notice.

A module has a fixture `daemon`, and everything else is done here. `benchmarks/faults.py` runs the same tests with a
real model as the bystander and looks at the times as well, which a test suite on a shared machine can't.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.faults.bystander import NAME, Bystander, Figures, Samples, steady_client, write_bystander
from tests.support.daemon import Daemon

#: set by benchmarks/faults.py: a folder with `models/<name>`, `samples.npz`, and `figures`, to which a line is added
#: for each test
_MEASURED = os.environ.get("EDGE_AGENT_FAULTS")
_QUIET_CALLS = 100


class Line(NamedTuple):
    """The bystander's client, and what its answers take when nothing happens; seconds, 0 when that is not measured."""

    client: Bystander
    median: float


@pytest.fixture(scope="module")
def shm() -> Path:
    """The folder /dev/shm as the daemon sees it."""
    return Path("/dev/shm")


@pytest.fixture(scope="module")
def line(daemon: Daemon, shm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """The bystander, served while this module's tests run."""
    folder = tmp_path_factory.mktemp("steady")
    if not _MEASURED:
        with steady_client(daemon, NAME, write_bystander(daemon.models), folder, shm=shm) as client:
            yield Line(client, 0.0)
        return
    (component,) = (Path(_MEASURED) / "models").iterdir()
    shutil.copytree(component, daemon.models / component.name)
    samples = Samples(**np.load(Path(_MEASURED) / "samples.npz"))
    with steady_client(daemon, component.name, samples, folder, shm=shm, rhythm=0.04) as client:
        yield Line(client, client.quiet_median(_QUIET_CALLS))


@pytest.fixture(scope="module")
def may_lose() -> tuple[str, ...]:
    """The codes by which the steady client's calls may end, in a module where the daemon goes away."""
    return ()


@pytest.fixture(autouse=True)
def bystander(request: pytest.FixtureRequest, may_lose: tuple[str, ...]) -> Iterator[None]:
    """No answer of the steady client is wrong or lost during a test."""
    if "daemon" not in request.fixturenames:
        yield
        return
    line: Line = request.getfixturevalue("line")
    figures: list[Figures] = []
    try:
        with line.client.watched(figures, may_lose):
            yield
    finally:
        if _MEASURED and figures:
            name = f"{request.node.path.stem.removeprefix('test_')}: {request.node.name}"
            with (Path(_MEASURED) / "figures").open("a") as file:
                file.write(json.dumps([name, line.median, *figures[0]]) + "\n")
