"""The end of a process that has done everything in order."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn


def end_at_once(code: int = 0) -> NoReturn:
    """End this process without clearing its memory away, after what atexit was told.

    The kernel takes everything back at once. An interpreter gives it back object by object: of numpy, OpenCV and an
    engine that takes a twentieth of a second of the processor, for which nobody should wait. No thread that matters may
    be left.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
