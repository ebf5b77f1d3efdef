"""Two versions of the agent in turn: is a change faster? On a machine that does other things too.

    python -m benchmarks.versions CHECKOUT [--model empty|light|reference] [--by "shared memory"|bytes]
                                  [--size 1280x960] [--clients 1 2 8 64] [--settings quiet busy]
                                  [--turns 60] [--seconds 0.3] [--ours OPTIONS] [--theirs OPTIONS] [--nice -5]

CHECKOUT is a folder with another version (git worktree add FOLDER COMMIT; once built, so that its protobuf module is
there), or this one's, with other options of `edge-agent serve`. Both daemons are up, and clients of this version call
the one or the other for a short turn, so many at a time. Told is the median of the ratios of neighbouring turns, this
version's over the other's, with their quartiles: what else the machine does falls on both. Then how long front and
worker were on a core for a call, which hardly depends on what else it does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

from benchmarks.beginning import begin, command_line
from benchmarks.held import workers
from benchmarks.peers.neighbour import Setting, neighbour
from benchmarks.peers.processes import Client as ClientProcess
from benchmarks.peers.processes import call_at_once
from benchmarks.rig import (
    cookie_picture,
    daemon,
    empty_component,
    light_component,
    machine,
    median,
    quantile,
    reference_component,
)
from benchmarks.scheduling import used
from edge_agent.children.command import child_command
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest
from edge_agent.device.bench.client import WARM_UP_CALLS, Way


class Side(NamedTuple):
    """A version that is up, with its clients."""

    name: str
    front: int
    clients: list[ClientProcess]


def _component(models: Path, model: str, size: tuple[int, int]) -> Manifest:
    if model == "empty":
        return empty_component(models, *size)
    return (light_component if model == "light" else reference_component)(models, *size)


@contextlib.contextmanager
def _version(checkout: Path) -> Iterator[None]:
    """Have daemons that are started run the code of a checkout."""
    before, folder = os.environ.get("PYTHONPATH"), Path.cwd()
    os.environ["PYTHONPATH"] = str(checkout)
    os.chdir(checkout)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def _side(
    name: str, checkout: Path, options: str, manifest: Manifest, pixels: Path, models: Path, clients: int, nice: int = 0
) -> Iterator[Side]:
    flags = ["--queue-size", str(max(16, clients)), *shlex.split(options)]
    with contextlib.ExitStack() as stack:
        with _version(checkout):
            socket, front = stack.enter_context(daemon(models, *flags))
        if nice:
            os.setpriority(os.PRIO_PROCESS, front, nice)  # its workers inherit it
        with Client(socket) as control:
            control.start(manifest.name)
        size = [str(manifest.image.width), str(manifest.image.height)]
        command = child_command("edge_agent.device.bench.client", socket, manifest.name, *size, str(pixels))
        started = [ClientProcess(command) for _ in range(clients)]
        for process in started:
            stack.callback(process.end)
        yield Side(name, front, started)


def _tell_use(side: Side, way: Way, count: int) -> None:
    """Tell what the kernel counts in a second of calls of `count` clients."""
    pids = {"front": [side.front], "worker": workers(side.front)}
    before = {what: used(numbers) for what, numbers in pids.items()}
    taken, refused = call_at_once(side.clients[:count], way, 1.0)
    calls = len(taken) + refused + WARM_UP_CALLS * count
    for what, numbers in pids.items():
        spent = used(numbers).since(before[what])
        on_core, switches = spent.ran / calls * 1e6, spent.gave_up / calls
        print(f"    {side.name} {what}: {on_core:.0f} µs on a core a call, gave it up {switches:.1f} times")


def _compare(given: argparse.Namespace, sides: list[Side], count: int) -> None:
    taken: dict[str, list[list[float]]] = {side.name: [] for side in sides}
    for side in sides:
        call_at_once(side.clients[:count], given.by, 0.3)
    for turn in range(given.turns):
        for side in sides[:: -1 if turn % 2 else 1]:
            taken[side.name].append(call_at_once(side.clients[:count], given.by, given.seconds)[0])
    for name, turns in taken.items():
        calls = [one for turn in turns for one in turn]
        rate = median([count * len(turn) / sum(turn) for turn in turns])
        told = (
            f"p50 {median(calls) * 1000:.2f} ms, p99 {quantile(calls, 0.99) * 1000:.2f} ms, {rate:.0f} calls a second"
        )
        print(f"  {name:6} {told}")
    ours, theirs = (taken[side.name] for side in sides)
    for share in (0.5, 0.9):
        ratios = [quantile(one, share) / quantile(other, share) for one, other in zip(ours, theirs, strict=True)]
        first, middle, last = statistics.quantiles(ratios, n=4)
        print(f"  this over other, p{share * 100:.0f}: {middle:.3f} (quartiles {first:.3f} to {last:.3f})")
    both = [[one for turn in turns for one in turn] for turns in (ours, theirs)]
    print(f"  this over other, p99 of all: {quantile(both[0], 0.99) / quantile(both[1], 0.99):.3f}")


def main() -> None:
    parser = command_line("versions", __doc__)
    parser.add_argument("checkout", type=Path, metavar="CHECKOUT")
    parser.add_argument("--model", choices=("empty", "light", "reference"), default="empty")
    parser.add_argument("--by", choices=get_args(Way), default="shared memory")
    parser.add_argument("--size", default="1280x960", metavar="WIDTHxHEIGHT")
    parser.add_argument("--clients", nargs="+", type=int, default=[1], help="numbers of clients")
    parser.add_argument("--settings", nargs="+", choices=get_args(Setting), default=get_args(Setting))
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--ours", default="", metavar="OPTIONS", help="more options of `serve` for this version")
    parser.add_argument("--theirs", default="", metavar="OPTIONS", help="and for the other")
    parser.add_argument("--nice", type=int, default=0, help="of this version; below 0 for root alone")
    given = begin(parser)
    print(machine())
    size = tuple(int(side) for side in given.size.split("x"))
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="edge-agent-versions-") as name, contextlib.ExitStack() as stack:
        models, pixels = Path(name) / "models", Path(name) / "pixels"
        manifest = _component(models, given.model, (size[0], size[1]))
        pixels.write_bytes(cookie_picture(size[0], size[1]).tobytes())
        if not (given.checkout / "edge_agent").is_dir():
            sys.exit(f"{given.checkout} is not a checkout of edge-agent")
        sides = [
            stack.enter_context(
                _side(side, checkout.resolve(), options, manifest, pixels, models, max(given.clients), nice)
            )
            for side, checkout, options, nice in (
                ("this", here, given.ours, given.nice),
                ("other", given.checkout, given.theirs, 0),
            )
        ]
        for side in sides:
            call_at_once(side.clients, given.by, 0.0)  # none of them is still starting while others are measured
        for setting in given.settings:
            for count in given.clients:
                ready = os.getloadavg()[0]
                print(f"{setting}, {count} clients, {ready:.1f} programs ready to run at their begin")
                with neighbour(setting):
                    _compare(given, sides, count)
        for count in given.clients:
            print(f"{count} clients")
            for side in sides:
                _tell_use(side, given.by, count)


if __name__ == "__main__":
    main()
