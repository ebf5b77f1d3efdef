"""The process that keeps pictures: `edge_agent.records.pictures.process SOCKET OPTIONS`, started by the daemon.

It runs only when nothing else wants the processor, and in the pauses between the calls of the worker that a picture
came from: stillness.py and pauses.py say why. Workers pass it pictures in memory of which each has a few pieces; what
does not fit there is skipped by the worker.
"""

from __future__ import annotations

import array
import contextlib
import errno
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.children.priority import give_way
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8
from edge_agent.logs import log_to_stderr
from edge_agent.records.options import PicturesOptions
from edge_agent.records.pictures.deflating import best_deflating
from edge_agent.records.pictures.encoding import JPEG_STRIP_BYTES, Rest, encode_jpeg, encode_png, read_strips
from edge_agent.records.pictures.passing import FREE, HEAD, PACKET, SOCKET_NAME, Picture, decode, socket_address
from edge_agent.records.pictures.pauses import ANSWER_SECONDS, Pauses
from edge_agent.records.pictures.ring import MASK, SHADOW_MASK, VERDICT, Ring
from edge_agent.records.pictures.stock import Stock, Told, encode_stock

log = logging.getLogger("edge_agent.pictures")

#: between two words to the daemon on what is kept
_TELL_SECONDS = 1.0
#: between two looks at the folders while nothing comes
_LOOK_SECONDS = 1.0
#: that belong to a picture: its slot, and its worker's event
_DESCRIPTORS = 2
_ANCILLARY_BYTES = socket.CMSG_SPACE(4 * array.array("i").itemsize)


class PictureKeeper:
    """Takes pictures from workers and stores them."""

    def __init__(self, options: PicturesOptions) -> None:
        self._format = options.format
        self._deflating = best_deflating()
        self._ring = Ring(Path(options.folder), options.rules.kinds, options.mib << 20)
        self._problem = ""
        self._socket = 0  # the inode of the one that workers know
        #: pictures that could not be stored, and of which the daemon does not know yet
        self.lost = 0

    @property
    def stock(self) -> tuple[Stock, ...]:
        """What is kept, by kind."""
        return self._ring.stock

    def listen(self) -> socket.socket:
        """Make the socket that workers send to; OSError when it can't be made."""
        (self._ring.folder / SOCKET_NAME).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket_address(self._ring.folder) as address:
            listener.bind(address)
        (self._ring.folder / SOCKET_NAME).chmod(0o600)
        self._socket = (self._ring.folder / SOCKET_NAME).stat().st_ino
        return listener

    def is_in_place(self) -> bool:
        """Tell whether the folders are still there: somebody may have deleted them, or a disk may have come or gone."""
        try:
            known = (self._ring.folder / SOCKET_NAME).stat().st_ino == self._socket
        except OSError:
            return False
        return known and all((self._ring.folder / kind.kind).exists() for kind in self.stock)

    def take(self, listener: socket.socket) -> None:
        """Store the picture that has arrived."""
        data, ancillary, _, _ = listener.recvmsg(PACKET, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        descriptors = [number for _, _, content in ancillary for number in array.array("i", content)]
        try:
            if data:  # else a worker looks whether anybody is there
                try:
                    self._store(decode(data), descriptors)
                finally:
                    if descriptors:
                        os.pwrite(descriptors[0], bytes([FREE]), 0)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _store(self, picture: Picture, descriptors: list[int]) -> None:
        """Store a picture by its slot and the event by which its worker says that a call has ended."""
        try:
            if len(descriptors) < _DESCRIPTORS:  # the kernel passes on what this process has room for; unix(7)
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            memory, ended = descriptors[:_DESCRIPTORS]
            with contextlib.closing(Pauses(memory, ended)) as pauses:
                self._ring.put(picture.name, self._files(picture, memory, pauses.rest), pauses.rest)
        except OSError as error:
            self.lost += 1
            if str(error.strerror) != self._problem:
                log.warning(
                    "pictures can't be kept: %s: %s", error.filename or self._ring.folder, describe_refusal(error)
                )
            self._problem = str(error.strerror)
        else:
            self._problem = ""

    def _files(self, picture: Picture, memory: int, rest: Rest) -> dict[str, list[bytes]]:
        width, height = picture.width, picture.height

        def strips(place: int, strip_bytes: int) -> Iterator[U8]:
            start = HEAD + place * width * height * CHANNELS
            return read_strips(memory, start, width, height, rest, strip_bytes=strip_bytes)

        def png(place: int) -> list[bytes]:
            return list(encode_png(strips(place, self._deflating.strip_bytes), width, height, self._deflating))

        files = {}
        if self._format == "jpeg":
            files[".jpg"] = encode_jpeg(strips(0, JPEG_STRIP_BYTES), width, height, rest)
        else:
            files[".png"] = png(0)
        if picture.has_mask:
            files[MASK] = png(1)
        if picture.has_shadow_mask:
            files[SHADOW_MASK] = png(2)
        told = {"model": picture.model, "version": picture.version, "verdict": msgspec.to_builtins(picture.verdict)}
        if picture.shadow is not None:
            shadow = {"model": picture.shadow_model, "version": picture.shadow_version}
            told["shadow"] = shadow | {"verdict": msgspec.to_builtins(picture.shadow)}
        files[VERDICT] = [msgspec.json.encode(told)]
        return files


def _has_ended(channel: socket.socket) -> bool:
    try:
        return not channel.recv(1)
    except ConnectionResetError:  # the daemon has gone without reading the last that it was told
        return True


def _begin(options: PicturesOptions, why: str = "") -> tuple[PictureKeeper, socket.socket]:
    """Take stock and listen; the process ends when that can't be done, and is started again later."""
    if why:
        log.warning("pictures are kept in %s: %s", options.folder, why)
    try:
        keeper = PictureKeeper(options)
        return keeper, keeper.listen()
    except OSError as error:
        log.error("pictures can't be kept: %s: %s", error.filename or options.folder, describe_refusal(error))
        sys.exit(1)


def main() -> None:
    """Entry point of the process."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    options = msgspec.json.decode(sys.argv[2], type=PicturesOptions)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log_to_stderr(options.log_level, "pictures: ")
    os.umask(0o027)
    give_way()
    keeper, listener = _begin(options)
    told: tuple[Stock, ...] = ()
    told_at = look_at = 0.0
    while True:
        is_news = keeper.stock != told or keeper.lost > 0
        if is_news and time.monotonic() - told_at >= _TELL_SECONDS:
            told, told_at = keeper.stock, time.monotonic()
            with contextlib.suppress(OSError):  # it has gone, or does not read: the next one says all anyway
                channel.send(encode_stock(Told(told, keeper.lost)), socket.MSG_DONTWAIT)
                keeper.lost = 0
        readable, _, _ = select.select([listener, channel], [], [], _TELL_SECONDS if is_news else _LOOK_SECONDS)
        if time.monotonic() >= look_at:  # also where a picture always waits
            look_at = time.monotonic() + _LOOK_SECONDS
            if not keeper.is_in_place():
                listener.close()
                lost = keeper.lost
                keeper, listener = _begin(options, "its folder has gone, and is made anew")
                keeper.lost += lost
                continue
        if listener in readable:  # before the end: what a worker has passed on is kept
            time.sleep(ANSWER_SECONDS)
            keeper.take(listener)
        elif channel in readable and _has_ended(channel):
            break


if __name__ == "__main__":
    main()
