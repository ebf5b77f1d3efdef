"""The GPU and what belongs to it, in the words of the guide: CUDA, cuDNN, TensorRT, JetPack, group video."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edge_agent.device.doctor.finding import Finding, Verdict, group_of, join_group_of
from edge_agent.hardware.nvidia import Nvidia
from edge_agent.inference.engines.options import CPU, ENGINES
from edge_agent.inference.engines.selection import Device, device_lacks

_MIB = 1 << 20
#: device files of a driver for cards, and of Jetson's
_NODES = ("nvidia[0-9]*", "nvhost-*", "nvmap")

_JETSON = "sudo apt install nvidia-jetpack"
_CARD = {
    "CUDA": "sudo apt install cuda-toolkit (https://developer.nvidia.com/cuda-downloads)",
    "cuDNN": "sudo apt install cudnn (https://developer.nvidia.com/cudnn-downloads)",
    "TensorRT": "sudo apt install tensorrt (https://developer.nvidia.com/tensorrt/download)",
}


def examine_gpu(nvidia: Nvidia, dev: Path = Path("/dev")) -> Iterator[Finding]:
    """Look at the GPU, its libraries and whether this user may use it. A device without one gets one line."""
    nodes = sorted(path for pattern in _NODES for path in dev.glob(pattern))
    if not nvidia.gpus and not nodes and not nvidia.jetpack:
        yield Finding(Verdict.OK, "GPU", "no NVIDIA GPU; models run on the processor")
        return
    for gpu in nvidia.gpus:
        driver = f"driver {nvidia.driver} for CUDA {nvidia.driver_cuda}".replace("  ", " ")
        found = f"{gpu.name}, compute capability {gpu.code}, {gpu.memory // _MIB} MiB, {driver}"
        yield Finding(Verdict.OK, "GPU", found)
    if not nvidia.gpus:
        found = "there is one, but its driver can't be used by this user"
        yield Finding(Verdict.NOTE, "GPU", found, _JETSON if nvidia.jetpack else "sudo apt install nvidia-driver")
    yield from _video_group(nodes)
    for name, version in (("CUDA", nvidia.cuda), ("cuDNN", nvidia.cudnn), ("TensorRT", nvidia.tensorrt)):
        if version:
            yield Finding(Verdict.OK, name, version)
        else:
            yield Finding(Verdict.NOTE, name, "not found", _JETSON if nvidia.jetpack else _CARD[name])
    if nvidia.jetpack:
        yield Finding(Verdict.OK, "JetPack", nvidia.jetpack)


def examine_gpu_engines(device: Device) -> Iterator[Finding]:
    """Say of each engine for a GPU whether it could be used; nothing where there is no GPU."""
    for engine in ENGINES if device.nvidia.gpus else ():
        if engine == CPU:
            continue
        lacks = device_lacks(engine, device)
        if lacks:
            yield Finding(Verdict.NOTE, f"engine {engine}", lacks, "see docs/gpu.md, or docs/jetson.md on a Jetson")
        else:
            yield Finding(Verdict.OK, f"engine {engine}", "installed")


def _video_group(nodes: list[Path]) -> Iterator[Finding]:
    closed = [path for path in nodes if not os.access(path, os.R_OK | os.W_OK)]
    if not closed:
        return
    found = f"this user may not open {closed[0]}, which belongs to the group {group_of(closed[0])}"
    yield Finding(Verdict.NOTE, "video group", found, join_group_of(closed[0]))
