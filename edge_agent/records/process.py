"""The process that writes records down: `edge_agent.records.process SOCKET OPTIONS`, started by recorder.py.

It reads the daemon's packets and writes them in batches. It ends when the daemon's end of the socket has closed, after
the last packet, and so outlives a daemon that is killed by a moment.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec

from edge_agent.children.ending import end_at_once
from edge_agent.children.priority import breathe, step_back
from edge_agent.logs import log_to_stderr
from edge_agent.records.events.post import Post
from edge_agent.records.keeper import Keeper
from edge_agent.records.options import RecordsOptions
from edge_agent.records.record import PACKET, Known, Notes, Record, State, decode_told, encode
from edge_agent.records.refused import Refused
from edge_agent.records.shadow.passing import Judged

log = logging.getLogger(__name__)

#: after the first packet of a batch, more may come: without this wait each would wake this process, and be a
#: transaction of its own (1 ms), on a processor that the models need
_GATHER_SECONDS = 0.1
#: the same where somebody is told of verdicts, who may wait for it
_TELL_SECONDS = 0.002
_TURN_SECONDS = 1.0
#: records, or packets, that are read before they are written
_AT_ONCE = 2000


def run(channel: socket.socket, keeper: Keeper, post: Post) -> None:
    """Write down what arrives on a SOCK_SEQPACKET socket, and tell of it, until its other end closes."""
    gather_seconds = _TELL_SECONDS if post.is_used else _GATHER_SECONDS
    packet = memoryview(bytearray(PACKET))
    told: State | None = None
    is_open = True
    while is_open:
        state = msgspec.structs.replace(keeper.state, events=post.lines())
        if state != told:
            told = state
            with contextlib.suppress(OSError):  # it has gone, or does not read: the next state says all anyway
                channel.send(encode(told), socket.MSG_DONTWAIT)
        if keeper.is_idle and select.select([channel], [], [], _TURN_SECONDS)[0]:
            time.sleep(gather_seconds)
        is_open, records = _read(channel, packet, keeper)
        post.take(records)  # first: who is told of a verdict does not wait for the other database
        breathe()
        keeper.work()
        post.tell(keeper.condition.untold)
        keeper.condition.untold.clear()


def _read(channel: socket.socket, packet: memoryview, keeper: Keeper) -> tuple[bool, list[Record]]:
    """Take the packets that are there, and return their records; False when there will be no more."""
    records: list[Record] = []
    for _ in range(_AT_ONCE):
        if len(records) >= _AT_ONCE:
            break
        try:
            size = channel.recv_into(packet, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
        if not size:
            return False, records
        try:
            told = decode_told(packet[:size])
        except msgspec.DecodeError as error:  # never, as far as we know; but the others are to be written
            log.error(
                "a packet of %d bytes from the daemon is not understood, and its records are lost: %s", size, error
            )
            continue
        if isinstance(told, Notes):
            keeper.take(told)
            records += told.records
        elif isinstance(told, Known):
            keeper.condition.know(told.model, told.version, told.scores)
        elif isinstance(told, Judged):
            keeper.shadows.take(told)
        elif isinstance(told, Refused):
            keeper.take_refused(told)
        else:
            keeper.condition.see(told)
    return True, records


def main() -> None:
    """Entry point of the process."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    options = msgspec.json.decode(sys.argv[2], type=RecordsOptions)
    # It ends with the daemon, and after it: what the daemon has sent has to be written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.umask(0o027)  # the group may read what is written
    log_to_stderr(options.log_level, "records: ")
    if not options.events:  # who is told of a verdict waits for it; what is only written has time
        step_back()
    keeper = Keeper(options)
    post = Post(Path(options.folder), options.events, options.device)
    try:
        run(channel, keeper, post)
    finally:
        keeper.close()
        post.close()
    end_at_once()


if __name__ == "__main__":
    main()
