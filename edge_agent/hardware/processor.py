"""The processor: its architecture and the instructions that it knows."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

#: platform.machine() -> the word that packaging jobs use
ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "ARM64"}

#: compiler option mcpu -> the flag of /proc/cpuinfo that it needs; "" for none. The names are LLVM's.
INSTRUCTION_SETS = {
    "x86-64": "",
    "x86-64-v2": "sse4_2",
    "core-avx2": "avx2",
    "x86-64-v3": "avx2",
    "skylake-avx512": "avx512f",
    "x86-64-v4": "avx512f",
}


def architecture() -> str:
    """Return X86_64 or ARM64, or the kernel's own word for another."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


@functools.cache
def cpuinfo(path: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Return the fields of the last processor in proc_cpuinfo(5); empty when it can't be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def has_flag(flag: str) -> bool:
    """Tell whether the processor knows an instruction set, by the kernel's name for it."""
    return flag in cpuinfo().get("flags", "").split()


def second_level_bytes(caches: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """Return how large a core's second-level cache is; 0 when the kernel does not say."""
    for cache in sorted(caches.glob("index*")):
        try:
            if int((cache / "level").read_text()) == 2:
                return int((cache / "size").read_text().strip().removesuffix("K")) << 10
        except (OSError, ValueError):
            continue
    return 0
