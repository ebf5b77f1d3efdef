"""Models on a GPU with TensorRT, through the socket, with stand-ins for NVIDIA's libraries (tests/stand_ins)."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from edge_agent.component.manifest import Golden
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.inference.engines.orin import check_answers, nvidia, rewrite, start
from tests.support.commands import failed, run
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import U8, half_bright, picture, write_echo


@pytest.mark.parametrize(("precision", "batch"), [("fp32", "batch"), ("fp16", 1)])
def test_a_model_answers_on_the_gpu_as_on_the_processor(
    tmp_path: Path, builds: Path, precision: str, batch: int | str
) -> None:
    with running_daemon(tmp_path, "--precision", precision) as daemon:
        write_echo(daemon.models, width=96, height=64, batch=batch)
        assert start(daemon) == "", "it runs on the engine that is preferred, so there is nothing to be said"
        assert len(builds.read_text().splitlines()) == 3
        check_answers(daemon)


def test_a_plan_is_built_once_for_the_device(device: Daemon, builds: Path) -> None:
    write_echo(device.models, width=96, height=64)
    start(device)
    first = builds.read_text()
    device.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
    start(device)
    check_answers(device)
    assert builds.read_text() == first


def test_a_damaged_plan_is_built_again(device: Daemon, builds: Path) -> None:
    write_echo(device.models, width=96, height=64)
    start(device)
    device.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
    for plan in list((device.folder / "state" / "plans").rglob("model.plan")):
        os.truncate(plan, plan.stat().st_size // 2)
    before = len(builds.read_text().splitlines())
    start(device)
    assert len(builds.read_text().splitlines()) == before + 3
    check_answers(device)


def test_a_plan_that_tensorrt_refuses_is_built_again(device: Daemon, builds: Path) -> None:
    """It is whole, but of another TensorRT: which one there is, is not always known."""
    write_echo(device.models, width=96, height=64)
    start(device)
    device.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
    for description in (device.folder / "state" / "plans").rglob("plan.json"):
        plan = description.with_name("model.plan")
        if "plan of the" in description.read_text():
            plan.write_bytes(b"another" + plan.read_bytes())
            known = json.loads(description.read_text())
            known |= {"sha256": hashlib.sha256(plan.read_bytes()).hexdigest(), "bytes": plan.stat().st_size}
            description.write_text(json.dumps(known))
    before = len(builds.read_text().splitlines())
    assert start(device) == ""
    assert len(builds.read_text().splitlines()) == before + 3
    check_answers(device)


def test_versions_of_a_component_with_and_without_a_free_batch_share_no_plan(device: Daemon) -> None:
    """The reference is a model whose batch can't be freed, because its pictures are compared with each other."""
    write_echo(device.models, width=96, height=64, batch=1, mixed=True)
    assert start(device) == ""
    device.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
    write_echo(device.models, width=96, height=64, batch="batch", version="2.0.0")
    start(device)
    wait_until(lambda: device.stub.describe("echo").status_message == "", "version 2.0.0 runs, on the GPU")
    check_answers(device)


@pytest.mark.parametrize("segmentation", [True, False])
def test_a_model_with_free_sides_runs_in_the_manifests_size(device: Daemon, segmentation: bool) -> None:
    write_echo(device.models, width=96, height=64, batch="batch", free_sides=True, segmentation=segmentation)
    assert start(device) == ""
    if segmentation:
        check_answers(device)
    else:
        assert _detect_score(device, picture(51, 96, 64)) == pytest.approx(0.2, abs=1e-3)


def test_what_tensorrt_refuses_without_a_word_is_told_too(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_NO_CONTEXT", "1")
    with running_daemon(tmp_path) as daemon:
        write_echo(daemon.models, target=nvidia())
        assert "TensorRT can't make a context for the plan of the preparation: it gave no" in start(daemon, "FAILED")


def test_clients_of_one_model_are_inspected_together_and_get_their_own_answers(device: Daemon) -> None:
    write_echo(device.models, width=96, height=64, batch="batch")
    start(device)
    levels = [number * 23 % 256 for number in range(60)]
    for first in range(0, len(levels), 12):
        requests = [bytes_request("echo", picture(level, 96, 64)) for level in levels[first : first + 12]]
        calls = [device.stub.later("DetectAnomalies", request) for request in requests]
        for level, call in zip(levels[first:], calls, strict=False):
            assert call.result().detect_anomaly_result.anomaly_score == pytest.approx(level / 255, abs=1e-3)


@pytest.mark.long
def test_building_says_how_far_it_is_and_ends_with_the_daemon(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("STAND_IN_GATE", str(gate))
    with running_daemon(tmp_path) as daemon:
        write_echo(daemon.models, width=96, height=64)
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
        said = "building the plan of the model: Building Engine, 1 of 3"
        wait_until(lambda: daemon.stub.describe("echo").status_message == said, "it is half built")
        assert daemon.stub.status("echo") == "STARTING"
        workers = daemon.workers()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE) == 0
        assert not psutil.wait_procs(workers, PATIENCE)[1]
        assert not any("plan of the" in path.read_text() for path in (tmp_path / "state").rglob("plan.json"))
        gate.unlink()
        daemon.restart()  # what ran, or was about to, is started again
        daemon.stub.wait_for("echo", "RUNNING")
        check_answers(daemon)
    assert not list((tmp_path / "state" / "plans").rglob("*.unfinished"))


def test_a_model_whose_golden_samples_answer_otherwise_does_not_serve(device: Daemon) -> None:
    from PIL import Image

    folder = write_echo(device.models, width=96, height=64)
    Image.fromarray(half_bright(96, 64)).save(folder / "golden.png")
    rewrite(folder, golden=(Golden(image="golden.png", score=0.6),))
    assert start(device, "FAILED") == (
        "golden sample 'golden.png': score is 0.2500 on this device, expected 0.6000 within 0.01"
    )


def test_after_a_fault_of_the_gpu_another_process_takes_over(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = tmp_path / "fault"
    monkeypatch.setenv("STAND_IN_FAULT", str(fault))
    with running_daemon(tmp_path, "--first-restart", "0.1") as daemon:
        write_echo(daemon.models, width=96, height=64)
        start(daemon)
        (worker,) = daemon.workers()
        fault.touch()
        code, details = daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(51, 96, 64)))
        fault.unlink()
        assert (code, details) == ("INTERNAL", "CUDA: illegal address (CUDA_ERROR_ILLEGAL_ADDRESS)")
        wait_until(lambda: set(daemon.workers()) - {worker}, "another process is there")
        assert "the worker was lost: CUDA: illegal address" in daemon.log.read_text()
        daemon.stub.wait_for("echo", "RUNNING")
        check_answers(daemon)


