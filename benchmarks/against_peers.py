"""The agent against NVIDIA Triton Server and MLServer, and against its own pipeline run bare in one process.

    python -m benchmarks.against_peers                     # everything, three runs quiet and three busy; six hours
    python -m benchmarks.against_peers --settings quiet --runs 1               # one run; an hour
    python -m benchmarks.against_peers --quick             # short turns, two sizes; a few minutes
    python -m benchmarks.against_peers --sizes 1280x960 --models empty --ways "shared memory" --clients 1
    python -m benchmarks.against_peers --peers triton --sizes 1280x960 --clients 1 --rounds 8     # a quarter of an hour
    python -m benchmarks.against_peers --json FILE         # and the figures for another program

Triton's Python backend and a custom runtime of MLServer run the agent's own code on the same component, so that
preparation, engine and mask are the same; benchmarks/peers/triton_server.py and mlserver_server.py say how each was
tuned. All servers are up at the same time, one is measured at a time. The first run installs the peers, each into an
environment of its own in benchmarks/.peers/.

The empty model reads every pixel into a buffer of its own, runs an ONNX file that does nothing, and writes a white
mask. `floor` is a server that does nothing and answers with bytes that are ready: what the client alone needs, with its
gRPC library, and no server can be faster than. `bare` has its picture in an array and its mask written into one;
`bare, segments` reads and writes segments, as a script of one's own has to.

In the setting `busy` a process beside them uses half of a core: on a line a camera's driver and the PLC's client run
there. A ratio of one run is a matter of luck on such a machine; the median of three, with their spread, is not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import get_args

from benchmarks.beginning import begin, command_line
from benchmarks.peers.measuring import Cell, ModelKind, Turns, measure
from benchmarks.peers.neighbour import Setting, neighbour
from benchmarks.peers.processes import ProcessEnded
from benchmarks.peers.report import Figures, as_fields, print_goals, print_medians, print_rows, print_table
from benchmarks.peers.systems import PEERS, all_servers, prepare_peers
from benchmarks.peers.work import Strength
from benchmarks.rig import cookie_picture, machine
from edge_agent.device.bench.client import Way

SIZES = ("640x480", "1280x960", "4096x4096")


def _arguments() -> argparse.Namespace:
    parser = command_line("against_peers", __doc__)
    parser.add_argument("--quick", action="store_true", help="3 turns of 0.5 s and two sizes, unless told otherwise")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--sizes", nargs="+", metavar="WIDTHxHEIGHT")
    parser.add_argument("--models", nargs="+", choices=get_args(ModelKind), default=get_args(ModelKind))
    parser.add_argument("--ways", nargs="+", choices=get_args(Way), default=get_args(Way))
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8], help="numbers of clients")
    parser.add_argument("--settings", nargs="+", choices=get_args(Setting), default=get_args(Setting))
    parser.add_argument("--runs", type=int, help="of each setting; their medians count")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a turn; every system has one in each round")
    parser.add_argument("--instances", type=int, default=1, help="processes a model, in every server")
    parser.add_argument("--threads", type=int, default=0, help="threads an engine, in every server; 0: one a core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = begin(parser)
    given.runs = given.runs or (1 if given.quick else 3)
    given.sizes = given.sizes or (SIZES[:2] if given.quick else SIZES)
    given.rounds = given.rounds or (3 if given.quick else 12)
    given.seconds = given.seconds or (0.5 if given.quick else 1.0)
    return given


def run(given: argparse.Namespace) -> dict[Setting, list[Figures]]:
    """Measure what was asked for, and say on standard error where it stands.

    The runs of all settings take turns, so that what the machine does from hour to hour falls on all of them alike.
    """
    sizes = [(int(width), int(height)) for width, _, height in (size.partition("x") for size in given.sizes)]
    turns = Turns(given.rounds, given.seconds, given.clients)
    strength = Strength(given.instances, given.threads)
    homes = prepare_peers(given.peers)
    taken: dict[Setting, list[Figures]] = {setting: [] for setting in given.settings}
    with (
        tempfile.TemporaryDirectory(prefix="edge-agent-peers-") as name,
        all_servers(Path(name), sizes, homes, strength) as servers,
    ):
        kinds = [
            Cell(model, *size, way) for size in sizes for model, way in itertools.product(given.models, given.ways)
        ]
        for number, setting in itertools.product(range(1, given.runs + 1), given.settings):
            figures = {}
            for cell in kinds:
                picture = cookie_picture(cell.width, cell.height)
                pixels = Path(name) / "pixels"
                pixels.write_bytes(picture.tobytes())
                size = f"{cell.width}x{cell.height}"
                print(f"run {number}, {setting}: measuring {size}, {cell.model}, {cell.way}", file=sys.stderr)
                with neighbour(setting):
                    figures[cell] = measure(cell.way, servers.systems(cell, picture, pixels), turns)
            taken[setting].append(figures)
    return taken


def main() -> None:
    given = _arguments()
    print(machine())
    try:
        taken = run(given)
    except ProcessEnded as reason:
        sys.exit(str(reason))
    for setting, runs in taken.items():
        if len(runs) == 1:
            print_table(runs[0])
        else:
            print_medians(setting, runs)
            print_rows(setting, runs)
        print_goals(setting, runs)
    if given.json:
        fields = {setting: [as_fields(figures) for figures in runs] for setting, runs in taken.items()}
        given.json.write_text(json.dumps({"machine": machine(), "runs": fields}, indent=2) + "\n")


if __name__ == "__main__":
    main()
