"""A full /dev/shm, a full disk, and no file descriptor left, beside a line that goes on.

The daemon has small file systems of its own: in a mount namespace, which root may make, and others where the kernel
lets them (user_namespaces(7)). A client in the same namespace is one that opens /proc/PID/root/dev/shm.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edge_agent.serving.auditing.reading import read_entries, verify
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.faults.models import PLAIN, SCORE
from tests.faults.raw import RawClient
from tests.support.daemon import Daemon, Stub, bytes_request, running_daemon, segment_request, wait_until
from tests.support.fakes import half_bright, picture, write_echo

UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
#: sizes of /dev/shm and of the state folder, that folder, and the command
SMALL = """
mount -t tmpfs -o size=$1 none /dev/shm && mkdir -p "$3" && mount -t tmpfs -o size=$2 none "$3" || exit 1
shift 3
exec "$@"
"""
WIDE = 1280
#: without file descriptors
SAID = ("clients have to wait to be accepted", "the model folders can't be looked at")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("resources")
    wrapper = [*UNSHARE, "sh", "-c", SMALL, "sh", "16m", "64k", str(folder / "state")]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a mount namespace (unshare --mount)")
    write_echo(folder / "models", "victim")
    write_echo(folder / "models", "wide", WIDE, WIDE)
    write_echo(folder / "models", "resting")
    flags = ("--first-restart", "0.1", "--longest-restart", "0.2")
    with running_daemon(folder, *flags, wrapper=wrapper) as running:
        for name in ("victim", "wide"):
            running.stub.start(name)
        yield running


def _seen_by(daemon: Daemon, path: Path) -> Path:
    return Path(f"/proc/{daemon.process.pid}/root{path}")


@pytest.fixture(scope="module")
def shm(daemon: Daemon) -> Path:
    return _seen_by(daemon, Path("/dev/shm"))


@contextlib.contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Leave no byte free in a file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


def _assert_serves(stub: Stub) -> None:
    result = stub("DetectAnomalies", bytes_request("victim", PLAIN)).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)


def test_shared_memory_full(daemon: Daemon, shm: Path) -> None:
    """A mask whose segment was promised memory that is not there is refused; what needs none goes on."""
    (shm / "source").write_bytes(half_bright().tobytes())
    (shm / "target").touch()
    os.truncate(shm / "target", 64 * 64 * 3)
    source, target = (pb2.SharedMemoryHandle(name=name, size=64 * 64 * 3) for name in ("source", "target"))
    request = segment_request("victim", 64, 64, source, target)
    with _full(shm):
        code, details = daemon.stub.refusal("DetectAnomalies", request)
        assert code == "INVALID_ARGUMENT"
        assert details.startswith("the mask can't be written to its segment (No space left on device: /dev/shm is full")
        result = daemon.stub("DetectAnomalies", segment_request("victim", 64, 64, source)).detect_anomaly_result
        assert result.anomaly_score == pytest.approx(0.25, abs=1e-5)
        assert len(result.anomaly_mask.byte_data) == 64 * 64 * 3
    result = daemon.stub("DetectAnomalies", request).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(0.25, abs=1e-5)


def test_disk_full(daemon: Daemon) -> None:
    """Models start and stop; which of them run is remembered as soon as there is room again."""
    state = _seen_by(daemon, daemon.folder / "state")
    before = json.loads((state / "running.json").read_text())
    with _full(state):
        daemon.stub.start("resting")
        wait_until(lambda: "running models are not remembered" in daemon.log.read_text(), "it says so")
        assert json.loads((state / "running.json").read_text()) == before, "what was remembered is whole"
        _assert_serves(daemon.stub)
    wait_until(lambda: "resting" in json.loads((state / "running.json").read_text()), "it is remembered")
    assert daemon.log.read_text().count("running models are not remembered") == 1, "it is said once"
    daemon.stub("StopModel", pb2.StopModelRequest(model_component="resting"))


def test_what_a_full_disk_keeps_out_of_the_audit_trail_is_told_there(daemon: Daemon) -> None:
    """Calls go on; when there is room again, an entry says how many are missing."""
    state = _seen_by(daemon, daemon.folder / "state")
    with _full(state):
        # The file's last block may have room for some entries yet.
        wait_until(lambda: _is_full_after_another_entry(daemon), "it says so")
        _assert_serves(daemon.stub)
    _is_full_after_another_entry(daemon)

    def told() -> bool:  # entries are written beside the calls
        events = [entry["event"] for entry in read_entries(state)]
        return "gap" in events and events[-1] == "StopModel"

    wait_until(told, "the gap is written, and the call after it")
    entries = list(read_entries(state))
    gap = [number for number, entry in enumerate(entries) if entry["event"] == "gap"][-1]
    assert entries[gap]["missing"] >= 1
    assert entries[gap]["reason"] == "No space left on device"
    assert "StopModel" in [entry["event"] for entry in entries[gap:]]
    assert verify(state).problems == []


def _is_full_after_another_entry(daemon: Daemon) -> bool:
    daemon.stub.refusal("StopModel", pb2.StopModelRequest(model_component="resting"))
    return "the audit trail can't be written (No space left" in daemon.log.read_text()


def test_file_descriptors_exhausted(daemon: Daemon) -> None:
    """Who is connected is served on, through shared memory; all else works when there are descriptors again."""
    front = psutil.Process(daemon.process.pid)
    limits = front.rlimit(psutil.RLIMIT_NOFILE)
    few = front.num_fds() + 10
    lines = len(daemon.log.read_text().splitlines())
    front.rlimit(psutil.RLIMIT_NOFILE, (few, limits[1]))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(RawClient(daemon.path))
            wait_until(lambda: front.num_fds() == few, "none is left")
            wide = bytes_request("wide", picture(51, WIDE, WIDE))  # a message needs one
            code, details = daemon.stub.refusal("DetectAnomalies", wide)
            assert (code, "Too many open files" in details) == ("RESOURCE_EXHAUSTED", True)
            assert {"victim", "wide", "resting"} <= daemon.stub.listed().keys(), "no model has gone"
            code, details = daemon.stub.refusal("StartModel", pb2.StartModelRequest(model_component="resting"))
            assert (code, "Too many open files" in details) == ("RESOURCE_EXHAUSTED", True)
            other = Stub(daemon.socket)
            call = other.later("DescribeModel", pb2.DescribeModelRequest(model_component="victim"))
            daemon.workers("victim")[0].kill()  # whose successor needs descriptors
            wait_until(lambda: "Too many open files" in daemon.stub.describe("victim").status_message, "it has failed")
            for what in SAID:
                wait_until(lambda: what in "".join(daemon.log.read_text().splitlines()[lines:]), "it is said")  # noqa: B023
        assert call.result().model_description
        other.channel.close()
        daemon.stub.wait_for("victim", "RUNNING")
        score = daemon.stub("DetectAnomalies", wide).detect_anomaly_result.anomaly_score
        assert score == pytest.approx(0.2, abs=2e-3)
    finally:
        front.rlimit(psutil.RLIMIT_NOFILE, limits)
    _assert_serves(daemon.stub)
    said = daemon.log.read_text().splitlines()[lines:]
    assert not [line for line in said if "Traceback" in line]
    for what in SAID:
        assert 0 < len([line for line in said if what in line]) < 10, "it is said, and not over and over"
