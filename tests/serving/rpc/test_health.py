"""gRPC's own clients of the health and reflection services against the agent's."""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from edge_agent.serving.http2.frames import DEFAULT_WINDOW, PREFACE, Setting, settings_frame
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import SERVICE
from tests.faults.raw import RawClient
from tests.support.commands import run
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.scraping import fetch, samples

_WATCH = "grpc.health.v1.Health/Watch"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("health")
    write_echo(folder / "models", "one")
    write_echo(folder / "models", "two")
    metrics = f"unix://{folder}/metrics.sock"
    with running_daemon(folder, "--queue-size", "1", "--first-restart", "0.2", "--metrics", metrics) as running:
        running.stub.start("one")
        yield running


@pytest.fixture
def channel(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.socket, options=[("grpc.use_local_subchannel_pool", 1)]) as made:
        yield made


@pytest.fixture
def health(channel: grpc.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


def _ask(service: str) -> Any:
    return health_pb2.HealthCheckRequest(service=service)


class Watcher:
    """What a Watch has told, in order."""

    def __init__(self, health: Any, service: str) -> None:
        self.told: queue.Queue[Any] = queue.Queue()
        self.call = health.Watch(_ask(service))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for answer in self.call:
                self.told.put(answer.status)
        except grpc.RpcError as error:
            self.told.put(error.code())

    def next(self) -> Any:
        return self.told.get(timeout=PATIENCE)

    def until(self, status: Any) -> None:
        while self.next() != status:
            pass


def test_check(health: Any) -> None:
    for service, status in (
        ("", SERVING), (SERVICE.full_name, SERVING), ("model/one", SERVING), ("model/two", NOT_SERVING),
    ):  # fmt: skip
        assert health.Check(_ask(service)).status == status
    for service in ("model/none", "one", "model/"):
        with pytest.raises(grpc.RpcError) as refused:
            health.Check(_ask(service))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_list(channel: grpc.Channel) -> None:
    listing = channel.unary_unary("/grpc.health.v1.Health/List")
    answer = listing(b"")
    for service in (b"model/one", b"model/two", SERVICE.full_name.encode()):
        assert service in answer


def test_watch_tells_a_models_life_as_it_happens(daemon: Daemon, health: Any) -> None:
    watcher = Watcher(health, "model/two")
    assert watcher.next() == NOT_SERVING
    daemon.stub.start("two")
    assert watcher.next() == SERVING
    (worker,) = daemon.workers("two")
    worker.kill()
    assert watcher.next() == NOT_SERVING, "a dead worker is never healthy"
    assert watcher.next() == SERVING, "it is started again"
    daemon.stub("StopModel", pb2.StopModelRequest(model_component="two"))
    assert watcher.next() == NOT_SERVING
    watcher.call.cancel()
    assert watcher.next() is grpc.StatusCode.CANCELLED


def test_watch_of_what_is_not_there_yet(daemon: Daemon, health: Any) -> None:
    watcher = Watcher(health, "model/late")
    assert watcher.next() == SERVICE_UNKNOWN
    write_echo(daemon.models, "late")
    watcher.until(NOT_SERVING)


def test_an_overloaded_model_is_not_serving_although_the_agent_serves(daemon: Daemon, health: Any) -> None:
    watcher = Watcher(health, "model/one")
    assert watcher.next() == SERVING
    (worker,) = daemon.workers("one")
    suspend(worker)
    try:
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("one", picture(9))) for _ in range(20)]
        assert watcher.next() == NOT_SERVING
        assert health.Check(_ask("")).status == SERVING
    finally:
        worker.resume()
    assert watcher.next() == SERVING
    codes = [call.exception().code() if call.exception() else None for call in calls]
    assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes


