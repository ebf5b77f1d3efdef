"""A chip with digital outputs, for the real libgpiod, on a machine that has none: tests/stand_ins/gpio/chip.c.

The kernel's gpio-sim would do better, where it can be loaded; here it is the kernel's side of the character device that
stands in, so that libgpiod and its Python binding are what a device has.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tests.support.daemon import wait_until, whole_lines

_SOURCE = Path(__file__).parents[1] / "stand_ins" / "gpio" / "chip.c"

#: struct gpio_v2_line_event of linux/gpio.h, and the flags of a request
_EVENT = struct.Struct("=QIIII24x")
_RISING, _FALLING = 1 << 4, 1 << 5

#: why there can be no chip; "" where there can
MISSING = (
    "no C compiler for the stand-in of the kernel's GPIO chip"
    if shutil.which("gcc") is None or not Path("/usr/include/linux/gpio.h").exists()
    else "gpiod is not installed"
    if importlib.util.find_spec("gpiod") is None
    else ""
)


class Level(NamedTuple):
    """A level that a line was given."""

    #: seconds, of the monotonic clock
    at: float
    line: int
    high: bool


class Chip:
    """A chip in a folder; processes that are started with `environment` find it at `path`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.path = folder, folder / "gpiochip0"
        self.path.symlink_to("/dev/null")
        library = folder / "chip.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        self.environment = os.environ | {"LD_PRELOAD": str(library), "STAND_IN_GPIO": str(folder)}

    def edge(self, line: int, *, rising: bool) -> None:
        """Let an input that is requested change; the kernel tells only the edges that were asked for."""
        flags = int(wait_until(lambda: self._flags(line), f"input {line} is watched"))
        if flags & (_RISING if rising else _FALLING):
            with (self.folder / f"input{line}").open("wb", buffering=0) as pipe:
                pipe.write(_EVENT.pack(time.monotonic_ns(), 1 if rising else 2, line, 0, 0))

    def is_watched(self, line: int) -> bool:
        """Tell whether a program has asked for an input's edges."""
        return bool(self._flags(line))

    def _flags(self, line: int) -> str:
        return "".join(whole_lines(self.folder / f"input{line}.flags"))

    def levels(self, line: int) -> list[Level]:
        """Give what a line was set to, in order."""
        rows = [row.split() for row in whole_lines(self.folder / "levels")]
        return [Level(int(at) / 1e9, int(which), high == "1") for at, which, high in rows if int(which) == line]

    def highs(self, line: int) -> list[bool]:
        """Give only the levels."""
        return [level.high for level in self.levels(line)]
