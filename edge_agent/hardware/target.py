"""Whether this device is what a component was packaged for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.component.manifest import Manifest, Target
from edge_agent.errors import ComponentError
from edge_agent.hardware.processor import INSTRUCTION_SETS, architecture, has_flag

if TYPE_CHECKING:
    from edge_agent.hardware.nvidia import Nvidia


def describe_target(target: Target) -> str:
    """Say it in a few words: LINUX/ARM64/NVIDIA gpu-code sm_87, trt-ver 10.3.0, cuda-ver 12.6."""
    platform = "/".join(part for part in (target.os, target.arch, target.accelerator) if part)
    options = ", ".join(f"{name} {value}" for name, value in target.compiler_options.items())
    return f"{platform} {options}".rstrip()


def check_processor(target: Target) -> None:
    """Compare with the processor.

    Raises:
        ComponentError: the device has another architecture, or lacks the instructions; both sides are named.
    """
    if target.arch != architecture():
        raise ComponentError(f"it was packaged for {target.arch}, this device is {architecture()}")
    mcpu = target.compiler_options.get("mcpu", "")
    flag = INSTRUCTION_SETS.get(mcpu, "") if target.arch == "X86_64" else ""
    if flag and not has_flag(flag):
        raise ComponentError(f"it was packaged for mcpu {mcpu}, this device's processor has no {flag}")


def check_gpu(manifest: Manifest, engine: str, *, cpu_fallback: bool) -> None:
    """Compare with the GPU, its libraries and the engine that will be used.

    Raises:
        ComponentError: the device is not what the component was packaged for; all that differs is named.
    """
    target = manifest.target
    if target is None or target.accelerator is None or cpu_fallback:
        return
    from edge_agent.hardware.nvidia import examine_nvidia

    found = examine_nvidia()
    if not found.gpus:
        raise ComponentError(
            f"it was packaged for {describe_target(target)}, this device has no NVIDIA GPU that can be used; "
            "package it without an accelerator, or set cpu_fallback"
        )
    different = differences(target, found)
    # What was compiled runs only where it was compiled for. An ONNX file is prepared on the device.
    if different and not manifest.model.endswith(".onnx"):
        raise ComponentError("; ".join(different))
    if engine.endswith("-cpu"):
        raise ComponentError(
            f"it was packaged for {describe_target(target)}, and the engine {engine} runs on the processor; "
            "package it without an accelerator, or set cpu_fallback"
        )


def differences(target: Target, found: Nvidia) -> list[str]:
    """Return, in sentences, which compiler options are not those of the device."""
    options = target.compiler_options
    said = []
    code = options.get("gpu-code", "")
    if code and code not in {gpu.code for gpu in found.gpus}:
        gpus = ", ".join(f"{gpu.name} ({gpu.code})" for gpu in found.gpus) or "no NVIDIA GPU"
        said.append(f"it was packaged for gpu-code {code}, this device has {gpus}")
    tensorrt = options.get("trt-ver", "")
    if tensorrt and tensorrt.split(".")[:2] != found.tensorrt.split(".")[:2]:
        said.append(f"it was packaged for TensorRT {tensorrt}, this device has {found.tensorrt or 'none'}")
    cuda = options.get("cuda-ver", "")
    if cuda and cuda != found.cuda:
        said.append(f"it was packaged for CUDA {cuda}, this device has {found.cuda or 'none'}")
    return said
