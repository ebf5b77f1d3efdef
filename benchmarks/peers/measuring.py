"""One kind of call through every system in turn, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from benchmarks.peers.processes import Client, call_at_once
from benchmarks.rig import median, quantile
from edge_agent.device.bench.client import Way

ModelKind = Literal["empty", "reference"]


class Cell(NamedTuple):
    """A kind of call: to which model, with pictures of which size, which travel in which way."""

    model: ModelKind
    width: int
    height: int
    way: Way


class Sample(NamedTuple):
    """What so many clients saw of a system; times in seconds."""

    p50: float
    p99: float
    per_second: float
    calls: int
    refused: int


class Turns(NamedTuple):
    """How long is measured: every system gets `rounds` turns of `seconds` for each number of clients."""

    rounds: int
    seconds: float
    clients: Sequence[int]


class System(NamedTuple):
    """The command of a client of its own kind, and how many of them may measure at once."""

    client: Sequence[str]
    most_clients: int = 1000


def measure(way: Way, systems: Mapping[str, System], turns: Turns) -> dict[tuple[str, int], Sample]:
    """Return what each number of clients saw of each system.

    Raises:
        ProcessEnded: a call failed.
    """
    loads = [(name, count) for count in turns.clients for name in systems if count <= systems[name].most_clients]
    taken: dict[tuple[str, int], list[float]] = {load: [] for load in loads}
    refused = dict.fromkeys(loads, 0)
    with contextlib.ExitStack() as stack:
        clients: dict[str, list[Client]] = {name: [] for name in systems}
        for name, count in loads:
            while len(clients[name]) < count:
                client = Client(systems[name].client)
                stack.callback(client.end)
                clients[name].append(client)
        for client in (client for several in clients.values() for client in several):
            client.begin(way, 0.0)
            client.result()
        for number in range(turns.rounds):
            first = number % len(loads)  # nobody has the same one before it in every round
            for name, count in (loads[first:] + loads[:first])[:: -1 if number % 2 else 1]:
                times, missed = call_at_once(clients[name][:count], way, turns.seconds)
                taken[name, count] += times
                refused[name, count] += missed
    return {load: _sample(times, load[1], refused[load]) for load, times in taken.items()}


def _sample(taken: list[float], clients: int, refused: int) -> Sample:
    if not taken:
        return Sample(float("nan"), float("nan"), 0.0, 0, refused)
    return Sample(median(taken), quantile(taken, 0.99), clients * len(taken) / sum(taken), len(taken), refused)
