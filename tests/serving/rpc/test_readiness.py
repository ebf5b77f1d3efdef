"""What systemd is told, read from a notification socket of the tests' own."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.serving.rpc.readiness import Readiness
from tests.support.daemon import PATIENCE, Daemon, running_daemon
from tests.support.fakes import write_echo


class Listener:
    """systemd's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self.variable = address  # as it stands in NOTIFY_SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.heard: list[str] = []
        self._come: queue.Queue[str] = queue.Queue()
        # Read at once, as systemd does: few fit into a socket (net.unix.max_dgram_qlen), and what does not is lost.
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        while message := self._socket.recv(4096).decode():
            self._come.put(message)

    def hear(self) -> str:
        """Wait for the next message."""
        self.heard.append(self._come.get(timeout=PATIENCE))
        return self.heard[-1]

    def hear_until(self, message: str) -> None:
        while self.hear() != message:
            pass

    def rest(self) -> list[str]:
        """Give all messages, after the other end has gone."""
        self.close()
        while not self._come.empty():
            self.hear()
        return self.heard

    def close(self) -> None:
        """Read what has come, and no more; closing twice is harmless."""
        if self._reading.is_alive():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self._socket.getsockname())
            self._reading.join()
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    """A notification socket, of each kind that systemd uses."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@edge-agent-test-{os.getpid()}-{id(request)}"
    listener = Listener(address)
    yield listener
    listener.close()


@pytest.fixture
def supervised(systemd: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon as systemd starts it: with a watchdog, and a model."""
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.variable)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path) as daemon:
        yield daemon


def test_from_ready_to_stopping(systemd: Listener, supervised: Daemon) -> None:
    assert systemd.hear() == "READY=1"
    systemd.hear_until("STATUS=0 of 1 models RUNNING")
    supervised.stub.start("echo")
    systemd.hear_until("STATUS=1 of 1 models RUNNING")
    assert supervised.stop() == 0
    told = systemd.rest()
    assert told.count("READY=1") == told.count("STOPPING=1") == 1
    assert told.count("WATCHDOG=1") >= 2
    assert {message.partition("=")[0] for message in told} == {"READY", "STATUS", "WATCHDOG", "STOPPING"}


def test_a_status_that_could_not_be_told_is_told_again(tmp_path: Path) -> None:
    """systemd takes no more than net.unix.max_dgram_qlen messages that it has not read."""

    async def scenario() -> None:
        address = str(tmp_path / "notify")
        readiness = Readiness({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"})
        missed = asyncio.Event()

        def status() -> str:
            if missed.is_set():
                return "well"
            asyncio.get_running_loop().call_soon(missed.set)  # nobody listens yet
            return "well"

        readiness.ready(status)
        await missed.wait()
        listener = Listener(address)
        await asyncio.to_thread(listener.hear_until, "STATUS=well")
        readiness.close()
        listener.close()

    asyncio.run(scenario())


def test_a_failed_model_is_part_of_the_status(systemd: Listener, supervised: Daemon) -> None:
    (supervised.models / "echo" / "1.0.0" / "model.onnx").write_bytes(b"not what it was")
    systemd.hear_until("STATUS=0 of 1 models RUNNING, 1 FAILED")


def test_the_socket_listens_when_the_daemon_says_so(systemd: Listener, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    command = [sys.executable, "-m", "edge_agent", "serve", "--socket", f"unix://{path}", "--state-dir", str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": systemd.variable}) as process:
        try:
            assert systemd.hear() == "READY=1"
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(path))  # no second try
        finally:
            process.terminate()


def test_a_worker_can_not_speak_for_the_daemon(systemd: Listener, supervised: Daemon) -> None:
    supervised.stub.start("echo")
    (worker,) = supervised.workers()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & worker.environ().keys()


def test_the_watchdog_of_another_process_is_not_ours(
    systemd: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.variable)
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with running_daemon(tmp_path) as daemon:
        systemd.hear_until("STATUS=0 of 0 models RUNNING")
        daemon.stop()
    assert "WATCHDOG=1" not in systemd.rest()


@pytest.mark.parametrize(
    ("pid", "seconds"), [(None, 30.0), (str(os.getpid()), 30.0), (str(os.getppid()), 0.0)], ids=["any", "ours", "other"]
)
def test_who_is_watched(pid: str | None, seconds: float) -> None:
    environ = {"NOTIFY_SOCKET": "@nobody", "WATCHDOG_USEC": "30000000", "PATH": "/bin"}
    if pid is not None:
        environ["WATCHDOG_PID"] = pid
    readiness = Readiness(environ)
    assert readiness.watchdog == seconds
    assert environ == {"PATH": "/bin"}
    readiness.close()
    readiness.close()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, ""),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, "NOTIFY_SOCKET is vsock:2:1234"),
        ({"NOTIFY_SOCKET": "/nonexistent/notify"}, "systemd was not told READY=1"),
        ({"NOTIFY_SOCKET": "@" + "x" * 200}, "systemd was not told READY=1"),
    ],
)
def test_serving_goes_on_when_systemd_can_not_be_told(
    environ: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def tell() -> None:
        readiness = Readiness(environ)
        readiness.ready(lambda: "serving")
        await asyncio.sleep(0)
        readiness.stopping()
        readiness.close()

    asyncio.run(tell())
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_a_defect_in_the_status_does_not_look_like_a_hung_loop(systemd: Listener) -> None:
    def defect() -> str:
        raise ZeroDivisionError

    async def tell() -> None:
        readiness = Readiness({"NOTIFY_SOCKET": systemd.variable, "WATCHDOG_USEC": "1000"})
        readiness.ready(defect)
        while systemd.heard.count("WATCHDOG=1") < 2:
            await asyncio.to_thread(systemd.hear)
        readiness.close()

    asyncio.run(tell())
