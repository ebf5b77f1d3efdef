"""A mapping whose file is cut short gives zeros, and the process goes on; what else SIGBUS means stays as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.inference.imaging.guarded import GuardedMapping
from edge_agent.inference.imaging.resize import U8

PAGE = 4096
SIZE, START = 8 * PAGE, 100


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A file of START bytes that concern nobody, and SIZE times 7."""
    made = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.write(made, bytes(START) + bytes([7]) * SIZE)
    yield made
    os.close(made)


def test_it_shows_the_file_and_writes_to_it(file: int) -> None:
    reading, writing = (GuardedMapping(file, START, SIZE, write=write) for write in (False, True))
    assert np.all(reading.content == 7)
    assert reading.content.size == SIZE
    writing.content[5:8] = (1, 2, 3)
    assert os.pread(file, 5, START + 4) == bytes([7, 1, 2, 3, 7])
    assert reading.content[4:9].tolist() == [7, 1, 2, 3, 7]
    assert not reading.is_lost
    for mapping in (reading, writing):
        mapping.close()


def _sum(content: U8) -> None:
    assert content.sum() == 0


def _copy(content: U8) -> None:
    copy = np.ones_like(content)
    np.copyto(copy, content)
    assert not copy.any()


def _resize(content: U8) -> None:
    assert not cv2.resize(content.reshape(64, -1, 1), (8, 8), interpolation=cv2.INTER_AREA).any()


def _view(content: U8) -> None:
    assert not any(bytes(content.data))


@pytest.mark.parametrize("use", [_sum, _copy, _resize, _view])
def test_a_file_that_is_cut_short(file: int, use: Callable[[U8], None]) -> None:
    mapping = GuardedMapping(file, START, SIZE, write=False)
    os.ftruncate(file, 0)
    use(mapping.content)
    assert mapping.is_lost
    mapping.close()


def _write(content: U8) -> None:
    content.data[:] = bytes([1]) * SIZE


def _fill(content: U8) -> None:
    content.fill(1)


@pytest.mark.parametrize("use", [_write, _fill])
def test_what_is_written_to_a_file_that_is_cut_short_goes_nowhere(file: int, use: Callable[[U8], None]) -> None:
    mapping = GuardedMapping(file, START, SIZE, write=True)
    os.ftruncate(file, 10)
    use(mapping.content)
    assert mapping.is_lost
    mapping.close()
    assert os.fstat(file).st_size == 10


def test_cut_short_by_another_thread_while_several_read(file: int) -> None:
    for _ in range(20):
        os.ftruncate(file, START + SIZE)
        mappings = [GuardedMapping(file, START, SIZE, write=False) for _ in range(3)]
        readers = [
            threading.Thread(target=lambda content=mapping.content: [content.max() for _ in range(50)])
            for mapping in mappings
        ]
        for reader in readers:
            reader.start()
        os.ftruncate(file, 0)
        for reader in readers:
            reader.join()
        for mapping in mappings:
            mapping.content.max()
            assert mapping.is_lost
            mapping.close()


def test_a_file_that_is_too_short_is_not_mapped(file: int) -> None:
    with pytest.raises(OSError, match="greater than file size"):
        GuardedMapping(file, START, SIZE + 1, write=False)


_BEGIN = """
import mmap, os, signal, sys
from edge_agent.inference.imaging.guarded import GuardedMapping
file = os.open(sys.argv[1], os.O_RDWR)
mapping = GuardedMapping(file, 0, 8192, write=False)
"""


@pytest.mark.parametrize(
    "act",
    [
        "os.kill(os.getpid(), signal.SIGBUS)",
        "other = mmap.mmap(file, 8192); os.ftruncate(file, 0); other[5000]",
    ],
    ids=["sent", "of another mapping"],
)
def test_another_sigbus_ends_the_process(tmp_path: Path, file: int, act: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + act + "\nprint('goes on')", str(tmp_path / "file")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGBUS, "", "")
