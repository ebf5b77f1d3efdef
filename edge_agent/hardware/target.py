"""Whether this device is what a component was packaged for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.component.manifest import Target
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


def differences(target: Target, found: Nvidia) -> list[str]:
    """Return, in sentences, which compiler options are not those of the device."""
    options = target.compiler_options
    said = []
    code = options.get("gpu-code", "")
    if code and code not in {gpu.code for gpu in found.gpus[:1]}:  # models run on the first
        gpus = ", ".join(f"{gpu.name} ({gpu.code})" for gpu in found.gpus) or "no NVIDIA GPU"
        said.append(f"it was packaged for gpu-code {code}, this device has {gpus}")
    tensorrt = options.get("trt-ver", "")
    if tensorrt and tensorrt.split(".")[:2] != found.tensorrt.split(".")[:2]:
        said.append(f"it was packaged for TensorRT {tensorrt}, this device has {found.tensorrt or 'none'}")
    cuda = options.get("cuda-ver", "")
    there = found.cuda or found.driver_cuda  # a plan needs no more of CUDA than the driver
    if cuda and cuda != there:
        said.append(f"it was packaged for CUDA {cuda}, this device has {there or 'none'}")
    return said
