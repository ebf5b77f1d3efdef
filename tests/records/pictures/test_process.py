"""The process that keeps pictures goes on where it has no room for what belongs to one."""

from __future__ import annotations

import array
import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.inference.verdict import decide
from edge_agent.records.options import PicturesOptions
from edge_agent.records.pictures.passing import FREE, HEAD, TAKEN, Picture, encode
from edge_agent.records.pictures.process import PictureKeeper
from edge_agent.records.pictures.rules import parse_rules

SIDE = 4


@contextmanager
def room_for(descriptors: int) -> Iterator[None]:
    """Let this process open so many more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(descriptors + 1)]  # the lowest that are free
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened[-1], limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Worker:
    """Who passes a picture on."""

    def __init__(self) -> None:
        self.memory = os.memfd_create("picture")
        os.ftruncate(self.memory, HEAD + 2 * SIDE * SIDE * 3)
        self.ended = os.eventfd(0, os.EFD_NONBLOCK)
        self.socket, self.other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def send(self) -> None:
        os.pwrite(self.memory, bytes([TAKEN]), 0)
        picture = encode(Picture("anomalous/1-1", "echo", "1", SIDE, SIDE, False, decide(0.9, 0.5)))
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.memory, self.ended]))
        self.socket.sendmsg([picture], [rights])

    @property
    def is_free(self) -> bool:
        return os.pread(self.memory, 1, 0) == bytes([FREE])

    def close(self) -> None:
        self.socket.close()
        self.other.close()
        os.close(self.memory)
        os.close(self.ended)


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_picture_for_which_there_is_no_descriptor_is_lost_and_counted_and_the_next_is_kept(
    tmp_path: Path, worker: Worker, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With less than 2 the kernel leaves out what has no room (MSG_CTRUNC); with 2 there is none to map the memory."""
    rules = parse_rules(["anomalous"])
    keeper = PictureKeeper(PicturesOptions(folder=str(tmp_path), mib=4, rules=rules, format="png", log_level="info"))
    worker.send()
    opened = len(list(Path("/proc/self/fd").iterdir()))
    with room_for(room):
        keeper.take(worker.other)
    assert keeper.lost == 1 and worker.is_free == (room > 0)
    assert os.strerror(errno.EMFILE) in caplog.text
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    worker.send()
    keeper.take(worker.other)
    assert keeper.lost == 1 and worker.is_free
    assert (tmp_path / "anomalous" / "1-1.png").exists()
