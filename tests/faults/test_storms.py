"""Twenty clients start and stop models as fast as they can, beside a line that goes on."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator

import grpc
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.faults.models import PLAIN, SCORE
from tests.support.daemon import Daemon, Stub, bytes_request, running_daemon, wait_until
from tests.support.fakes import write_echo

MODELS = ("one", "two", "three", "four")
CLIENTS, CALLS = 20, 20


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("storms")
    for name in MODELS:
        write_echo(folder / "models", name)
    with running_daemon(folder) as running:
        yield running


def test_start_and_stop_storms_from_20_clients(daemon: Daemon) -> None:
    """Each call is answered as the models' states allow, and what is there at the end is what was asked for last."""
    codes: collections.Counter[str] = collections.Counter()

    def client(number: int) -> None:
        stub = Stub(daemon.socket)
        model = MODELS[number % len(MODELS)]
        for turn in range(CALLS):
            stop = (number + turn) % 3 == 0
            name, request = (
                ("StopModel", pb2.StopModelRequest(model_component=model))
                if stop
                else ("StartModel", pb2.StartModelRequest(model_component=model))
            )
            try:
                stub(name, request)
                codes[name] += 1
            except grpc.RpcError as error:
                codes[error.code().name] += 1
        stub.channel.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.keys() <= {"StartModel", "StopModel", "FAILED_PRECONDITION"}
    assert codes["StartModel"] >= len(MODELS)
    for model in MODELS:
        wait_until(lambda: daemon.stub.status(model) in ("RUNNING", "STOPPED"), "it has settled")  # noqa: B023
        if daemon.stub.status(model) == "STOPPED":
            daemon.stub.start(model)
        result = daemon.stub("DetectAnomalies", bytes_request(model, PLAIN)).detect_anomaly_result
        assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)
        wait_until(lambda: len(daemon.workers(model)) == 1, "there is one worker")  # noqa: B023
