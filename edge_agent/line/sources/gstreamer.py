"""Frames of a GStreamer pipeline that ends in appsink.

The pipeline runs in a process of its own, in Python of the system where PyGObject is not in ours: what a plugin does
wrong takes no line with it, and Debian's PyGObject belongs to Debian's Python. gstreamer_process.py is that program.
"""

from __future__ import annotations

import functools
import os
import select
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.inference.imaging.raw_format import RawFormat
from edge_agent.inference.imaging.raw_pixels import read_raw
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.sources import Pipeline

_PROGRAM = Path(__file__).with_name("gstreamer_process.py")
_HEAD = struct.Struct("<8sIIIQ")  # as gstreamer_process.py writes it
#: GStreamer's names of what the program lets through
_FORMATS = {
    b"RGB": "RGB8", b"BGR": "BGR8", b"GRAY8": "Mono8", b"GRAY16_L": "Mono16",
    b"rggb": "BayerRG8", b"bggr": "BayerBG8", b"grbg": "BayerGR8", b"gbrg": "BayerGB8",
}  # fmt: skip
_PIPE_BYTES = 1 << 20
_END_SECONDS = 3.0
MISSING = (
    "GStreamer pipelines need PyGObject and GStreamer: apt install python3-gst-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good"
)


class _Frame(NamedTuple):
    data: bytearray
    raw: RawFormat


@functools.cache
def interpreter() -> str:
    """Find a Python that has GStreamer; "" where there is none."""
    test = "import gi; gi.require_version('GstApp', '1.0'); gi.require_version('GstVideo', '1.0')"
    for program in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        try:
            if subprocess.run([program, "-c", test], capture_output=True, check=False).returncode == 0:
                return program
        except OSError:
            continue
    return ""


class PipelineCamera:
    """A pipeline in a process."""

    is_file = is_asked = False

    def __init__(self, table: Pipeline) -> None:
        self._table = table
        self.name = "the pipeline"
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._raw: RawFormat | None = None

    def open(self) -> None:
        if not (python := interpreter()):
            raise SourceFailed(MISSING)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # close() closes it
        self._process = subprocess.Popen(
            [python, "-I", str(_PROGRAM), self._table.pipeline],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0,
        )  # fmt: skip
        self._widen()

    def _widen(self) -> None:
        """Let a whole picture, or much of it, into the pipe at once: fewer turns between the processes."""
        import contextlib
        import fcntl

        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def read(self, seconds: float) -> npt.NDArray[Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return None
        name, width, height, stride, size = _HEAD.unpack(self._exactly(descriptor, _HEAD.size))
        self._raw = RawFormat(_FORMATS[name.rstrip(b"\0")], width, height, stride)
        return np.frombuffer(self._exactly(descriptor, size), np.uint8)

    def _exactly(self, descriptor: int, size: int) -> bytearray:
        data = bytearray(size)
        done = 0
        while done < size:
            count = os.readv(descriptor, [memoryview(data)[done:]])
            if not count:
                raise SourceFailed(f"{self.name} has ended: {self._said()}")
            done += count
        return data

    def _said(self) -> str:
        """Give the last line of what the program said of its end."""
        assert self._process is not None
        assert self._errors is not None
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {code}"

    def to_rgb(self, frame: npt.NDArray[Any]) -> U8:
        assert self._raw is not None
        return read_raw(frame, self._raw)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
