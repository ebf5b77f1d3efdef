"""A component that was packaged for another device is not served here, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.component.manifest import Target
from edge_agent.errors import ComponentError
from edge_agent.hardware import target as module
from edge_agent.hardware.processor import ARCHITECTURES, architecture
from edge_agent.hardware.target import check_processor
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo

OTHER = next(word for word in ARCHITECTURES.values() if word != architecture())
T4 = {"gpu-code": "sm_75", "trt-ver": "8.2.1", "cuda-ver": "10.2"}


def _start(daemon: Daemon) -> None:
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))


def test_a_component_for_another_architecture_is_listed_as_failed(daemon: Daemon) -> None:
    write_echo(daemon.models, target=Target(arch=OTHER))  # type: ignore[arg-type]
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    said = daemon.stub.describe("echo")
    assert said.status == pb2.FAILED
    assert said.status_message == f"version 1.0.0: it was packaged for {OTHER}, this device is {architecture()}"


def test_a_component_for_this_device_is_served(daemon: Daemon) -> None:
    options = {"mcpu": "x86-64"} if architecture() == "X86_64" else {}
    write_echo(daemon.models, target=Target(arch=architecture(), compiler_options=options))  # type: ignore[arg-type]
    _start(daemon)
    daemon.stub.wait_for("echo", "RUNNING")


def test_a_component_for_a_gpu_does_not_fall_back_to_the_processor_silently(tmp_path: Path) -> None:
    target = Target(arch=architecture(), accelerator="NVIDIA", compiler_options=T4)  # type: ignore[arg-type]
    with running_daemon(tmp_path) as daemon:
        write_echo(daemon.models, target=target)
        _start(daemon)
        message = daemon.stub.wait_for("echo", "FAILED").status_message
        assert message.startswith(
            f"it was packaged for LINUX/{architecture()}/NVIDIA gpu-code sm_75, trt-ver 8.2.1, cuda-ver"
        )
        assert message.endswith("package it without an accelerator, or set cpu_fallback")
        daemon.stop()
        daemon.flags = ("--cpu-fallback",)
        daemon.restart()
        daemon.stub.wait_for("echo", "RUNNING")


def test_a_processor_without_the_instructions_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "architecture", lambda: "X86_64")
    monkeypatch.setattr(module, "has_flag", lambda flag: flag == "sse4_2")
    check_processor(Target(arch="X86_64", compiler_options={"mcpu": "x86-64-v2"}))
    with pytest.raises(ComponentError, match="for mcpu core-avx2, this device's processor has no avx2"):
        check_processor(Target(arch="X86_64", compiler_options={"mcpu": "core-avx2"}))
