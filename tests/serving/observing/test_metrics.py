"""What Prometheus is told of a daemon, over its own address, in both formats."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from edge_agent.serving.observing.table import METRICS
from edge_agent.version import __version__
from tests.conftest import Segments
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, segment_request, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.scraping import UnixConnection, fetch, samples

#: of a device with a GPU, whatever it has to tell
_GPU = {name for name in METRICS if name.startswith("edge_agent_gpu_")}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with metrics on a Unix socket, which inspected 20 pictures with `echo` and refused 3."""
    folder = tmp_path_factory.mktemp("metrics")
    write_echo(folder / "models", "echo")
    write_echo(folder / "models", "resting")
    with running_daemon(folder, "--metrics", f"unix://{folder}/metrics.sock") as daemon:
        daemon.stub.start("echo")
        for number in range(20):
            daemon.stub("DetectAnomalies", bytes_request("echo", picture(number * 12)))
        for _ in range(3):
            daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(1, 32, 32)))
        daemon.stub.refusal("DetectAnomalies", bytes_request("nothing", picture(1)))
        wait_until(lambda: samples(_get(daemon))["edge_agent_records_total", ()] == 20, "records are written")
        yield daemon


def _get(daemon: Daemon, accept: str = "") -> str:
    return fetch(daemon.folder / "metrics.sock", accept)


def test_pictures_verdicts_and_refusals_are_counted(watched: Daemon) -> None:
    found = samples(_get(watched))
    assert found["edge_agent_pictures_total", ("echo", "1.0.0")] == 20
    assert found["edge_agent_anomalies_total", ("echo", "1.0.0")] == 9
    assert found["edge_agent_invalid_pictures_total", ("echo",)] == 3
    assert found["edge_agent_calls_total", ("OK", "echo", "DetectAnomalies")] == 20
    assert found["edge_agent_calls_total", ("INVALID_ARGUMENT", "echo", "DetectAnomalies")] == 3
    assert found["edge_agent_calls_total", ("NOT_FOUND", "", "DetectAnomalies")] == 1
    assert found["edge_agent_refused_calls_total", ("invalid_request",)] == 3
    assert found["edge_agent_refused_calls_total", ("model_not_found",)] == 1


def test_every_stage_of_every_picture_has_its_histogram(watched: Daemon) -> None:
    found = samples(_get(watched))
    labels = ("echo", "1.0.0")
    for stage in ("call", "waiting", "preparation", "engine", "mask"):
        assert found[f"edge_agent_{stage}_seconds_count", labels] == 20
    parts = sum(
        found[f"edge_agent_{stage}_seconds_sum", labels] for stage in ("waiting", "preparation", "engine", "mask")
    )
    assert 0 < parts < found["edge_agent_call_seconds_sum", labels]
    assert found["edge_agent_engine_seconds_sum", labels] > 0
    assert found["edge_agent_score_bucket", ("0.5", *labels)] == 11
    assert found["edge_agent_score_sum", labels] == pytest.approx(sum(n * 12 / 255 for n in range(20)), abs=0.01)


def test_the_models_the_device_and_the_daemon_are_told_of(watched: Daemon) -> None:
    found = samples(_get(watched))
    assert found["edge_agent_models", ("RUNNING",)] == 1
    assert found["edge_agent_models", ("STOPPED",)] == 1
    assert found["edge_agent_models", ("FAILED",)] == 0
    assert found["edge_agent_model_running", ("echo", "1.0.0")] == 1
    assert found["edge_agent_model_running", ("resting", "1.0.0")] == 0
    assert found["edge_agent_model_wanted", ("echo",)] == 1
    assert found["edge_agent_workers", ("echo",)] == 1
    assert found["edge_agent_worker_memory_bytes", ("echo",)] == pytest.approx(
        watched.workers("echo")[0].memory_info().rss, rel=0.5
    )
    assert found["edge_agent_worker_cpu_seconds_total", ("echo",)] > 0
    assert found["edge_agent_waiting_calls", ("echo",)] == 0
    assert found["edge_agent_waiting_calls_limit", ()] == 16
    assert found["edge_agent_connections", ()] == 1
    room = os.statvfs("/dev/shm")
    assert found["edge_agent_shared_memory_size_bytes", ()] == room.f_blocks * room.f_frsize
    assert 0 < found["edge_agent_disk_free_bytes", ()] <= found["edge_agent_disk_size_bytes", ()]
    assert found["process_resident_memory_bytes", ()] > 10 << 20
    assert [labels[1] for name, labels in found if name == "edge_agent_build_info"] == [__version__]


