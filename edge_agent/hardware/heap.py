"""What the C library does with memory that was let go: glibc gives large pieces back to the kernel, mallopt(3).

A training makes and lets go of arrays of some megabytes all the time. Each time the kernel has to find and clear their
pages anew, which took a seventh of a training's processor time.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h
_LARGE = 32 << 20  # bytes: what is larger still goes back, so that the process hardly becomes larger
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Keep memory of less than 32 MiB a piece for what this process wants next; only glibc can be told."""
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    tell(_MMAP_THRESHOLD, _LARGE)
    tell(_TRIM_THRESHOLD, _NEVER)
    # What each thread kept for itself no other could use: a tenth of a training's memory.
    tell(_ARENA_MAX, 1)
