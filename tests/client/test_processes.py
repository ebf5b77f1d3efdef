"""A client on both sides of a fork, its segments when they are removed, and what a killed client leaves."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import edge_agent
from edge_agent.client.leftovers import find_leftovers, remove_leftovers
from edge_agent.client.segment import OwnedSegment
from edge_agent.errors import NoSharedMemory
from tests.support.daemon import Daemon
from tests.support.fakes import half_bright, picture

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

DARK, BRIGHT = picture(51), picture(204)


@pytest.fixture
def client(serving: Daemon) -> Iterator[edge_agent.Client]:
    with edge_agent.Client(serving.socket) as opened:
        opened.detect("echo", DARK)
        yield opened


def _segments(pid: int | None = None) -> list[Path]:
    return [
        path
        for kind in ("bitmap", "mask")
        for path in Path("/dev/shm").glob(f"edge-agent-{kind}-{pid or os.getpid()}-*")
    ]


def _score(client: edge_agent.Client, shown: np.ndarray) -> str:
    return f"{client.detect('echo', shown).score:.2f}"


def _in_a_fork(work: Callable[[], str]) -> tuple[int, Callable[[], str]]:
    """Do something in a forked child; give its pid, and what waits for the answer."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(300)
        try:
            answer = work()
        except BaseException as error:
            answer = repr(error)
        os.write(theirs, answer.encode())
        os._exit(0)
    os.close(theirs)

    def result() -> str:
        with os.fdopen(ours) as file:
            answer = file.read()
        os.waitpid(pid, 0)
        return answer

    return pid, result


def test_each_side_of_a_fork_is_told_of_its_own_picture(client: edge_agent.Client) -> None:
    """As when a program forks a child for each camera. The child's segments and channel are its own."""
    for _ in range(10):
        _, result = _in_a_fork(lambda: _score(client, BRIGHT))
        assert _score(client, DARK) == "0.20"
        assert result() == "0.80"
    remove_leftovers()  # the children ended without a good-bye


def test_a_pool_of_forked_processes(client: edge_agent.Client) -> None:
    with multiprocessing.get_context("fork").Pool(2, _adopt, (client,)) as pool:
        answers = pool.map(_inspect, [0, 51, 102, 204] * 5)
        assert [round(answer, 1) for answer in answers] == [0.0, 0.2, 0.4, 0.8] * 5
        pids = [process.pid for process in multiprocessing.active_children()]
        pool.close()
        pool.join()
    assert not [path for pid in pids for path in _segments(pid)], "each has unlinked its own at its end"
    assert _score(client, DARK) == "0.20"


_adopted: list[edge_agent.Client] = []


def _adopt(client: edge_agent.Client) -> None:
    _adopted.append(client)


def _inspect(level: int) -> float:
    return _adopted[0].detect("echo", picture(level)).score