def test_a_watch_with_a_deadline_ends_with_it(health: Any) -> None:
    with pytest.raises(grpc.RpcError) as ended:
        list(health.Watch(_ask(""), timeout=0.2))
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_clients_that_vanish_or_read_nothing_are_forgotten(daemon: Daemon) -> None:
    front = psutil.Process(daemon.process.pid)
    before = front.num_fds()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            peer = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            peer.connect(str(daemon.path))
            peer.sendall(PREFACE + settings_frame({Setting.INITIAL_WINDOW_SIZE: 0}))  # it takes no answer
        others = [
            grpc.insecure_channel(daemon.socket, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(5)
        ]
        watchers = [Watcher(health_pb2_grpc.HealthStub(channel), "model/one") for channel in others]
        assert all(watcher.next() == SERVING for watcher in watchers)
        for channel in others:
            channel.close()
    wait_until(lambda: front.num_fds() <= before, "their connections are closed")
    assert daemon.stub.status("one") == "RUNNING"


def _counted(daemon: Daemon, rpc: str) -> dict[str, float]:
    """Give how many calls of an rpc have ended, by their status."""
    found = samples(fetch(daemon.folder / "metrics.sock")).items()
    return {
        labels[0]: value
        for (name, labels), value in found
        if name == "edge_agent_calls_total" and labels[1:] == ("", rpc)
    }


def test_these_calls_are_counted_under_their_own_names(daemon: Daemon, channel: grpc.Channel, health: Any) -> None:
    before = {rpc: _counted(daemon, f"grpc.health.v1.Health/{rpc}") for rpc in ("Check", "Watch")}
    health.Check(_ask(""))
    with pytest.raises(grpc.RpcError):
        health.Check(_ask("model/none"))
    with pytest.raises(grpc.RpcError):
        list(health.Watch(_ask(""), timeout=1.0))
    watch = health.Watch(_ask(""))
    next(watch)
    watch.cancel()
    with pytest.raises(grpc.RpcError):
        next(watch)
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    list(reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")])))

    def more(rpc: str) -> dict[str, float]:
        now = _counted(daemon, f"grpc.health.v1.Health/{rpc}")
        return {code: now[code] - before[rpc].get(code, 0) for code in now if now[code] > before[rpc].get(code, 0)}

    wait_until(lambda: more("Check") == {"OK": 1, "NOT_FOUND": 1}, "both are counted")
    # Whether the deadline or the client was first, nobody knows; and watches of other tests end in between.
    wait_until(lambda: sum(more("Watch").values()) >= 2, "both are counted")
    assert more("Watch").keys() <= {"DEADLINE_EXCEEDED", "CANCELLED"}
    asked = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    wait_until(lambda: _counted(daemon, asked).get("OK", 0) >= 1, "what was asked is counted")
    assert _counted(daemon, "") == {}, "nothing else has been called"


@pytest.mark.parametrize("window", [0, DEFAULT_WINDOW], ids=["takes no answer", "never reads"])
def test_watches_that_nobody_reads(daemon: Daemon, health: Any, window: int) -> None:
    """A window that was closed on the screen: what waits for it stays small, and goes with it."""
    front = psutil.Process(daemon.process.pid)
    before = _counted(daemon, _WATCH).get("CANCELLED", 0)
    message = _ask("model/two").SerializeToString()
    memory = front.memory_info().rss
    clients = [RawClient(daemon.path, window=window) for _ in range(20)]
    for client in clients:
        client.call(f"/{_WATCH}", message, 50)
    watcher = Watcher(health, "model/two")
    assert watcher.next() == NOT_SERVING
    for _ in range(5):
        daemon.stub("StartModel", pb2.StartModelRequest(model_component="two"))
        watcher.until(SERVING)
        daemon.stub("StopModel", pb2.StopModelRequest(model_component="two"))
        watcher.until(NOT_SERVING)
    assert front.memory_info().rss - memory < 16 << 20
    for client in clients:
        client.close()
    wait_until(lambda: _counted(daemon, _WATCH)["CANCELLED"] - before >= 1000, "all have ended with their clients")


def test_reflection_describes_the_contract(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {
        SERVICE.full_name, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "edge_agent.v1.Shadowing",
    }  # fmt: skip
    pool = DescriptorPool(database)
    detect = pool.FindServiceByName(SERVICE.full_name).FindMethodByName("DetectAnomalies")
    assert [field.name for field in detect.input_type.fields] == ["model_component", "bitmap", "anomaly_mask_params"]
    assert pool.FindFileByName("grpc/health/v1/health.proto").package == "grpc.health.v1"
    with pytest.raises(KeyError):
        pool.FindMessageTypeByName("no.such.Message")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_in_both_versions_answers_one_request_after_the_other(channel: grpc.Channel, version: str) -> None:
    call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
    request = reflection_pb2.ServerReflectionRequest
    asked = [
        request(list_services=""),
        request(file_containing_symbol="nothing"),
        request(file_by_filename="edge-agent.proto"),
    ]
    answers = [
        reflection_pb2.ServerReflectionResponse.FromString(answer)
        for answer in call(iter([one.SerializeToString() for one in asked]))
    ]
    assert [answer.original_request for answer in answers] == asked
    assert len(answers[0].list_services_response.service) == 5
    assert answers[1].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers[2].file_descriptor_response.file_descriptor_proto == [pb2.DESCRIPTOR.serialized_pb]


def test_many_reflection_requests_in_one_call(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [reflection_pb2.ServerReflectionRequest(list_services=str(number)) for number in range(200)]
    answers = list(stub.ServerReflectionInfo(iter(asked)))
    assert [answer.original_request for answer in answers] == asked


def _healthcheck(daemon: Daemon, *arguments: str) -> tuple[int, str]:
    done = run("healthcheck", "--socket", daemon.socket, *arguments)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_the_command_for_containers(daemon: Daemon, tmp_path: Path) -> None:
    assert _healthcheck(daemon) == (0, "serving")
    assert _healthcheck(daemon, "one") == (0, "serving: the agent, one")
    assert _healthcheck(daemon, "one", "two") == (1, "not serving: two")
    code, said = _healthcheck(daemon, "none")
    assert (code, "there is no service 'model/none'" in said, "\n" in said) == (1, True, False)
    code, said = _healthcheck(daemon, "--timeout", "0.3", "--socket", f"unix://{tmp_path}/none.sock")
    assert (code, "no agent answers" in said, "\n" in said) == (1, True, False)


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="needs grpcurl")
def test_grpcurl_needs_no_proto_file(daemon: Daemon) -> None:
    def grpcurl(*arguments: str) -> str:
        command = ["grpcurl", "-plaintext", "-unix", "-max-time", "60", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout

    assert SERVICE.full_name in grpcurl(str(daemon.path), "list").splitlines()
    assert "rpc DetectAnomalies" in grpcurl(str(daemon.path), "describe", SERVICE.full_name)
    models = json.loads(grpcurl(str(daemon.path), f"{SERVICE.full_name}/ListModels"))["models"]
    assert {"model_component": "one", "status": "RUNNING"} in models
    asked = ["-d", '{"service": "model/one"}', str(daemon.path), "grpc.health.v1.Health/Check"]
    assert json.loads(grpcurl(*asked)) == {"status": "SERVING"}


@pytest.mark.skipif(shutil.which("grpc_health_probe") is None, reason="needs grpc_health_probe")
def test_grpc_health_probe_tells_models_apart(daemon: Daemon) -> None:
    def probe(*service: str) -> int:
        command = ["grpc_health_probe", "-addr", daemon.socket, *service]
        return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).returncode

    assert probe() == probe("-service", "model/one") == 0
    assert probe("-service", "model/none") == 3
