"""In a worker: copies a picture that is to be kept into a slot, before the answer lets the client change it.

A copy is all that a call waits for. Slots are few and used again: their pages are there, and memory is bounded. When
all are taken, or nobody takes pictures, the picture is skipped.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import time
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.pipeline import Inspection
from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.passing import FREE, HEAD, TAKEN, Keeping, Picture, encode, socket_address
from edge_agent.records.pictures.rules import SKIPPED

_SLOTS = 3
#: between two looks whether the taker of pictures is still there, while all slots are taken
_PROBE_SECONDS = 1.0


class PictureSender:
    """Chooses pictures and passes them on. Used by one thread."""

    def __init__(self, keeping: Keeping, manifest: Manifest) -> None:
        self._keeping, self._manifest = keeping, manifest
        self._shape = (manifest.image.height, manifest.image.width, CHANNELS)
        self._bytes = self._shape[0] * self._shape[1] * CHANNELS
        self._slots: list[tuple[int, mmap.mmap]] = []
        self._socket: socket.socket | None = None
        self._normals = self._last = 0
        self._probed = 0.0

    def keep(self, pixels: Pixels, inspection: Inspection, *, asked: bool) -> Verdict:
        """Pass a picture on if the rules say so; returns the verdict, which says under which name it is kept.

        Raises:
            InvalidRequest: the client has truncated the segment that the picture is read from.
        """
        verdict = inspection.verdict
        self._normals += not verdict.is_anomalous
        kind = self._keeping.rules.kind_of(verdict, asked=asked, normals=self._normals)
        if not kind:
            return verdict
        self._last = max(self._last + 1, time.time_ns() // 1000)
        name = f"{kind}/{self._last}-{os.getpid()}"
        kept = self._pass_on(name, pixels, inspection)
        return msgspec.structs.replace(verdict, picture=name if kept else SKIPPED)

    def _pass_on(self, name: str, pixels: Pixels, inspection: Inspection) -> bool:
        try:
            if self._socket is None:
                self._connect()
            slot = self._free_slot()
            if slot is None or self._socket is None:
                return False
            descriptor, memory = slot
            pixels.read_into(np.frombuffer(memory, np.uint8, self._bytes, HEAD).reshape(self._shape))
            if inspection.mask is not None:
                position = HEAD + self._bytes
                for buffer in inspection.mask:
                    memory[position : position + len(buffer)] = buffer
                    position += len(buffer)
            memory[0] = TAKEN
            image = self._manifest.image
            has_mask = inspection.mask is not None
            picture = Picture(
                name, self._manifest.name, self._manifest.version, image.width, image.height, has_mask,
                inspection.verdict,
            )  # fmt: skip
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
            try:
                self._socket.sendmsg([encode(picture)], [rights])
            except OSError:
                memory[0] = FREE
                raise
        except BlockingIOError:
            return False
        except OSError:  # nobody is there, or there is no memory: the next picture tries again
            self._forget()
            return False
        return True

    def _free_slot(self) -> tuple[int, mmap.mmap] | None:
        for slot in self._slots:
            if slot[1][0] == FREE:
                return slot
        if len(self._slots) < _SLOTS:
            descriptor = os.memfd_create("kept picture")
            os.ftruncate(descriptor, HEAD + 2 * self._bytes)
            self._slots.append((descriptor, mmap.mmap(descriptor, 0)))
            return self._slots[-1]
        if self._socket is not None and time.monotonic() - self._probed > _PROBE_SECONDS:
            self._probed = time.monotonic()
            self._socket.send(b"")  # fails when the taker has gone, which will then never free a slot
        return None

    def _connect(self) -> None:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        channel.setblocking(False)
        try:
            with socket_address(Path(self._keeping.folder)) as address:
                channel.connect(address)
        except OSError:
            channel.close()
            raise
        self._socket = channel

    def _forget(self) -> None:
        """Begin anew: whoever was at the other end has gone, perhaps with slots that it had not freed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for descriptor, _ in self._slots:
            os.close(descriptor)
        self._slots.clear()
