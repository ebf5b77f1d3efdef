"""The three sweeps, each with a daemon of its own and the empty model."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.growth.figures import ClientsRow, ModelsRow, PicturesRow, Times
from benchmarks.held import held, workers
from benchmarks.peers.processes import Client as ClientProcess
from benchmarks.peers.processes import call_at_once
from benchmarks.rig import U8, BareClient, daemon, empty_component, variant
from edge_agent.children.command import child_command
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest
from edge_agent.device.bench.client import Way

MODELS = (1, 2, 4, 8, 16)
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
SIDES = (64, 128, 256, 512, 1024, 2048, 4096)
WAYS: tuple[Way, ...] = get_args(Way)

_PICTURE = (640, 480)  # where the size is not what is measured
_SECONDS, _ROUNDS = 1.0, 2
_FEW_CALLS = 15  # that a turn has at least: large pictures take long


def models_sweep(counts: Sequence[int] = MODELS) -> list[ModelsRow]:
    """Measure with more and more models running, and then with fewer and fewer: what drifts falls on all alike."""
    taken: dict[tuple[int, str], list[float]] = {(count, kind): [] for count in counts for kind in ("same", "each")}
    memory: dict[int, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        models = Path(name) / "models"
        empty = empty_component(Path(name) / "made", *_PICTURE)
        made = Path(name) / "made" / empty.name / empty.version
        manifests = [
            variant(made, models / f"model-{n:02}" / "1.0.0", name=f"model-{n:02}") for n in range(1, max(counts) + 1)
        ]
        socket, front = stack.enter_context(daemon(models))
        control = stack.enter_context(Client(socket))
        clients = [stack.enter_context(_client(socket, manifest, "shared memory")) for manifest in manifests]
        running = 0
        for count in [*counts, *reversed(counts)]:
            while running < count:
                control.start(manifests[running].name)
                running += 1
            while running > count:
                running -= 1
                control.stop(manifests[running].name)
            in_turn = itertools.cycle(clients[:count])
            taken[count, "same"] += _turn(clients[0])
            taken[count, "each"] += _turn(lambda turns=in_turn: next(turns)())  # type: ignore[misc]
            together = sum(held(pid).pss for pid in workers(front))
            memory.setdefault(count, (round(held(front).pss, 1), round(together, 1)))
    return [
        ModelsRow(count, Times.of(taken[count, "same"]), Times.of(taken[count, "each"]), *memory[count])
        for count in counts
    ]


def clients_sweep(counts: Sequence[int] = CLIENTS) -> list[ClientsRow]:
    """Measure with more and more client processes, and then with fewer and fewer."""
    loads = [(count, way) for count in counts for way in WAYS]
    taken: dict[tuple[int, Way], list[float]] = {load: [] for load in loads}
    refused = dict.fromkeys(loads, 0)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        models, pixels = Path(name) / "models", Path(name) / "pixels"
        pixels.write_bytes(_picture(*_PICTURE).tobytes())
        empty = empty_component(models, *_PICTURE)
        socket, _ = stack.enter_context(daemon(models, "--queue-size", str(max(counts))))
        with Client(socket) as control:
            control.start(empty.name)
        size = map(str, _PICTURE)
        command = child_command("edge_agent.device.bench.client", socket, empty.name, *size, str(pixels))
        processes = []
        for _ in range(max(counts)):
            process = ClientProcess(command)
            stack.callback(process.end)
            processes.append(process)
        call_at_once(processes, WAYS[0], 0.0)
        for _ in range(_ROUNDS):
            for count, way in [*loads, *reversed(loads)]:
                times, missed = call_at_once(processes[:count], way, _SECONDS / 2)
                taken[count, way] += times
                refused[count, way] += missed
    return [
        ClientsRow(*load, Times.of(taken[load]), round(load[0] * len(taken[load]) / sum(taken[load]), 1), refused[load])
        for load in loads
    ]


def pictures_sweep(sides: Sequence[int] = SIDES) -> list[PicturesRow]:
    """Measure pictures of all sizes in turn."""
    loads = [(side, way) for side in sides for way in WAYS]
    taken: dict[tuple[int, Way], list[float]] = {load: [] for load in loads}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        manifests = {side: empty_component(Path(name), side, side) for side in sides}
        socket, _ = stack.enter_context(daemon(Path(name)))
        control = stack.enter_context(Client(socket))
        for manifest in manifests.values():
            control.start(manifest.name, wait=False)
        for manifest in manifests.values():
            control.start(manifest.name)
        clients = {load: stack.enter_context(_client(socket, manifests[load[0]], load[1])) for load in loads}
        for _ in range(_ROUNDS):
            for load, client in clients.items():
                taken[load] += _turn(client)
    return [PicturesRow(side, way, Times.of(taken[side, way])) for side, way in loads]


def _picture(width: int, height: int) -> U8:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@contextlib.contextmanager
def _client(socket: str, manifest: Manifest, way: Way) -> Iterator[BareClient]:
    picture = _picture(manifest.image.width, manifest.image.height)
    client = BareClient(socket, manifest, picture, by="bytes" if way == "bytes" else "segment")
    try:
        yield client
    finally:
        client.close()


def _turn(call: Callable[[], object]) -> list[float]:
    """Call for a while, after a few calls that do not count."""
    for _ in range(3):
        call()
    taken: list[float] = []
    end = time.perf_counter() + _SECONDS
    while (begun := time.perf_counter()) < end or len(taken) < _FEW_CALLS:
        call()
        taken.append(time.perf_counter() - begun)
    return taken
