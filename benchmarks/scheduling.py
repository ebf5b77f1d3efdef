"""What clients, front and worker use of the processor for a call, and how long they stand in its queue.

    python -m benchmarks.scheduling [--model empty|reference] [--by "shared memory"|bytes] [--clients 1 2 8 64]
                                    [--settings quiet busy] [--seconds 3] [--light [--pairs 8]] [--nice -5]
                                    [--serve="--threads 1"]

The kernel counts for every thread how long it ran and how long it was ready and waited for a core
(/proc/PID/task/TID/schedstat), how often it gave the core up and how often it was taken from it. Time used is hardly
changed by what else the machine does; time waited for is just that. Both are in µs a call, all threads of a kind of
process together, the calls with which clients get warm included. A call's own time is told beside them. `--light`:
clients of benchmarks/light_clients.py, all in one process, instead of as many with gRPC's library; through shared
memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

from benchmarks.beginning import begin, command_line
from benchmarks.held import page_faults, workers
from benchmarks.light_clients import LightClient
from benchmarks.light_clients import call_at_once as light_call_at_once
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
from edge_agent.children.command import child_command
from edge_agent.client.client import Client
from edge_agent.device.bench.client import WARM_UP_CALLS, Way

SIZE = (1280, 960)
#: calls with a segment until it is mapped in the worker; it does not stay so while nobody uses it
_UNTIL_MAPPED = 3


class Used(NamedTuple):
    """What the threads of one process have had so far."""

    #: seconds on a core
    ran: float
    #: seconds ready to run, while others had the cores
    waited: float
    #: times that a thread gave its core up to wait for something, and times that it was taken away
    gave_up: int
    taken_away: int
    faults: int

    def since(self, before: Used) -> Used:
        """Tell what has been had since then."""
        return Used(
            self.ran - before.ran,
            self.waited - before.waited,
            self.gave_up - before.gave_up,
            self.taken_away - before.taken_away,
            self.faults - before.faults,
        )


def used(pids: Iterable[int]) -> Used:
    """Add up the threads of these processes."""
    ran = waited = 0.0
    gave_up = taken_away = faults = 0
    for pid in pids:
        faults += page_faults(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
                on, ready, _ = (task / "schedstat").read_text().split()
                fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
                ran, waited = ran + int(on) / 1e9, waited + int(ready) / 1e9
                gave_up += int(fields["voluntary_ctxt_switches"])
                taken_away += int(fields["nonvoluntary_ctxt_switches"])
    return Used(ran, waited, gave_up, taken_away, faults)


@contextlib.contextmanager
def _clients(count: int, command: list[str]) -> Iterator[list[ClientProcess]]:
    with contextlib.ExitStack() as stack:
        started = [ClientProcess(command) for _ in range(count)]
        for process in started:
            stack.callback(process.end)
        yield started


def _turn(
    count: int,
    kinds: dict[str, list[int]],
    work: Callable[[float], tuple[list[float], int]],
    seconds: float,
    first: int,
) -> None:
    """Measure `count` clients; `first` calls are answered at the beginning of the work that it does not tell of."""
    before = {kind: used(pids) for kind, pids in kinds.items()}
    taken, refused = work(seconds)
    now = {kind: used(pids) for kind, pids in kinds.items()}
    calls = len(taken) + refused + first
    print(
        f"  {count} clients: {count * len(taken) / sum(taken):7.0f} calls/s, p50 {median(taken) * 1000:.2f} ms,"
        f" p99 {quantile(taken, 0.99) * 1000:.2f} ms" + (f", {refused} refused" if refused else "")
    )
    for kind in kinds:
        told = now[kind].since(before[kind])
        print(
            f"    {kind:8} ran {told.ran / calls * 1e6:8.0f} µs  waited {told.waited / calls * 1e6:8.0f} µs"
            f"  gave up {told.gave_up / calls:5.1f}  was taken off {told.taken_away / calls:5.2f}"
            f"  page faults {told.faults / calls:5.1f}"
        )


def _measure(given: argparse.Namespace, setting: Setting, folder: Path) -> None:
    models = folder / "models"
    if given.model == "empty":
        manifest = empty_component(models, *SIZE)
    else:
        make = light_component if given.model == "light" else reference_component
        manifest = make(models, *SIZE)
    pixels = folder / "pixels"
    pixels.write_bytes(cookie_picture(*SIZE).tobytes())
    most = max(given.clients)
    flags = ["--queue-size", str(max(16, most)), *shlex.split(given.serve)]
    with daemon(models, *flags) as (socket, front), Client(socket) as control, neighbour(setting):
        if given.nice:
            os.setpriority(os.PRIO_PROCESS, front, given.nice)  # its workers inherit it
        control.start(manifest.name)
        if given.light:
            content = pixels.read_bytes()
            with contextlib.ExitStack() as stack:
                light = [LightClient(socket, manifest.name, *SIZE, content, given.pairs) for _ in range(most)]
                for one in light:
                    stack.callback(one.close)
                for count in given.clients:
                    for _ in range(_UNTIL_MAPPED * given.pairs):
                        light_call_at_once(light[:count], 0.0)
                    kinds = {"clients": [os.getpid()], "front": [front], "worker": workers(front)}
                    _turn(count, kinds, partial(light_call_at_once, light[:count]), given.seconds, 0)
            return
        command = child_command("edge_agent.device.bench.client", socket, manifest.name, *map(str, SIZE), str(pixels))
        with _clients(most, command) as clients:
            call_at_once(clients, given.by, 0.0)  # none of them is still starting while others are measured
            for count in given.clients:
                call_at_once(clients[:count], given.by, 0.0)
                pids = [client.pid for client in clients[:count]]
                kinds = {"clients": pids, "front": [front], "worker": workers(front)}
                _turn(
                    count, kinds, partial(call_at_once, clients[:count], given.by), given.seconds, WARM_UP_CALLS * count
                )


def main() -> None:
    parser = command_line("scheduling", __doc__)
    parser.add_argument("--model", choices=("empty", "light", "reference"), default="empty")
    parser.add_argument("--by", choices=get_args(Way), default="shared memory")
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 2, 8, 64], help="numbers of clients")
    parser.add_argument("--settings", nargs="+", choices=get_args(Setting), default=get_args(Setting))
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--light", action="store_true", help="clients that do what HTTP/2 needs and nothing else")
    parser.add_argument("--pairs", type=int, default=1, help="of segments that each of them uses in turn")
    parser.add_argument("--nice", type=int, default=0, help="of front and workers; below 0 for root alone")
    parser.add_argument("--serve", default="", metavar="OPTIONS", help="more options of `edge-agent serve`")
    given = begin(parser)
    print(machine())
    for setting in given.settings:
        print(f"{setting}, {os.getloadavg()[0]:.1f} programs ready to run at its begin")
        with tempfile.TemporaryDirectory(prefix="edge-agent-scheduling-") as name:
            _measure(given, setting, Path(name))


if __name__ == "__main__":
    main()
