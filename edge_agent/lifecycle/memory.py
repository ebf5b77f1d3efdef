"""Whether there is memory left for one more model.

Sources: /proc/meminfo (proc_meminfo(5), MemAvailable) and, inside a container or a systemd unit with a limit, the
control group's memory.max and memory.current (cgroup v2, kernel documentation).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from edge_agent.component.manifest import Manifest
from edge_agent.imaging.bitmap import bitmap_bytes

_MIB = 1 << 20
#: an interpreter with numpy, OpenCV and ONNX Runtime and an empty session, measured: 75 MB
_PROCESS_BYTES = 80 * _MIB
#: weights in memory for each byte of the model file, with ONNX Runtime's copies in the layout it computes in
_BYTES_PER_MODEL_BYTE = 3


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


def estimated_bytes(folder: Path, manifest: Manifest, instances: int) -> int:
    """Return what the workers of a component will take, from what is known before one has run."""
    try:
        weights = (folder / manifest.model).stat().st_size
    except OSError:
        weights = 0
    pixels = bitmap_bytes(manifest.image.width, manifest.image.height)
    return instances * (_PROCESS_BYTES + _BYTES_PER_MODEL_BYTE * weights + 4 * pixels)
