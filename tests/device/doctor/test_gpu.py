"""What doctor says of a GPU, its libraries and who may use it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.component.manifest import Target
from edge_agent.device.doctor import checks
from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.device.doctor.gpu import examine_gpu, examine_gpu_engines
from edge_agent.hardware.nvidia import Gpu, Nvidia
from edge_agent.hardware.processor import architecture
from edge_agent.inference.engines.selection import Device
from edge_agent.settings import Settings
from tests.support.fakes import write_echo

ORIN = Gpu("Orin", "sm_87", 30_000 << 20)
JETSON = Nvidia((ORIN,), "12.6", "12.6", "9.3.0", "10.3.0", "6 (Jetson Linux 36.4.0)", "540.4.0")
WHOLE = Device(
    JETSON,
    frozenset(("tensorrt", "cuda.bindings", "onnx", "onnxruntime")),
    frozenset(("TensorrtExecutionProvider", "CUDAExecutionProvider")),
)


def test_a_device_without_a_gpu_gets_one_line(tmp_path: Path) -> None:
    assert list(examine_gpu(Nvidia(), tmp_path)) == [
        Finding(Verdict.OK, "GPU", "no NVIDIA GPU; models run on the processor")
    ]


def test_a_jetson_in_the_words_of_the_guide(tmp_path: Path) -> None:
    found = {finding.check: finding for finding in examine_gpu(JETSON, tmp_path)}
    assert found["GPU"].found == "Orin, compute capability sm_87, 30000 MiB, driver 540.4.0 for CUDA 12.6"
    assert {check: found[check].found for check in ("CUDA", "cuDNN", "TensorRT", "JetPack")} == {
        "CUDA": "12.6", "cuDNN": "9.3.0", "TensorRT": "10.3.0", "JetPack": "6 (Jetson Linux 36.4.0)",
    }  # fmt: skip


def test_what_is_missing_comes_with_the_command_for_it(tmp_path: Path) -> None:
    card = {finding.check: finding.remedy for finding in examine_gpu(Nvidia((ORIN,), "12.6"), tmp_path)}
    assert card["TensorRT"].startswith("sudo apt install tensorrt")
    jetson = {finding.check: finding.remedy for finding in examine_gpu(Nvidia(jetpack="6 (…)"), tmp_path)}
    assert jetson["TensorRT"] == "sudo apt install nvidia-jetpack"


def test_a_user_outside_the_group_of_the_device_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "nvhost-gpu"
    node.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path != node)  # root may open anything
    monkeypatch.setenv("USER", "operator")
    (finding,) = [found for found in examine_gpu(Nvidia(), tmp_path) if found.check == "video group"]
    assert finding.found.startswith(f"this user may not open {node}, which belongs to the group ")
    assert finding.remedy.startswith("sudo usermod -a -G ")
    assert finding.remedy.endswith(" operator, and log in again")


def _component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: Device, **options: str) -> Finding:
    target = Target(arch=architecture(), accelerator="NVIDIA", compiler_options=options)  # type: ignore[arg-type]
    write_echo(tmp_path / "models", target=target)
    monkeypatch.setattr(checks, "examine_device", lambda _: device)
    settings = Settings(model_dir=(str(tmp_path / "models"),), state_dir=str(tmp_path))
    (finding,) = [found for found in checks.examine(settings) if found.check == "model echo"]
    return finding


def test_the_compiler_options_of_a_component_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"gpu-code": "sm_72", "trt-ver": "10.3.0", "cuda-ver": "12.6"}
    verdict, _, found, remedy = _component(tmp_path, monkeypatch, WHOLE, **options)
    assert (verdict, remedy) == (Verdict.NOTE, "its plan is built here: edge-agent models build echo")
    assert found.endswith(" on tensorrt; it was packaged for gpu-code sm_72, this device has Orin (sm_87)")


def test_a_component_for_a_gpu_whose_libraries_are_missing_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict, _, found, remedy = _component(tmp_path, monkeypatch, Device(JETSON))
    assert verdict is Verdict.WRONG
    assert found.startswith("tensorrt: the Python module 'tensorrt' is not installed; onnxruntime-tensorrt: ")
    assert remedy == "install what is missing (docs/gpu.md), or set cpu_fallback"


def test_each_engine_for_the_gpu_gets_a_line() -> None:
    assert list(examine_gpu_engines(Device())) == []
    found = list(examine_gpu_engines(WHOLE._replace(modules=WHOLE.modules - {"onnxruntime"})))
    assert [(finding.check, finding.verdict, finding.found) for finding in found] == [
        ("engine tensorrt", Verdict.OK, "installed"),
        ("engine onnxruntime-tensorrt", Verdict.NOTE, "the Python module 'onnxruntime' is not installed"),
        ("engine onnxruntime-cuda", Verdict.NOTE, "the Python module 'onnxruntime' is not installed"),
    ]
