"""How long workers may take to become ready, and what is made of what they say."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from edge_agent.access.peer import own_peer
from edge_agent.component.manifest import FILE_NAME, decode_manifest
from edge_agent.errors import ComponentError, LoadingFailed, NotReady
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.verdict import Verdict
from edge_agent.serving.observing.counts import Stages
from edge_agent.serving.workers.calls import Call
from edge_agent.serving.workers.messages import Answer, Broken, Progress, Settled
from edge_agent.serving.workers.parcels import ParcelShelf
from edge_agent.serving.workers.pool import PoolOptions, WorkerPool
from edge_agent.serving.workers.seat import Held, Seat
from tests.support.fakes import write_echo


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


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Broken("ComponentError", "no such operator"), ComponentError("no such operator")),
        (Broken("MemoryError", "MemoryError"), LoadingFailed("loading failed: MemoryError")),
    ],
)
def test_only_a_component_that_is_wrong_stays_wrong(tmp_path: Path, said: Broken, error: Exception) -> None:
    """What else went wrong while loading may go better the next time: see serving/lifecycle/failure.py."""

    async def scenario() -> None:
        pool = _pool(write_echo(tmp_path), 1.0, 1.0)
        seat: Any = type("Seat", (), {"ready": asyncio.get_running_loop().create_future()})
        pool._seats = [seat]
        pool._on_message(0, said)
        with pytest.raises(type(error)) as raised:
            await seat.ready
        assert str(raised.value) == str(error)

    asyncio.run(scenario())


def test_a_mask_that_there_is_no_memory_for_fails_its_call_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(shelf: ParcelShelf, size: int) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def scenario() -> None:
        pool = _pool(write_echo(tmp_path), 1.0, 1.0)
        seat: Any = type("Seat", (), {"calls": {}, "free": 1, "begun": 0.0, "watch": True})
        pool._seats = [seat]
        monkeypatch.setattr(ParcelShelf, "get_for_mask", fail)
        said: list[str] = []
        pool.submit(
            Call(Place("x", 1, 0), None, None, own_peer(), lambda *answer: None, lambda error: said.append(repr(error)))
        )
        assert said == ['Overloaded("no memory can be had for the call\'s pixels: Too many open files")']
        assert not seat.calls

    asyncio.run(scenario())


@pytest.mark.parametrize("ended", ["settled", "lost"])
def test_the_memory_of_pixels_that_are_looked_at_once_more_is_lent_to_nobody_before(tmp_path: Path, ended: str) -> None:
    async def scenario() -> None:
        pool, shelf = _pool(write_echo(tmp_path), 1.0, 1.0), ParcelShelf()
        link: Any = None
        seat = Seat(link, asyncio.get_running_loop().create_future())
        pool._seats = [seat]
        answers: list[Verdict] = []
        places = {}
        for number in (1, 2):
            call = Call(
                Place("x", 1, 0),
                None,
                None,
                own_peer(),
                lambda verdict, mask: answers.append(verdict),
                lambda error: None,
            )
            places[number] = shelf.get(4096)
            seat.calls[number] = Held(call, places[number], None)
        verdict = Verdict(False, 0.9, 0.1, 0.5, ())
        pool._on_message(0, Answer(1, verdict, 0.1, Stages(0.0, 0.0, 0.0, 0.0), needs_pixels=True))
        pool._on_message(0, Answer(2, verdict, 0.1, Stages(0.0, 0.0, 0.0, 0.0)))
        assert answers == [verdict, verdict]
        assert shelf.get(4096) is places[2], "the second one's is free, the first one's is not"
        assert shelf.get(4096) is not places[1]
        if ended == "settled":
            pool._on_message(0, Settled(1))
        else:
            seat.empty()
            seat.release_stranded()
        assert shelf.get(4096) is places[1]

    asyncio.run(scenario())