def test_both_formats_say_the_same_and_every_metric_of_the_table(watched: Daemon) -> None:
    text = list(parse_text(_get(watched)))
    second = _get(watched, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    openmetrics = list(parse_openmetrics(second))  # type: ignore[no-untyped-call]
    assert _counted(text) == _counted(openmetrics)
    names = {family.name for family in openmetrics}
    assert {name for name in names if name.startswith("edge_agent")} | _GPU == set(METRICS) | _GPU
    for family in openmetrics:
        if family.name in METRICS:
            assert family.type == METRICS[family.name].kind
            assert all(set(sample.labels) - {"le"} == set(METRICS[family.name].labels) for sample in family.samples)


def _counted(families: list[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Give what does not change from one look to the next."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if "seconds" not in family.name and "bytes" not in family.name and "fds" not in family.name
    }


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /metrics HTTP/1.1", 200),
        ("GET /metrics?x=1 HTTP/1.0", 200),
        ("HEAD /metrics HTTP/1.1", 200),
        ("GET / HTTP/1.1", 404),
        ("POST /metrics HTTP/1.1", 405),
        ("nonsense", 405),
        ("GET /metrics HTTP/1.1\r\nX: " + "x" * (1 << 15), 431),
        ("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=no.number", 200),
    ],
)
def test_whatever_is_asked_has_an_answer(watched: Daemon, request_line: str, status: int) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(watched.folder / "metrics.sock"))
        client.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode())
        response = http.client.HTTPResponse(client, method=request_line.partition(" ")[0])
        response.begin()
        assert response.status == status
        assert bool(response.read()) is not request_line.startswith("HEAD")


def test_clients_that_say_nothing_keep_nobody_from_the_metrics_for_good(watched: Daemon) -> None:
    """There is room for some; the others are turned away at once, and when the silent have gone there is room again."""
    silent = [UnixConnection(watched.folder / "metrics.sock") for _ in range(20)]
    for connection in silent:
        connection.connect()
    for connection in silent:
        connection.close()
    wait_until(lambda: _answers(watched), "there is room again")


def _answers(daemon: Daemon) -> bool:
    try:
        return "edge_agent_build_info" in _get(daemon)
    except (OSError, http.client.HTTPException):
        return False


def test_a_worker_that_is_killed_is_seen(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--metrics", f"unix://{tmp_path}/m.sock", "--first-restart", "0.2") as daemon:
        daemon.stub.start("echo")
        daemon.workers("echo")[0].kill()
        wait_until(
            lambda: samples(fetch(tmp_path / "m.sock")).get(("edge_agent_restarts_total", ("SIGKILL", "echo"))) == 1,
            "the restart is counted",
        )
        daemon.stub.wait_for("echo", "RUNNING")
        found = samples(fetch(tmp_path / "m.sock"))
        assert found["edge_agent_model_running", ("echo", "1.0.0")] == 1
        daemon.stop()
        assert not (tmp_path / "m.sock").exists()


def test_segments_count_as_pictures_too_and_a_new_version_has_its_own_figures(
    tmp_path: Path, segments: Segments
) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--metrics", "127.0.0.1:0") as daemon:
        daemon.stub.start("echo")
        handle = segments.make(picture(200))
        daemon.stub("DetectAnomalies", segment_request("echo", 64, 64, handle))
        write_echo(tmp_path / "models", "echo", version="2.0.0")
        wait_until(lambda: "changed over" in daemon.log.read_text(), "the new version serves")
        daemon.stub("DetectAnomalies", segment_request("echo", 64, 64, handle))
        port = _port(daemon)

        def counted(version: str) -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/metrics")
            found = samples(connection.getresponse().read().decode())
            connection.close()
            names = ("edge_agent_pictures_total", "edge_agent_call_seconds_count")
            return all(found.get((name, ("echo", version))) == 1 for name in names)

        wait_until(lambda: counted("1.0.0") and counted("2.0.0"), "each has its own")


def _port(daemon: Daemon) -> int:
    """Find the port that the system chose."""
    (listening,) = psutil.Process(daemon.process.pid).net_connections("tcp")
    return int(listening.laddr.port)


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "edge_agent", "serve", "--socket", f"unix://{tmp_path}/a.sock"]
        command += ["--state-dir", str(tmp_path), "--metrics", address]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 1
    assert f"edge-agent: metrics can't be served at {address}: Address already in use" in ended.stderr
    assert not (tmp_path / "a.sock").exists()


def test_records_are_counted(watched: Daemon) -> None:
    wait_until(lambda: samples(_get(watched))["edge_agent_records_total", ()] == 20, "all verdicts are written down")
    found = samples(_get(watched))
    for reason in ("no_room", "not_written"):
        assert found["edge_agent_lost_records_total", (reason,)] == 0
    wait_until(lambda: samples(_get(watched))["edge_agent_records_bytes", ()] > 4096, "the size is known")
    assert found["edge_agent_waiting_records", ()] == 0
    assert found["edge_agent_kept_pictures_total", ()] == found["edge_agent_skipped_pictures_total", ()] == 0
