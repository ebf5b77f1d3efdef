"""Models and daemons through their lives: killed, stopped, restarted, replaced."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_agent.component.manifest import Label, MaskOutput, Outputs, ScoreOutput
from edge_agent.component.writing import write_component
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import PATIENCE, Daemon, alive, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import echo_fields, picture, write_echo


@pytest.fixture
def daemon(emptied: Daemon) -> Daemon:
    """One for all tests of this file."""
    return emptied


def _score(daemon: Daemon, model: str) -> float:
    response: pb2.DetectAnomaliesResponse = daemon.stub("DetectAnomalies", bytes_request(model, picture(51)))
    return response.detect_anomaly_result.anomaly_score


def _start_anew(model: str) -> pb2.StartModelRequest:
    return pb2.StartModelRequest(model_component=model)


def test_start_answers_starting_and_stop_gives_the_worker_back(daemon: Daemon) -> None:
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    assert daemon.stub("StartModel", _start_anew("echo")).status == pb2.STARTING
    code, details = daemon.stub.refusal("StartModel", _start_anew("echo"))
    assert code == "FAILED_PRECONDITION"
    assert details in ("model 'echo' is STARTING, expected STOPPED or FAILED",
                       "model 'echo' is RUNNING, expected STOPPED or FAILED")  # fmt: skip
    daemon.stub.wait_for("echo", "RUNNING")
    (worker,) = daemon.workers()
    assert daemon.stub("StopModel", pb2.StopModelRequest(model_component="echo")).status == pb2.STOPPED
    assert not alive(worker.pid)
    assert daemon.stub.status("echo") == "STOPPED"


def test_stop_lets_the_calls_in_flight_finish(daemon: Daemon) -> None:
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("echo")
    (worker,) = daemon.workers()
    suspend(worker)
    calls = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51))) for _ in range(4)]
    daemon.stub.describe("echo")  # sent after the others on the same connection: they have arrived
    stop = daemon.stub.later("StopModel", pb2.StopModelRequest(model_component="echo"))
    daemon.stub.wait_for("echo", "STOPPING")
    assert daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(51)))[0] == "FAILED_PRECONDITION"
    worker.send_signal(signal.SIGCONT)
    assert stop.result().status == pb2.STOPPED
    assert all(call.result().detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5) for call in calls)


def test_a_killed_worker_fails_its_calls_comes_back_and_the_other_model_never_notices(daemon: Daemon) -> None:
    for name in ("victim", "bystander"):
        write_echo(daemon.models, name)
    wait_until(lambda: len(daemon.stub.listed()) == 2, "the components are noticed")
    for name in ("victim", "bystander"):
        daemon.stub.start(name)
    (victim,), (bystander,) = daemon.workers("victim"), daemon.workers("bystander")
    suspend(victim)
    calls = [daemon.stub.later("DetectAnomalies", bytes_request("victim", picture(51))) for _ in range(4)]
    daemon.stub.describe("victim")  # sent after the others on the same connection: they have arrived
    assert _score(daemon, "bystander") == pytest.approx(0.2, abs=1e-5)
    victim.kill()
    for call in calls:
        assert call.exception(timeout=PATIENCE).code() is grpc.StatusCode.INTERNAL
        assert call.details() == "the worker of model 'victim' was lost during the call (killed by SIGKILL)"
    assert _score(daemon, "bystander") == pytest.approx(0.2, abs=1e-5)
    daemon.stub.wait_for("victim", "RUNNING")
    assert _score(daemon, "victim") == pytest.approx(0.2, abs=1e-5)
    assert daemon.workers("victim")[0].pid != victim.pid
    assert daemon.workers("bystander")[0].pid == bystander.pid


def test_a_model_that_died_is_failed_with_the_cause_until_it_is_back(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--first-restart", "1000", "--longest-restart", "1000") as daemon:
        daemon.stub.start("echo")
        daemon.workers()[0].kill()
        described = daemon.stub.wait_for("echo", "FAILED")
        cause = "the worker was lost: killed by SIGKILL; it is started again in 1000.0 s"
        assert described.status_message == cause
        code, details = daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(51)))
        assert (code, details) == ("FAILED_PRECONDITION", f"model 'echo' is FAILED, expected RUNNING ({cause})")
        # A client that does not want to wait may start it itself.
        daemon.stub.start("echo")
        assert _score(daemon, "echo") == pytest.approx(0.2, abs=1e-5)


@pytest.mark.long
def test_a_model_that_recovers_is_starting(tmp_path: Path) -> None:
    """Clients that wait for a model give up when they see FAILED. StopModel ends its attempts, also in the middle."""
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--first-restart", "2", "--longest-restart", "2") as daemon:
        daemon.stub.start("echo")
        cause = "the worker was lost: killed by SIGKILL"

        def fallen() -> pb2.ModelDescription | None:
            described: pb2.ModelDescription = daemon.stub.describe("echo")
            return described if described.status != pb2.RUNNING else None

        def is_seen_while_it_waits() -> bool:
            daemon.stub.wait_for("echo", "RUNNING")
            (lost,) = daemon.workers()
            lost.kill()
            described = wait_until(fallen, "its death is noticed")
            assert pb2.ModelStatus.Name(described.status) == "STARTING"
            if described.status_message == f"{cause}; it is started again in 2.0 s":
                return True
            assert described.status_message.endswith(f"it has failed before: {cause}")  # these seconds are over already
            return False

        wait_until(is_seen_while_it_waits, "it is seen before it is started again")

        def is_caught_while_it_starts() -> bool:
            (again,) = wait_until(daemon.workers, "it is tried again")
            suspend(again)
            if daemon.stub.status("echo") == "STARTING":
                return True
            again.kill()  # it was ready sooner than this test
            wait_until(lambda: daemon.stub.status("echo") != "RUNNING", "its death is noticed")
            return False

        wait_until(is_caught_while_it_starts, "it is held while it starts")
        described = daemon.stub.describe("echo")
        assert pb2.ModelStatus.Name(described.status) == "STARTING"
        assert described.status_message.endswith(f"it has failed before: {cause}")
        code, details = daemon.stub.refusal("StopModel", pb2.StopModelRequest(model_component="echo"))
        assert code == "FAILED_PRECONDITION"
        assert details == "model 'echo' is FAILED, expected RUNNING; it will not be started again by itself"
        described = daemon.stub.describe("echo")
        assert (described.status, described.status_message) == (pb2.FAILED, cause)
        wait_until(lambda: not daemon.workers(), "its worker is gone")
        assert (tmp_path / "state" / "running.json").read_text() == "[]"
        daemon.stub.start("echo")
        assert _score(daemon, "echo") == pytest.approx(0.2, abs=1e-5)


def test_stop_gives_up_a_model_that_would_be_started_again(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--first-restart", "1000", "--longest-restart", "1000") as daemon:
        daemon.stub.start("echo")
        daemon.workers()[0].kill()
        daemon.stub.wait_for("echo", "FAILED")
        code, details = daemon.stub.refusal("StopModel", pb2.StopModelRequest(model_component="echo"))
        assert code == "FAILED_PRECONDITION"
        assert details == "model 'echo' is FAILED, expected RUNNING; it will not be started again by itself"
        assert daemon.stub.describe("echo").status_message == "the worker was lost: killed by SIGKILL"
        assert (tmp_path / "state" / "running.json").read_text() == "[]"


def test_running_models_come_back_after_a_restart(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        write_echo(tmp_path / "models", name)
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start("one")
        daemon.stub.start("two")
        daemon.stub("StopModel", pb2.StopModelRequest(model_component="two"))
        assert daemon.stop() == 0
        daemon.restart()
        daemon.stub.wait_for("one", "RUNNING")
        assert {name: model.status for name, model in daemon.stub.listed().items()} == {
            "one": pb2.RUNNING,
            "two": pb2.STOPPED,
            "three": pb2.STOPPED,
        }


def test_sigterm_finishes_what_is_in_flight_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start("echo")
        (worker,) = daemon.workers()
        suspend(worker)
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51))) for _ in range(4)]
        daemon.stub.describe("echo")
        daemon.process.terminate()
        wait_until(lambda: "SIGTERM: finishing" in daemon.log.read_text(), "the signal has arrived")
        worker.send_signal(signal.SIGCONT)
        assert all(call.result().detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5) for call in calls)
        assert daemon.process.wait(PATIENCE) == 0
        assert not daemon.path.exists()
        assert not alive(worker.pid)


@pytest.mark.parametrize("phase", ["running", "starting"])
def test_a_second_sigterm_is_immediate(tmp_path: Path, phase: str) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--drain-seconds", "1000") as daemon:
        if phase == "running":
            daemon.stub.start("echo")
        else:
            daemon.stub("StartModel", _start_anew("echo"))
        (worker,) = wait_until(daemon.workers, "the worker is there")
        suspend(worker)
        if phase == "running":
            call = daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51)))
            daemon.stub.describe("echo")
        daemon.process.terminate()
        wait_until(lambda: "SIGTERM: finishing" in daemon.log.read_text(), "the signal has arrived")
        daemon.process.terminate()
        assert daemon.process.wait(PATIENCE) == 0
        wait_until(lambda: not alive(worker.pid), "the worker is gone")
        assert not daemon.path.exists()
        if phase == "running":
            assert call.exception() is not None


def test_sigkill_leaves_no_worker_and_the_next_start_replaces_the_stale_socket(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start("echo")
        (worker,) = daemon.workers()
        daemon.process.kill()
        daemon.process.wait(PATIENCE)
        wait_until(lambda: not alive(worker.pid), "the worker is gone")
        assert daemon.path.exists()
        daemon.restart()
        daemon.stub.wait_for("echo", "RUNNING")


def test_several_workers_for_one_model(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--instances", "2", "--queue-size", "0") as daemon:
        daemon.stub.start("echo")
        first, second = daemon.workers("echo")
        suspend(first)
        # The suspended worker takes two calls and no more; the other one serves all the rest.
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51))) for _ in range(2)]
        wait_until(lambda: any(call.done() for call in calls), "the free worker has answered")
        assert psutil.Process(second.pid).is_running()
        first.send_signal(signal.SIGCONT)
        for call in calls:
            assert call.result().detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)


def test_a_worker_lost_while_another_is_still_loading(tmp_path: Path) -> None:
    """The model must not become RUNNING with one worker missing: it fails, and comes back with both."""
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--instances", "2") as daemon:

        def caught_while_they_load() -> list[psutil.Process] | None:
            daemon.stub("StartModel", _start_anew("echo"))
            two = wait_until(lambda: len(found := daemon.workers("echo")) == 2 and found, "two workers are there")
            suspend(two[1])
            if daemon.stub.status("echo") == "STARTING":
                return list(two)
            two[1].resume()  # they were ready sooner than this test
            daemon.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
            return None

        first, second = wait_until(caught_while_they_load, "one is held while it loads")
        first.kill()
        daemon.stub.wait_for("echo", "RUNNING")
        assert {first.pid, second.pid}.isdisjoint(process.pid for process in daemon.workers("echo"))
        assert _score(daemon, "echo") == pytest.approx(0.2, abs=1e-5)


def test_a_worker_that_hangs_while_loading_is_given_up(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    flags = ("--start-seconds", "0.2", "--first-restart", "1000", "--longest-restart", "1000")
    with running_daemon(tmp_path, *flags) as daemon:
        daemon.stub("StartModel", _start_anew("echo"))
        # It may be given up already on a slow machine.
        wait_until(lambda: daemon.workers() or daemon.stub.status("echo") == "FAILED", "the worker is there")
        for worker in daemon.workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(worker.pid, signal.SIGSTOP)
        message = daemon.stub.wait_for("echo", "FAILED").status_message
        assert message.startswith("not ready after 0.2 s")
        wait_until(lambda: not daemon.workers(), "the worker is gone")


def test_a_failed_model_whose_component_went_away_comes_back_with_it(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--first-restart", "0.2") as daemon:
        daemon.stub.start("echo")
        (daemon.models / "echo").rename(daemon.folder / "elsewhere")
        wait_until(lambda: "removed" in daemon.stub.describe("echo").status_message, "the removal is noticed")
        daemon.workers()[0].kill()
        wait_until(lambda: daemon.stub.listed() == {}, "it is gone from the list")
        (daemon.folder / "elsewhere").rename(daemon.models / "echo")
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        daemon.stub.wait_for("echo", "RUNNING")


def test_an_answer_with_the_most_and_longest_labels_arrives(daemon: Daemon) -> None:
    labels = tuple(Label(name="é" * 60 + f"{i:04}", color="#FFFFFF" if not i else f"#0000{i:02X}") for i in range(255))
    ids = MaskOutput(name="brightness", kind="class_scores")
    graph = _all_classes_graph(255)
    fields = echo_fields("many", 64, 64) | {
        "labels": labels,
        "outputs": Outputs(score=ScoreOutput(name="score"), mask=ids),
    }
    write_component(daemon.models, {"model.onnx": graph}, **fields)
    wait_until(lambda: "many" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("many")
    for _ in range(3):
        result = daemon.stub("DetectAnomalies", bytes_request("many", picture(51))).detect_anomaly_result
        assert [anomaly.name for anomaly in result.anomalies] == [label.name for label in labels]


def _all_classes_graph(count: int) -> bytes:
    """Every class wins at one pixel of a 16x16 map, whatever the picture."""
    scores = np.zeros((1, count, 16, 16), np.float32)
    for number in range(count):
        scores[0, number, number // 16, number % 16] = 1
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["picture"], ["score"], keepdims=0),
            helper.make_node("Add", ["score", "scores"], ["brightness"]),
        ],
        "all",
        [value("picture", TensorProto.FLOAT, [1, 3, 64, 64])],
        [value("score", TensorProto.FLOAT, []), value("brightness", TensorProto.FLOAT, [1, count, 16, 16])],
        [numpy_helper.from_array(scores, "scores")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def test_a_model_whose_component_was_removed_runs_until_it_is_stopped(daemon: Daemon) -> None:
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("echo")
    (daemon.models / "echo").rename(daemon.folder / "elsewhere")
    wait_until(lambda: "has been removed" in daemon.stub.describe("echo").status_message, "the removal is noticed")
    assert _score(daemon, "echo") == pytest.approx(0.2, abs=1e-5), "a running model runs until it is stopped"
    daemon.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
    wait_until(lambda: daemon.stub.listed() == {}, "it is gone from the list")


def test_a_component_that_can_not_be_loaded_fails_with_the_reason(daemon: Daemon) -> None:
    """The file's inputs fit, so the catalogue takes it; only the engine knows that it has no such operator."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("NoSuchOperator", ["picture"], ["score"])],
        "odd",
        [value("picture", TensorProto.FLOAT, [1, 3, 64, 64])],
        [value("score", TensorProto.FLOAT, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    fields = echo_fields("odd", 64, 64, segmentation=False)
    write_component(daemon.models, {"model.onnx": model.SerializeToString()}, **fields)
    wait_until(lambda: "odd" in daemon.stub.listed(), "the component is noticed")
    assert daemon.stub("StartModel", _start_anew("odd")).status == pb2.STARTING
    message = daemon.stub.wait_for("odd", "FAILED").status_message
    assert message.startswith("model.onnx uses the operator 'NoSuchOperator', which ONNX Runtime")
    assert "NoSuchOperator" in message
    wait_until(lambda: daemon.workers() == [], "its worker is gone")
