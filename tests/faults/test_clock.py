"""The clock is set back by two days while everything runs, beside a line that goes on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge_agent
from tests.faults.models import PLAIN, SCORE
from tests.support.daemon import Daemon, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import write_echo

PACKAGE = Path(edge_agent.__file__).parent
SERVING = (
    "serving/agent.py", "serving/http2", "serving/rpc", "serving/lifecycle", "serving/catalogue", "serving/workers",
    "inference/*.py", "inference/engines", "inference/imaging", "component",
)  # fmt: skip


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon, and workers, whose clock is what the file `clock` says: see faketime(1)."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("libfaketime is not installed (Debian's package libfaketime)")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock").write_text("+0")
    write_echo(folder / "models", "victim")
    fake = {
        "LD_PRELOAD": found[0],
        "FAKETIME_TIMESTAMP_FILE": folder / "clock",
        "FAKETIME_CACHE_DURATION": 1,  # it looks at the file once a second
        # As in settimeofday(2): the monotonic clock is not set.
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,
    }
    wrapper = ("env", *(f"{key}={value}" for key, value in fake.items()))
    with running_daemon(folder, "--call-seconds", "5", "--first-restart", "0.1", wrapper=wrapper) as running:
        running.stub.start("victim")
        yield running


def _assert_serves(daemon: Daemon, model: str) -> None:
    result = daemon.stub("DetectAnomalies", bytes_request(model, PLAIN)).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)


@pytest.mark.long
def test_clock_set_back(daemon: Daemon) -> None:
    """Deadlines, the watch for hanging workers, restarts and the watch over the model folders go on as before."""
    before = daemon.log.read_text().splitlines()[-1][:10]
    (daemon.folder / "clock").write_text("-2d")
    _assert_serves(daemon, "victim")
    suspend(daemon.workers("victim")[0])
    call = daemon.stub.later("DetectAnomalies", bytes_request("victim", PLAIN))
    assert "it hung" in str(call.exception())
    daemon.stub.wait_for("victim", "RUNNING")
    _assert_serves(daemon, "victim")
    write_echo(daemon.models, "added")
    wait_until(lambda: "added" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("added")
    _assert_serves(daemon, "added")
    assert daemon.log.read_text().splitlines()[-1][:10] < before, "the daemon has seen the other time"


@pytest.mark.parametrize("name", SERVING)
def test_serving_asks_no_clock_that_can_be_set(name: str) -> None:
    """time.monotonic decides what is due; times of files are compared with nothing but themselves."""
    paths = sorted(PACKAGE.glob(name) if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))
    assert paths, "a folder that has moved would be looked at no more"
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
                assert node.attr in ("monotonic", "perf_counter", "sleep"), path
            elif isinstance(node, ast.ImportFrom | ast.Import):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"datetime", "time_ns", "localtime"}, path