@pytest.mark.long
def test_a_fault_while_a_model_starts_does_not_make_it_run_on_the_processor(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = tmp_path / "fault"
    fault.touch()
    monkeypatch.setenv("STAND_IN_FAULT", str(fault))
    with running_daemon(tmp_path, "--first-restart", "0.1") as daemon:
        write_echo(daemon.models, width=96, height=64)
        assert start(daemon, "FAILED").startswith("CUDA: illegal address (CUDA_ERROR_ILLEGAL_ADDRESS); it is started")
        fault.unlink()
        assert daemon.stub.wait_for("echo", "RUNNING").status_message == ""
        check_answers(daemon)


def test_where_the_gpu_has_too_little_memory_a_model_is_not_started(
    tmp_path: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FREE_MIB", "100")
    with running_daemon(tmp_path) as daemon:
        write_echo(daemon.models)
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        code, details = daemon.stub.refusal("StartModel", pb2.StartModelRequest(model_component="echo"))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED.name
        assert "MiB of the GPU's memory, but 100 MiB are free; stop another model" in details


def test_another_engine_runs_what_tensorrt_cant_and_says_so(device: Daemon) -> None:
    write_unreadable(device.models)
    message = start(device)
    assert message.startswith("runs on onnxruntime-cpu (")
    assert "tensorrt: TensorRT can't read the model: no importer registered for op: NonMaxSuppression" in message
    assert _detect_score(device, picture(51)) == pytest.approx(0.2, abs=1e-3)


def test_a_component_for_nvidia_that_tensorrt_cant_read_is_failed(device: Daemon) -> None:
    write_unreadable(device.models, target=nvidia())
    assert "tensorrt: TensorRT can't read the model: no importer" in start(device, "FAILED")


def _detect_score(daemon: Daemon, pixels: U8) -> float:
    score: float = daemon.stub("DetectAnomalies", bytes_request("echo", pixels)).detect_anomaly_result.anomaly_score
    return score


def write_unreadable(models: Path, **changes: Any) -> None:
    """Write an echo component with an operator that the stand-in for TensorRT does not know."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from edge_agent.component.writing import write_component
    from tests.support.fakes import echo_fields, echo_graph

    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=False))
    boxes = numpy_helper.from_array(np.zeros((1, 1, 4), np.float32), "boxes")
    scores = numpy_helper.from_array(np.zeros((1, 1, 1), np.float32), "scores")
    model.graph.initializer.extend([boxes, scores])
    model.graph.node.append(helper.make_node("NonMaxSuppression", ["boxes", "scores"], ["kept"]))
    # The score needs it: what only other outputs need is left out.
    made = next(node for node in model.graph.node if "score" in node.output)
    made.output[list(made.output).index("score")] = "real_score"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
    model.graph.node.extend(
        [
            helper.make_node("Size", ["kept"], ["count"]),
            helper.make_node("Cast", ["count"], ["real_count"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["real_count", "nothing"], ["no_count"]),
            helper.make_node("Add", ["real_score", "no_count"], ["score"]),
        ]
    )
    fields = echo_fields("echo", 64, 64, segmentation=False) | changes
    write_component(models, {"model.onnx": model.SerializeToString()}, **fields)


@pytest.mark.long
def test_models_build_makes_the_first_start_a_short_one(tmp_path: Path, builds: Path) -> None:
    with running_daemon(tmp_path) as daemon:
        write_echo(daemon.models, width=96, height=64)
        flags = ("--model-dir", daemon.models, "--state-dir", tmp_path / "state")
        done = run("models", "build", "echo", *flags)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("echo 1.0.0 is ready for tensorrt in fp32 after ")
        assert done.stdout.endswith(" s; it has no golden samples\n")
        assert "building the plan of the model" in done.stderr
        assert "Traceback" not in done.stderr
        built = builds.read_text()
        start(daemon)
        check_answers(daemon)
        assert builds.read_text() == built
        assert "there is no model component 'other'" in failed(run("models", "build", "other", *flags))


def test_models_build_without_a_gpu_says_that_there_is_nothing_to_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # the device of the others has one
    write_echo(tmp_path / "models")
    assert failed(run("models", "build", "echo", "--model-dir", tmp_path / "models")) == (
        "edge-agent: echo 1.0.0 runs on the processor, nothing is built: this device has no NVIDIA GPU that can be used"
    )