@pytest.mark.parametrize("ending", ["pass", "client.close()", "client.detect('echo', dark)", "del client"])
def test_a_child_that_ends_takes_nothing_along(serving: Daemon, ending: str) -> None:
    program = (
        "import os, sys, numpy, edge_agent\n"
        "dark = numpy.full((64, 64, 3), 51, numpy.uint8)\n"
        f"client = edge_agent.Client({serving.socket!r}); client.detect('echo', dark)\n"
        "before = sorted(n for n in os.listdir('/dev/shm') if f'-{os.getpid()}-' in n)\n"
        f"if os.fork() == 0:\n    {ending}\n    sys.exit(0)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "after = sorted(n for n in os.listdir('/dev/shm') if f'-{os.getpid()}-' in n)\n"
        "print(before == after, *(f\"{client.detect('echo', dark).score:.1f}\" for _ in range(3)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=180)
    assert done.stdout == "True 0.2 0.2 0.2\n", done.stderr


def test_segments_that_were_removed_are_made_anew(client: edge_agent.Client) -> None:
    """By logind at the end of a session (RemoveIPC), or by somebody who cleans up."""
    for part in (slice(0, 2), slice(0, 1), slice(1, 2)):
        for path in _segments()[part]:
            path.unlink()
        found = client.detect("echo", half_bright())
        assert found.score == pytest.approx(0.25, abs=0.01)
        assert found.mask is not None
        assert (found.mask[:, :16] == (0x23, 0xA4, 0x36)).all()
        assert len(_segments()) == 2


def test_segments_that_were_emptied_are_made_anew(client: edge_agent.Client) -> None:
    for path in _segments():
        os.truncate(path, 100)
    assert _score(client, BRIGHT) == "0.80"
    assert len(_segments()) == 2


def test_another_segment_of_that_name_is_not_taken_for_it(client: edge_agent.Client) -> None:
    bitmap = next(path for path in _segments() if "bitmap" in path.name)
    bitmap.unlink()
    bitmap.write_bytes(BRIGHT.tobytes())
    assert _score(client, DARK) == "0.20"


def test_what_a_killed_client_leaves_is_removed_by_the_next(serving: Daemon) -> None:
    program = (
        "import numpy, edge_agent\n"
        f"client = edge_agent.Client({serving.socket!r})\n"
        "client.detect('echo', numpy.zeros((64, 64, 3), numpy.uint8))\n"
        "print(flush=True); input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        pid = process.pid
        assert len(_segments(pid)) == 2
        assert not {left.path for left in find_leftovers()} & set(_segments(pid)), "it lives"
        process.kill()
    # Of the clients of other tests, which may come at any moment, each removes them, too.
    assert {left.path for left in find_leftovers()} >= set(_segments(pid))
    with edge_agent.Client(serving.socket) as client:
        client.detect("echo", DARK)
        assert not _segments(pid)
        with edge_agent.Client(serving.socket) as other:
            other.detect("echo", DARK)
            assert len(_segments()) == 4, "those of clients that live stay"


def test_leftovers_are_what_nobody_holds() -> None:
    segment = OwnedSegment("test")
    assert segment.name not in {left.path.name for left in remove_leftovers()}
    assert segment.is_there
    segment.close()
    assert not segment.is_there


def test_no_room_names_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = OwnedSegment("test")
    with pytest.raises(NoSharedMemory, match=r"/dev/shm has no room for a segment of \d+ bytes: \d+ of \d+ bytes are"):
        segment.buffer(1 << 50)
    segment.buffer(100)[:] = bytes(100)
    segment.close()


def test_a_client_that_is_closed_while_threads_use_it(serving: Daemon) -> None:
    client = edge_agent.Client(serving.socket)
    client.detect("echo", DARK)
    wrong: list[str] = []
    going = threading.Barrier(5)

    def work(level: int) -> None:
        going.wait()
        try:
            while True:
                score = client.detect("echo", picture(level)).score
                if score != pytest.approx(level / 255, abs=1e-4):
                    wrong.append(f"{level}: {score}")
        except edge_agent.EdgeAgentError as error:
            if "closed" not in str(error).lower() and "cancel" not in str(error).lower():
                wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(level,)) for level in (0, 50, 100, 200)]
    for thread in threads:
        thread.start()
    going.wait()
    client.close()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not _segments()


def test_a_process_that_is_given_a_client_gets_its_own(serving: Daemon, client: edge_agent.Client) -> None:
    """With spawn and forkserver multiprocessing pickles what a child is given."""
    blue_first = edge_agent.Client(serving.socket, timeout=7.0, order="bgr")
    with blue_first, pickle.loads(pickle.dumps(blue_first)) as other:
        assert (other.socket, other._timeout, other._order) == (serving.socket, 7.0, "bgr")
        assert _score(other, BRIGHT) == "0.80"
        assert _score(client, DARK) == "0.20"
        assert len(_segments()) == 4, "two of each"
    with pytest.raises(edge_agent.errors.AgentUnreachable, match="has been closed"):
        pickle.dumps(blue_first)
