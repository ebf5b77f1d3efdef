"""How long workers may take to become ready."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edge_agent.component.manifest import FILE_NAME, decode_manifest
from edge_agent.engines.options import EngineOptions
from edge_agent.errors import NotReady
from edge_agent.workers.messages import Progress
from edge_agent.workers.parcels import ParcelShelf
from edge_agent.workers.pool import PoolOptions, WorkerPool
from tests.fakes import write_echo


def _pool(folder: Path, start: float, build: float) -> WorkerPool:
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    options = PoolOptions(1, EngineOptions(), 0.0, 1, 1, 1.0, start_seconds=start, build_seconds=build)
    return WorkerPool(
        folder, manifest, options, ParcelShelf(), on_progress=lambda text: None, on_death=lambda cause: None
    )


def test_a_start_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    async def scenario() -> None:
        never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with pytest.raises(NotReady, match=r"^not ready after 0\.01 s$"):
            await _pool(write_echo(tmp_path), 0.01, 3600.0)._wait_until(never)

    asyncio.run(scenario())


def test_a_start_that_builds_may_take_longer(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        pool = _pool(write_echo(tmp_path), 0.01, 3600.0)
        pool._seats = [None]  # type: ignore[list-item]
        pool._on_message(0, Progress("building the plan of the model", True))
        ready: asyncio.Future[Any] = loop.create_future()
        loop.call_later(0.05, ready.set_result, None)
        await pool._wait_until(ready)

    asyncio.run(scenario())
