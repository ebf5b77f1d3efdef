"""What a shadow model costs the model whose pictures it judges.

`python -m benchmarks.shadow [WIDTH HEIGHT] [--rounds 24]` sends the same picture to a daemon whose shadow, the same
model again as version 1.1.0, is switched on and off every round: as a line does, a picture every 150 ms, and as fast
as answers come, so that the shadow always has something to do. A third way has no shadow but, in its place, a stranger
at the same priority that goes through as much memory in the same pauses: what is no shadow's fault. Told is the median
of the differences round by round, with its interval. It is one daemon, since two of one sort differ by where their
memory lies. Claim: the line notices nothing but the copy of a picture. Eight minutes.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    REFERENCE,
    BareClient,
    cookie_picture,
    daemon,
    difference,
    light_component,
    machine,
    median,
    quantile,
    reference_component,
    tail_difference,
    variant,
    with_interval,
)
from edge_agent.client.client import Client

EACH, FIRST = 15, 4  # calls of a block, and those before it that are not counted
CYCLE_SECONDS = 0.15
PACES = {"a picture every 150 ms": CYCLE_SECONDS, "as fast as answers come": 0.0}
ALONE, BESIDE, STRANGER = "without a shadow", "with a shadow", "with a stranger"
#: what the stranger goes through after each picture: more than a processor's caches hold
STRANGE_BYTES = 64 << 20


def measure(width: int, height: int, rounds: int) -> None:
    """Print p50 and p99 of each way, and what the shadow judged."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.NamedTemporaryFile() as said,
        contextlib.ExitStack() as stack,
    ):
        models = Path(folder)
        make = reference_component if REFERENCE.exists() else light_component
        manifest = make(models, width, height)
        first = models / manifest.name / manifest.version
        variant(first, models / manifest.name / "1.1.0", version="1.1.0")
        pin = f"{manifest.name}={manifest.version}"
        address, _ = stack.enter_context(daemon(models, "--pin", pin, log=Path(said.name)))
        control = stack.enter_context(Client(address))
        control.start(manifest.name)
        client = BareClient(address, manifest, cookie_picture(width, height))
        stack.callback(client.close)
        ways = [ALONE, BESIDE, STRANGER]
        taken: dict[str, dict[str, list[list[float]]]] = {pace: {way: [] for way in ways} for pace in PACES}
        judged = ""
        for number in range(rounds):
            for way in ways[number % 3 :] + ways[: number % 3]:
                with contextlib.ExitStack() as block:
                    stranger = block.enter_context(_stranger()) if way == STRANGER else None
                    if way == BESIDE:
                        control.shadow(manifest.name, manifest.name, "1.1.0")
                        while "judged" not in control.describe(manifest.name).message:
                            time.sleep(0.1)
                        time.sleep(1.2)  # workers look for the shadow every second
                    for pace, cycle in PACES.items():
                        _block(client, cycle, FIRST, stranger)
                        taken[pace][way].append(_block(client, cycle, EACH, stranger))
                    if way == BESIDE:
                        judged = control.describe(manifest.name).message
                        control.shadow(manifest.name)
                        time.sleep(1.2)
        for pace, blocks in taken.items():
            _tell(manifest.name, pace, blocks)
        print(f"  in the last round: {judged}")


def _block(client: BareClient, cycle: float, calls: int, stranger: socket.socket | None) -> list[float]:
    taken = []
    for _ in range(calls):
        begun = time.perf_counter()
        client()
        taken.append(time.perf_counter() - begun)
        if stranger is not None:
            stranger.send(b"!")
        time.sleep(max(0.0, cycle - (time.perf_counter() - begun)))
    return taken


@contextlib.contextmanager
def _stranger() -> Iterator[socket.socket]:
    """A process that goes through memory when it is told to, as unimportant as a shadow."""
    here, there = socket.socketpair()
    command = [sys.executable, "-c", _STRANGER, str(there.fileno()), str(STRANGE_BYTES)]
    with here, subprocess.Popen(command, pass_fds=[there.fileno()], start_new_session=True) as process:
        there.close()
        here.recv(1)
        yield here
        here.close()
        process.wait()


_STRANGER = """
import socket, sys, time
import numpy as np
from edge_agent.children.priority import give_way
give_way()
channel, memory = socket.socket(fileno=int(sys.argv[1])), np.zeros(int(sys.argv[2]), np.uint8)
channel.send(b"!")
while channel.recv(64):
    time.sleep(0.008)  # as a shadow waits until the worker is still
    memory += 1
"""


def _tell(model: str, pace: str, taken: dict[str, list[list[float]]]) -> None:
    print(f"  {model}, {pace}, {len(taken[ALONE])} blocks of {EACH} calls each")
    for way, blocks in taken.items():
        samples = [sample for block in blocks for sample in block]
        p50, p99 = median(samples) * 1e3, quantile(samples, 0.99) * 1e3
        print(f"    {way:16}  p50 {p50:.3f} ms  p99 {p99:.3f} ms")
    for way in (BESIDE, STRANGER):
        medians = [[median(block) for block in taken[which]] for which in (ALONE, way)]
        median_added = difference(*medians)
        tail_added = tail_difference(taken[ALONE], taken[way], 0.99)
        added = [with_interval(found, 1e3, ".2f") for found in (median_added, tail_added)]
        print(f"    {way} {added[0]} ms at p50, {added[1]} ms at p99")


def main() -> None:
    parser = command_line("shadow", __doc__)
    parser.add_argument("width", nargs="?", type=int, default=1280, help="of the picture, else 1280")
    parser.add_argument("height", nargs="?", type=int, default=960, help="else 960")
    parser.add_argument("--rounds", type=int, default=24, help="of a block for each way [24]")
    given = begin(parser)
    print(machine())
    measure(given.width, given.height, given.rounds)


if __name__ == "__main__":
    main()
