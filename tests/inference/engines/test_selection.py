"""Which engine runs a component, and what is said of those that can't."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.component.manifest import Artifact, Image, Input, Manifest, Outputs, ScoreOutput, Target
from edge_agent.errors import ComponentError
from edge_agent.hardware.nvidia import Gpu, Nvidia
from edge_agent.inference.engines.options import ENGINES, EngineOptions
from edge_agent.inference.engines.selection import Device, plan_problems, select_engines

ORIN = Nvidia((Gpu("Orin", "sm_87", 32 << 30),), "12.6", "12.6", "9.3.0", "10.3.0", "6", "540.4.0")
MODULES = frozenset(("tensorrt", "cuda.bindings", "onnx", "onnxruntime"))
PROVIDERS = frozenset(("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"))
JETSON = Device(ORIN, MODULES, PROVIDERS)
NONE = Device()
OPTIONS = {"gpu-code": "sm_87", "trt-ver": "10.3.0", "cuda-ver": "12.6"}
NVIDIA = Target(arch="ARM64", accelerator="NVIDIA", compiler_options=OPTIONS)
OTHER = Target(arch="ARM64", accelerator="NVIDIA", compiler_options=OPTIONS | {"trt-ver": "8.5.2", "cuda-ver": "11.4"})


def _manifest(**fields: Any) -> Manifest:
    names = {fields.get("model", "model.onnx"), fields.get("plan", "")} - {""}
    return Manifest(
        format=1, name="m", version="1.0.0", task="classification", image=Image(width=64, height=64),
        input=Input(name="x", width=64, height=64), outputs=Outputs(score=ScoreOutput(name="score")), threshold=0.5,
        artifacts=tuple(Artifact(path=name, sha256="0" * 64) for name in sorted(names)), **fields,
    )  # fmt: skip


def _select(
    device: Device, manifest: Manifest | None = None, **options: Any
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    candidates = select_engines(manifest or _manifest(), EngineOptions(**options), lambda: device)
    usable = tuple(engine for engine, lacks in candidates if not lacks)
    return usable, tuple(f"{engine}: {lacks}" for engine, lacks in candidates if lacks)


def _refusal(device: Device, manifest: Manifest, **options: Any) -> str:
    with pytest.raises(ComponentError) as caught:
        _select(device, manifest, **options)
    return str(caught.value)


def test_without_a_gpu_the_processor_runs_everything_and_nothing_is_said_of_that() -> None:
    assert _select(NONE) == (("onnxruntime-cpu",), ())


def test_the_processor_does_not_have_the_device_looked_at() -> None:
    def examine() -> Device:
        raise AssertionError("looked at")

    (only,) = select_engines(_manifest(), EngineOptions(engine="onnxruntime-cpu"), examine)
    assert only == ("onnxruntime-cpu", "")


def test_the_order_of_preference() -> None:
    assert _select(JETSON) == (ENGINES, ())


def test_a_component_for_nvidia_does_not_fall_back_to_the_processor() -> None:
    engines, lacking = _select(JETSON, _manifest(target=NVIDIA))
    assert engines == ENGINES[:3]
    assert lacking == (
        "onnxruntime-cpu: it was packaged for LINUX/ARM64/NVIDIA gpu-code sm_87, trt-ver 10.3.0, cuda-ver 12.6, and "
        "this engine runs on the processor; package it without an accelerator, or set cpu_fallback",
    )
    assert _select(JETSON, _manifest(target=NVIDIA), cpu_fallback=True)[0] == ENGINES
    assert _select(NONE, _manifest(target=NVIDIA), cpu_fallback=True) == (("onnxruntime-cpu",), ())
    assert _refusal(NONE, _manifest(target=NVIDIA)) == (
        "it was packaged for LINUX/ARM64/NVIDIA gpu-code sm_87, trt-ver 10.3.0, cuda-ver 12.6, this device has no "
        "NVIDIA GPU that can be used; package it without an accelerator, or set cpu_fallback"
    )


def test_the_component_may_say_otherwise_and_the_settings_before_it() -> None:
    manifest = _manifest(engines=("onnxruntime-cpu", "tensorrt"))
    assert _select(JETSON, manifest)[0] == ("onnxruntime-cpu", "tensorrt")
    assert _select(JETSON, manifest, engine="onnxruntime-cuda")[0] == ("onnxruntime-cuda",)
    assert _refusal(NONE, _manifest(engines=("tensorrt",))) == (
        "tensorrt: this device has no NVIDIA GPU that can be used"
    )


@pytest.mark.parametrize(
    ("device", "first", "said"),
    [
        (JETSON._replace(modules=MODULES - {"tensorrt"}), "onnxruntime-tensorrt",
         "tensorrt: the Python module 'tensorrt' is not installed"),
        (JETSON._replace(modules=MODULES - {"cuda.bindings"}), "onnxruntime-tensorrt",
         "tensorrt: the Python module 'cuda.bindings' is not installed"),
        (JETSON._replace(modules=MODULES - {"onnx"}), "onnxruntime-cpu",
         "onnxruntime-cuda: the Python module 'onnx' is not installed"),
        (JETSON._replace(nvidia=ORIN._replace(tensorrt="8.6.2")), "onnxruntime-tensorrt",
         "tensorrt: TensorRT 8.6.2 is installed, expected 10 or newer"),
        (JETSON._replace(modules=MODULES - {"tensorrt"}, providers=frozenset(["CPUExecutionProvider"])),
         "onnxruntime-cpu", "onnxruntime-cuda: the installed ONNX Runtime has no CUDAExecutionProvider"),
    ],
)  # fmt: skip
def test_what_a_better_engine_lacks_is_named(device: Device, first: str, said: str) -> None:
    engines, lacking = _select(device)
    assert engines[0] == first
    assert said in lacking


def test_a_plan_runs_only_where_it_was_made_for() -> None:
    alone = _manifest(model="model.plan", target=NVIDIA)
    assert plan_problems(alone, ORIN) == []
    assert _select(JETSON, alone)[0] == ("tensorrt",)
    message = _refusal(JETSON, _manifest(model="model.plan", target=OTHER))
    assert "tensorrt: it was packaged for TensorRT 8.5.2, this device has 10.3.0; " in message
    assert "it was packaged for CUDA 11.4, this device has 12.6" in message
    assert "onnxruntime-cuda: it has no ONNX file" in message


def test_a_plan_that_does_not_fit_is_built_anew_from_the_onnx_file() -> None:
    both = _manifest(plan="model.plan", target=OTHER)
    assert _select(JETSON, both)[0] == ENGINES[:3]
    assert plan_problems(both, ORIN) == [
        "it was packaged for TensorRT 8.5.2, this device has 10.3.0",
        "it was packaged for CUDA 11.4, this device has 12.6",
    ]
    assert plan_problems(_manifest(plan="model.plan", target=NVIDIA), ORIN) == []
    assert plan_problems(_manifest(), ORIN) == ["it has no TensorRT plan"]


def test_a_plan_must_say_what_it_was_made_for() -> None:
    with pytest.raises(ValueError, match=r"a TensorRT plan needs target\.compiler_options with cuda-ver, gpu-code"):
        _manifest(plan="model.plan")
    with pytest.raises(ValueError, match=r"'model\.plan' is not among the artifacts"):
        Manifest(
            format=1, name="m", version="1.0.0", task="classification", image=Image(width=64, height=64),
            input=Input(name="x", width=64, height=64), outputs=Outputs(score=ScoreOutput(name="score")),
            threshold=0.5, artifacts=(Artifact(path="model.onnx", sha256="0" * 64),), plan="model.plan", target=NVIDIA,
        )  # fmt: skip
