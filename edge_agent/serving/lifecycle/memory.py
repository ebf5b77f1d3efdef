"""Whether there is memory left for one more model.

Sources: /proc/meminfo (proc_meminfo(5), MemAvailable) and, inside a container or a systemd unit with a limit, the
control group's memory.max and memory.current (cgroup v2, kernel documentation). For a GPU's, hardware/gpu_memory.py.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.component.manifest import Manifest
from edge_agent.errors import OutOfMemory
from edge_agent.hardware.gpu_memory import free_gpu_bytes
from edge_agent.hardware.nvidia import is_jetson
from edge_agent.inference.engines.selection import may_use_gpu
from edge_agent.inference.imaging.bitmap import bitmap_bytes
from edge_agent.serving.catalogue.catalogue import Component
from edge_agent.serving.workers.pool import PoolOptions

_MIB = 1 << 20
#: an interpreter with numpy, OpenCV and ONNX Runtime and an empty session, measured: 75 MB
_PROCESS_BYTES = 80 * _MIB
#: weights in memory for each byte of the model file, with ONNX Runtime's copies in the layout it computes in
_BYTES_PER_MODEL_BYTE = 3


#: what CUDA takes of a GPU in every process that uses it, with the kernels of an engine; not measured yet
_GPU_PROCESS_BYTES = 500 * _MIB
#: bytes on the GPU for each byte of a bitmap: the bitmap, its colours as floats before they are resized, and the mask
_GPU_BYTES_PER_BITMAP_BYTE = 6


def check_memory(component: Component, options: PoolOptions, reserve: int, *, instances: int | None = None) -> None:
    """See whether there is room for the workers of a component; for so many `instances`, or for as many as it has.

    Raises:
        OutOfMemory: the device, or its GPU, has too little; it says how much there is and how much is needed, or that
            nobody can tell.
    """
    name, manifest = component.manifest.name, component.manifest
    on_gpu = may_use_gpu(manifest, options.engine)
    batch = options.engine.most(manifest.image) if on_gpu else options.engine.batch or 1
    instances = instances or manifest.workers(options.instances)
    needed = estimated_bytes(component.folder, manifest, instances, batch)
    needed_of_gpu = estimated_gpu_bytes(component.folder, manifest, instances, batch) if on_gpu else 0
    free_of_gpu = free_gpu_bytes() if on_gpu else None
    if free_of_gpu is None and is_jetson():  # there it is the same memory
        needed, needed_of_gpu = needed + needed_of_gpu, 0
    try:
        available = available_bytes()
    except OSError as error:  # no file descriptor is left, say
        raise OutOfMemory(
            f"model '{name}' can't be started: the memory can't be looked at ({describe_refusal(error)})"
        ) from None
    if needed + reserve > available:
        raise OutOfMemory(
            f"model '{name}' needs about {needed >> 20} MiB and {reserve >> 20} MiB are kept in reserve, but "
            f"{available >> 20} MiB are available; stop another model"
        )
    if free_of_gpu is not None and needed_of_gpu > free_of_gpu:
        raise OutOfMemory(
            f"model '{name}' needs about {needed_of_gpu >> 20} MiB of the GPU's memory, but {free_of_gpu >> 20} MiB "
            "are free; stop another model"
        )


def available_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many bytes this process and its children may still take."""
    available = 0
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError):  # no control groups
        path = (proc / "self/cgroup").read_text().rpartition("0::")[2].strip()
        group = cgroups / path.lstrip("/")
        while group != cgroups.parent:
            with contextlib.suppress(OSError, ValueError):  # no such file, or "max": no limit here
                limit = int((group / "memory.max").read_text())
                available = min(available, limit - int((group / "memory.current").read_text()))
            group = group.parent
    return max(0, available)


def estimated_bytes(folder: Path, manifest: Manifest, instances: int, batch: int = 1) -> int:
    """Return what the workers of a component will take, from what is known before one has run."""
    weights = _size(folder / manifest.model)
    pixels = bitmap_bytes(manifest.image.width, manifest.image.height)
    return instances * (_PROCESS_BYTES + _BYTES_PER_MODEL_BYTE * weights + 4 * batch * pixels)


def estimated_gpu_bytes(folder: Path, manifest: Manifest, instances: int, batch: int) -> int:
    """Return what the workers of a component will take of the GPU's memory."""
    pixels = batch * bitmap_bytes(manifest.image.width, manifest.image.height)
    weights = _size(folder / manifest.model)
    return instances * (_GPU_PROCESS_BYTES + _BYTES_PER_MODEL_BYTE * weights + _GPU_BYTES_PER_BITMAP_BYTE * pixels)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
