"""What a shadow model costs the model whose pictures it judges.

`python -m benchmarks.shadow [WIDTH HEIGHT] [--rounds 30]` sends the same picture to two daemons of the same model in
turn, to one without a shadow and to one whose shadow is the same model again, version 1.1.0: as a line does, a picture
every 150 ms, and as fast as answers come, so that the shadow always has something to do. Blocks of both take turns,
with a pause in which the shadow finishes; told is the median of the differences round by round, with its interval.
Claim: the line notices nothing but the copy of a picture. Four minutes.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    REFERENCE,
    BareClient,
    cookie_picture,
    daemon,
    difference,
    in_blocks,
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

EACH = 15
CYCLE_SECONDS, PAUSE_SECONDS = 0.15, 0.6


def measure(width: int, height: int, rounds: int) -> None:
    """Print p50 and p99 of both, and what the shadow judged."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        models = Path(folder)
        make = reference_component if REFERENCE.exists() else light_component
        manifest = make(models, width, height)
        first = models / manifest.name / manifest.version
        variant(first, models / manifest.name / "1.1.0", version="1.1.0")
        clients, controls = {}, {}
        for way in ("without", "with"):
            socket, _ = stack.enter_context(daemon(models, "--pin", f"{manifest.name}={manifest.version}"))
            control = controls[way] = stack.enter_context(Client(socket))
            control.start(manifest.name)
            clients[way] = BareClient(socket, manifest, cookie_picture(width, height))
            stack.callback(clients[way].close)
        controls["with"].shadow(manifest.name, manifest.name, "1.1.0")
        while "judged" not in controls["with"].describe(manifest.name).message:
            time.sleep(0.1)
        time.sleep(1.2)  # workers look for the shadow every second
        for name, cycle in (("a picture every 150 ms", CYCLE_SECONDS), ("as fast as answers come", 0.0)):
            taken = in_blocks(clients, rounds, EACH, PAUSE_SECONDS, cycle)
            print(f"  {manifest.name}, {name}, {rounds} blocks of {EACH} calls each")
            for way, blocks in taken.items():
                samples = [sample for block in blocks for sample in block]
                p50, p99 = median(samples) * 1e3, quantile(samples, 0.99) * 1e3
                print(f"    {way:8} a shadow  p50 {p50:.3f} ms  p99 {p99:.3f} ms")
            without, beside = taken["without"], taken["with"]
            median_added = difference([median(block) for block in without], [median(block) for block in beside])
            tail_added = tail_difference(without, beside, 0.99)
            added = [with_interval(found, 1e3, ".2f") for found in (median_added, tail_added)]
            print(f"    it adds {added[0]} ms at p50, {added[1]} ms at p99")
        print(f"  {controls['with'].describe(manifest.name).message}")


def main() -> None:
    parser = command_line("shadow", __doc__)
    parser.add_argument("width", nargs="?", type=int, default=1280, help="of the picture, else 1280")
    parser.add_argument("height", nargs="?", type=int, default=960, help="else 960")
    parser.add_argument("--rounds", type=int, default=30, help="of a block for each daemon [30]")
    given = begin(parser)
    print(machine())
    measure(given.width, given.height, given.rounds)


if __name__ == "__main__":
    main()
