"""A compressed message becomes what it was, a bounded piece at a time, whatever its size and its encoding."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from edge_agent.serving.rpc.framing import RefusedCall
from edge_agent.serving.rpc.inflation import Inflation
from edge_agent.serving.workers.parcels import LARGE, ParcelShelf

_STEP = 1 << 17  # what a turn may cost: so many bytes that are made, or so many that are copied

_NOISE = np.random.default_rng(17).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


async def _inflate(plain: bytes, compress: Callable[[bytes], bytes], window_bits: int) -> tuple[bytes, list[int]]:
    shelf = ParcelShelf()
    inflation = Inflation(memoryview(compress(plain)), window_bits, shelf)
    held, more = [inflation.held], True
    while more:
        more = inflation.step()
        held.append(inflation.held)
    assert inflation.message is not None
    assert (inflation.parcel is not None) == (len(plain) >= LARGE)
    message = bytes(inflation.message)
    inflation.forget()
    shelf.close()
    return message, held


@pytest.mark.parametrize(("compress", "window_bits"), [(gzip.compress, 31), (zlib.compress, 15)])
@pytest.mark.parametrize(
    "plain",
    [b"", b"small", bytes(LARGE - 1), bytes(LARGE), _NOISE, _NOISE + bytes(5 << 20) + _NOISE[::-1]],
    ids=["nothing", "small", "below a parcel", "a parcel", "noise", "noise and zeros"],
)
def test_a_message_becomes_what_it_was(plain: bytes, compress: Callable[[bytes], bytes], window_bits: int) -> None:
    message, held = asyncio.run(_inflate(plain, compress, window_bits))
    assert message == plain
    assert max(after - before for before, after in itertools.pairwise(held)) <= _STEP


def test_64_kb_of_zeros_take_many_small_turns() -> None:
    """Copying into the parcel, too, and from its end: what the allocator gives back then goes a piece at a time."""

    async def inflate() -> None:
        shelf = ParcelShelf()
        inflation = Inflation(memoryview(gzip.compress(bytes(16 << 20), 9)), 31, shelf)
        while inflation.parcel is None:
            assert inflation.step()
        inflation.parcel.memory[: 16 << 20] = b"\1" * (16 << 20)
        assert inflation.step()
        copied = inflation.parcel.memory[: 16 << 20].tobytes().index(0)
        assert 0 < (16 << 20) - copied <= 2 * _STEP, "the last bytes first, and no more than a turn's"
        while inflation.step():
            pass
        assert inflation.message is not None
        assert bytes(inflation.message) == bytes(16 << 20)
        inflation.forget()
        shelf.close()

    asyncio.run(inflate())


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (gzip.compress(bytes(70 << 20), 9), "the message has more than 67108864 bytes, decompressed"),
        (gzip.compress(_NOISE)[:-20], "the compressed message is cut off"),
        (b"no gzip at all", "the message can't be decompressed"),
    ],
    ids=["too large", "cut off", "another thing"],
)
def test_what_is_no_message_is_refused(data: bytes, refusal: str) -> None:
    async def inflate() -> None:
        inflation = Inflation(memoryview(data), 31, ParcelShelf())
        while inflation.step():
            pass

    with pytest.raises(RefusedCall, match=refusal):
        asyncio.run(inflate())
