"""A shadow model's process: `edge_agent.serving.shadowing.process SOCKET OPTIONS`, started by the daemon.

It runs only when nothing else wants the processor. Workers of the first model pass it pictures in memory of which each
has a few pieces; what does not fit there is skipped by the worker. It ends when the daemon's end of the socket closes.
"""

from __future__ import annotations

import array
import contextlib
import logging
import mmap
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.children.priority import give_way
from edge_agent.component.manifest import Manifest
from edge_agent.errors import EdgeAgentError
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.mask import copy_mask
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.pipeline import Inspection, Pipeline
from edge_agent.logs import log_to_stderr
from edge_agent.records.pictures import passing as pictures
from edge_agent.records.pictures.passing import FREE, HEAD, PACKET, TAKEN, Picture, socket_address
from edge_agent.records.pictures.rules import DISAGREEMENT
from edge_agent.records.pictures.stillness import HEAD_BYTES, has_call, wait_for_stillness
from edge_agent.records.shadow.passing import Judged, Shown, Standing, decode_shown, encode, socket_name
from edge_agent.serving.shadowing.options import ShadowOptions

log = logging.getLogger("edge_agent.shadow")

_ANCILLARY_BYTES = socket.CMSG_SPACE(4 * array.array("i").itemsize)


class Shadow:
    """A loaded model, and the socket at which it takes pictures."""

    def __init__(self, options: ShadowOptions, pipeline: Pipeline, channel: socket.socket) -> None:
        self._options, self._pipeline, self._channel = options, pipeline, channel
        self._manifest: Manifest = pipeline.manifest
        image = self._manifest.image
        self._shape = (image.height, image.width, CHANNELS)
        self._size = image.height * image.width * CHANNELS
        keeping = options.keeping
        self._keeps = keeping if keeping is not None and keeping.rules.disagreement else None
        self._keeper: socket.socket | None = None
        self._last = 0

    def listen(self) -> socket.socket:
        """Make the socket that workers send to; OSError when it can't be made."""
        folder, name = Path(self._options.sockets), socket_name(self._options.model)
        (folder / name).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket_address(folder, name) as address:
            listener.bind(address)
        (folder / name).chmod(0o600)
        return listener

    def take(self, listener: socket.socket) -> None:
        """Judge the picture that has arrived."""
        data, ancillary, _, _ = listener.recvmsg(PACKET, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        descriptors = [number for _, _, content in ancillary for number in array.array("i", content)]
        try:
            if data and descriptors:
                with mmap.mmap(descriptors[0], 0) as memory:
                    if not self._judge(decode_shown(data), memory, descriptors):
                        memory[0] = FREE
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _judge(self, shown: Shown, memory: mmap.mmap, descriptors: list[int]) -> bool:
        """Judge a picture and tell of it; True when somebody else has its memory now, by the descriptors."""
        if memory.size() < HEAD + 3 * self._size:  # another version of the first model, of another size
            return False
        wait_for_stillness(lambda: has_call(memory[:HEAD_BYTES]))
        begun = time.monotonic()
        # A copy, so that nothing points into the mapping when it is closed.
        pixels = np.frombuffer(memory[HEAD : HEAD + self._size], np.uint8).reshape(self._shape)
        try:
            inspection = self._pipeline.run(ArrayPixels(pixels))
        except EdgeAgentError as error:
            log.warning("a picture could not be judged: %s", error)
            return False
        verdict = inspection.verdict
        agrees = verdict.is_anomalous == shown.verdict.is_anomalous
        kept = "" if agrees or self._keeps is None else self._keep(shown, inspection, memory, descriptors)
        self._say(
            Judged(
                shown.token, self._manifest.name, self._manifest.version, agrees, verdict.is_anomalous, verdict.score,
                verdict.threshold, {area.label: area.fraction for area in verdict.areas[1:]},
                (time.monotonic() - begun) * 1000, kept,
            )
        )  # fmt: skip
        return bool(kept)

    def _keep(self, shown: Shown, inspection: Inspection, memory: mmap.mmap, descriptors: list[int]) -> str:
        """Pass the picture on to who keeps it, with both masks; returns its name, "" when nobody takes it."""
        assert self._keeps is not None
        if inspection.mask is not None:
            copy_mask(inspection.mask, np.frombuffer(memory, np.uint8, self._size, HEAD + 2 * self._size))
        self._last = max(self._last + 1, time.time_ns() // 1000)
        name = f"{DISAGREEMENT}/{self._last}-{os.getpid()}"
        height, width, _ = self._shape
        picture = Picture(
            name, self._options.model, shown.version, width, height, shown.has_mask, shown.verdict,
            inspection.verdict, self._manifest.name, self._manifest.version, inspection.mask is not None,
        )  # fmt: skip
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        memory[0] = TAKEN
        try:
            if self._keeper is None:
                self._keeper = self._connect(Path(self._keeps.folder))
            self._keeper.sendmsg([pictures.encode(picture)], [rights])
        except BlockingIOError:
            return ""
        except OSError:  # nobody is there: the next picture tries again
            if self._keeper is not None:
                self._keeper.close()
                self._keeper = None
            return ""
        return name

    def _connect(self, folder: Path) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        channel.setblocking(False)
        try:
            with socket_address(folder) as address:
                channel.connect(address)
        except OSError:
            channel.close()
            raise
        return channel

    def _say(self, judged: Judged) -> None:
        with contextlib.suppress(OSError):  # the daemon has gone, or has no time for it
            self._channel.send(encode(judged), socket.MSG_DONTWAIT)


def _load(options: ShadowOptions) -> Pipeline:
    from edge_agent.inference.loading import load_pipeline
    from edge_agent.serving.workers.checking import checked_component

    with checked_component(Path(options.folder), options.digest, options.trust) as (folder, manifest):
        return load_pipeline(folder, manifest, options.engine).pipeline


def main() -> None:
    """Entry point of the process."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    options = msgspec.json.decode(sys.argv[2], type=ShadowOptions)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log_to_stderr(options.log_level, f"shadow of {options.model}: ")
    os.umask(0o027)
    give_way()  # before the model is loaded: that takes long
    try:
        shadow = Shadow(options, _load(options), channel)
        listener = shadow.listen()
    except (EdgeAgentError, OSError) as error:
        channel.send(encode(Standing(False, str(error)[:2000])))
        channel.recv(1)  # until it is switched off, or another component comes
        return
    channel.send(encode(Standing(True)))
    while True:
        readable, _, _ = select.select([listener, channel], [], [])
        if channel in readable and not channel.recv(1):
            break
        if listener in readable:
            shadow.take(listener)


if __name__ == "__main__":
    main()
