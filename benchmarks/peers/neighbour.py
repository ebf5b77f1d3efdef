"""A machine that is not idle: a process that uses half of a core, as a camera's driver beside the agent does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Literal

Setting = Literal["quiet", "busy"]

#: in turns of 5 ms it computes and sleeps; it ends with whoever started it, whose pipe it reads
_HALF_A_CORE = """
import select, sys, time
while not select.select([sys.stdin], [], [], 0.005)[0]:
    end = time.perf_counter() + 0.005
    while time.perf_counter() < end:
        sum(range(500))
"""


@contextlib.contextmanager
def neighbour(setting: Setting) -> Iterator[None]:
    """Have half a core used while the body runs, where the setting is `busy`."""
    if setting == "quiet":
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _HALF_A_CORE], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.kill()
        process.communicate()
