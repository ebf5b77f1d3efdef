"""The importable client: five lines in an application."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import edge_agent
from edge_agent.errors import InvalidRequest
from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import half_bright, picture, write_echo


@pytest.fixture
def echo(daemon: Daemon) -> Daemon:
    write_echo(daemon.models)
    write_echo(daemon.models, "large", 640, 480)
    write_echo(daemon.models, "plain", segmentation=False)
    wait_until(lambda: len(daemon.stub.listed()) == 3, "the components are noticed")
    return daemon


def _segments() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob(f"edge-agent-bitmap-{os.getpid()}-*")}


def test_five_lines(echo: Daemon) -> None:
    with edge_agent.Client(echo.socket) as client:
        client.start("echo")
        result = client.detect("echo", half_bright())
        assert not result.is_anomalous
        assert result.confidence == pytest.approx(0.75)
        assert result.areas == (
            edge_agent.Area("background", "#FFFFFF", 0.75),
            edge_agent.Area("bright", "#23A436", 0.25),
        )
        assert result.mask is not None
        assert (result.mask[:, :16] == (0x23, 0xA4, 0x36)).all()


def test_masks_are_the_callers_and_segments_grow_and_go(echo: Daemon) -> None:
    before = _segments()
    with edge_agent.Client(echo.socket) as client:
        for name in ("echo", "large", "plain"):
            client.start(name)
        first = client.detect("echo", half_bright()).mask
        assert first is not None
        kept = first.copy()
        large = client.detect("large", half_bright(640, 480))
        assert large.mask is not None
        assert large.mask.shape == (480, 640, 3)
        assert (first == kept).all()
        assert client.detect("plain", picture(255)).mask is None
        assert client.detect("echo", np.rot90(half_bright())).score == pytest.approx(0.25), "strided arrays too"
        assert len(_segments() - before) == 1
    assert _segments() == before
    client.close()


#: by Ctrl-C, also where the tests run in the background of a shell, which has that ignored
_INTERRUPTED = (
    "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nos.kill(os.getpid(), signal.SIGINT)\n"
)


def test_a_client_that_is_not_closed_leaves_no_segments(echo: Daemon) -> None:
    program = (
        "import os, numpy, edge_agent\n"
        "print(os.getpid(), flush=True)\n"
        f"client = edge_agent.Client({echo.socket!r}); client.start('echo')\n"
        "client.detect('echo', numpy.zeros((64, 64, 3), numpy.uint8))\n"
    )
    for ending in ("", _INTERRUPTED, "client.close()\nclient.models()\n"):
        done = subprocess.run([sys.executable, "-c", program + ending], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (ending == "")
        assert not list(Path("/dev/shm").glob(f"edge-agent-*-{int(done.stdout)}-*"))
    assert "AgentUnreachable: the client has been closed" in done.stderr


def test_an_address_that_is_none() -> None:
    with pytest.raises(edge_agent.EdgeAgentError, match="socket '/tmp/x' is not an address such as unix:///tmp/"):
        edge_agent.Client("/tmp/x")


def test_threads_share_a_client(echo: Daemon) -> None:
    wrong: list[object] = []

    def work(level: int) -> None:
        for _ in range(20):
            score = client.detect("echo", picture(level)).score
            if score != pytest.approx(level / 255, abs=1e-4):
                wrong.append((level, score))

    with edge_agent.Client(echo.socket) as client:
        client.start("echo")
        threads = [threading.Thread(target=work, args=(level,)) for level in (0, 50, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_errors_are_the_agents_own_sentences(echo: Daemon) -> None:
    with edge_agent.Client(echo.socket) as client:
        with pytest.raises(edge_agent.CallFailed, match="there is no model component 'none'") as refused:
            client.detect("none", picture(0))
        assert refused.value.code == "NOT_FOUND"
        with pytest.raises(edge_agent.CallFailed, match="model 'echo' is STOPPED, expected RUNNING"):
            client.detect("echo", picture(0))
        with pytest.raises(InvalidRequest, match=r"the picture is float64 \[64, 64\], expected uint8"):
            client.detect("echo", np.zeros((64, 64)))  # type: ignore[arg-type]
        client.start("echo")
        with pytest.raises(edge_agent.CallFailed, match="bitmap is 0x64, expected"):
            client.detect("echo", np.zeros((64, 0, 3), np.uint8))
        assert client.detect("echo", picture(51)).score == pytest.approx(0.2, abs=1e-5)


def test_a_failed_start_says_why(echo: Daemon) -> None:
    (write_echo(echo.models, "broken") / "model.onnx").write_bytes(b"")
    wait_until(lambda: "broken" in echo.stub.listed(), "the component is noticed")
    with edge_agent.Client(echo.socket) as client, pytest.raises(edge_agent.CallFailed, match="SHA-256"):
        client.start("broken")


def test_waiting_for_an_agent_that_is_not_there_yet(tmp_path: Path) -> None:
    with pytest.raises(edge_agent.AgentUnreachable, match=r"no agent answered on .* within 0\.1 s"):
        edge_agent.Client(f"unix://{tmp_path}/none.sock", wait=0.1)
