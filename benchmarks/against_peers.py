"""The agent against NVIDIA Triton Server and MLServer, and against its own pipeline run bare in one process.

    python -m benchmarks.against_peers                     # everything; an hour
    python -m benchmarks.against_peers --quick             # short turns, two sizes; a few minutes
    python -m benchmarks.against_peers --sizes 1280x960 --models empty --ways "shared memory" --clients 1
    python -m benchmarks.against_peers --json FILE         # and the figures for another program

Triton's Python backend and a custom runtime of MLServer run the agent's own code on the same component, so that
preparation, engine and mask are the same; benchmarks/peers/triton_server.py and mlserver_server.py say how each was
tuned. All servers are up at the same time, one is measured at a time. The first run installs the peers, each into an
environment of its own in benchmarks/.peers/.

The empty model reads every pixel into a buffer of its own, runs an ONNX file that does nothing, and writes a white
mask; rig.empty_component says what the agent's is. `bare` has its picture in an array and its mask written into one;
`bare, segments` reads and writes segments, as a script of one's own has to.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import get_args

from benchmarks.peers.measuring import Cell, ModelKind, Turns, measure
from benchmarks.peers.processes import ProcessEnded
from benchmarks.peers.report import Figures, as_fields, print_goals, print_table
from benchmarks.peers.systems import PEERS, all_servers, prepare_peers
from benchmarks.peers.work import Strength
from benchmarks.rig import cookie_picture, machine
from edge_agent.device.bench.client import Way

SIZES = ("640x480", "1280x960", "4096x4096")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The agent against Triton and MLServer.")
    parser.add_argument("--quick", action="store_true", help="3 turns of 0.5 s and two sizes, unless told otherwise")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--sizes", nargs="+", metavar="WIDTHxHEIGHT")
    parser.add_argument("--models", nargs="+", choices=get_args(ModelKind), default=get_args(ModelKind))
    parser.add_argument("--ways", nargs="+", choices=get_args(Way), default=get_args(Way))
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8], help="numbers of clients")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a turn; every system has one in each round")
    parser.add_argument("--instances", type=int, default=1, help="processes a model, in every server")
    parser.add_argument("--threads", type=int, default=0, help="threads an engine, in every server; 0: one a core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    given.sizes = given.sizes or (SIZES[:2] if given.quick else SIZES)
    given.rounds = given.rounds or (3 if given.quick else 12)
    given.seconds = given.seconds or (0.5 if given.quick else 1.0)
    return given


def run(given: argparse.Namespace) -> Figures:
    """Measure what was asked for, and say on standard error where it stands."""
    sizes = [(int(width), int(height)) for width, _, height in (size.partition("x") for size in given.sizes)]
    turns = Turns(given.rounds, given.seconds, given.clients)
    strength = Strength(given.instances, given.threads)
    homes = prepare_peers(given.peers)
    figures = {}
    with (
        tempfile.TemporaryDirectory(prefix="edge-agent-peers-") as name,
        all_servers(Path(name), sizes, homes, strength) as servers,
    ):
        for size in sizes:
            picture = cookie_picture(*size)
            pixels = Path(name) / "pixels"
            pixels.write_bytes(picture.tobytes())
            for model, way in itertools.product(given.models, given.ways):
                cell = Cell(model, *size, way)
                print(f"measuring {size[0]}x{size[1]}, {model}, {way}", file=sys.stderr)
                figures[cell] = measure(way, servers.systems(cell, picture, pixels), turns)
    return figures


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    given = _arguments()
    signal.signal(signal.SIGTERM, _terminated)  # by an exception, as Ctrl-C: everything that was started is ended
    print(machine())
    try:
        figures = run(given)
    except ProcessEnded as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit("interrupted; everything has been ended")
    print_table(figures)
    print_goals(figures)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "figures": as_fields(figures)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
