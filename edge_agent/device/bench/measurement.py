"""A daemon of its own, clients in processes of their own, and the bare engine, measured in turn."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_agent.building.counting import Progress
from edge_agent.children.command import child_command
from edge_agent.children.said import Said, last_words
from edge_agent.client.client import Client
from edge_agent.client.own_daemon import own_daemon
from edge_agent.component.manifest import Manifest
from edge_agent.device.bench.client import Way
from edge_agent.errors import AgentUnreachable, ComponentError, InvalidRequest
from edge_agent.hardware.library import fault_of, is_installed
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.loading import load_pipeline
from edge_agent.serving.catalogue.catalogue import Component

_PATIENCE = 30.0  # seconds until a daemon that does nothing else serves
_WARM_UP_CALLS = 5
WAYS: tuple[Way, ...] = ("shared memory", "bytes")


class Load(NamedTuple):
    """So many clients, each sending its next picture when the last is answered, in one way."""

    clients: int
    way: Way


class Sample(NamedTuple):
    """What a load, or the bare engine, came to; times in seconds."""

    p50: float
    p99: float
    per_second: float
    refused: int = 0


class Measured(NamedTuple):
    """All figures of one model on this device."""

    engine_name: str
    engine: Sample
    pipeline: Sample
    loads: dict[Load, Sample]


class Options(NamedTuple):
    """How the model is run, and how long it is measured."""

    clients: Sequence[int]
    seconds: float
    rounds: int
    engine: EngineOptions
    instances: int


def find_picture(component: Component, given: Path | None) -> U8:
    """Return the picture to send: the one that is given, the component's golden sample, or a made-up one.

    Raises:
        InvalidRequest: the picture can't be read, or is of another size than the model's.
    """
    image, golden = component.manifest.image, component.manifest.golden
    path = given or (component.folder / golden[0].image if golden else None)
    if path is None:
        return np.random.default_rng(0).integers(0, 256, (image.height, image.width, 3), np.uint8)
    picture = read_picture(path)
    if picture.shape[:2] != (image.height, image.width):
        raise InvalidRequest(
            f"{path} is {picture.shape[1]}x{picture.shape[0]}, model '{component.manifest.name}' was trained on "
            f"{image.width}x{image.height}"
        )
    return picture


def measure(component: Component, picture: U8, options: Options, on_progress: Progress) -> Measured:
    """Measure a component. Every load and the bare engine get their turns in each round, so that what else the
    device does meanwhile falls on all of them alike.

    Raises:
        ComponentError, EngineFailed: the model, or the engine's library, can't be loaded or run.
        AgentUnreachable: the daemon did not start.
    """
    if is_installed("onnxruntime") and (fault := fault_of("onnxruntime")):  # it would end this process
        raise ComponentError(f"{fault.sentence}; what may help: {fault.remedy}")
    manifest = component.manifest
    loaded = load_pipeline(component.folder, manifest, options.engine)
    pixels = ArrayPixels(picture)
    alone: dict[str, Callable[[], object]] = {
        "engine": loaded.pipeline.run_engine,
        "pipeline": lambda: loaded.pipeline.run(pixels),
    }
    loads = [Load(clients, way) for way in WAYS for clients in options.clients]
    turn = options.seconds / options.rounds
    taken: dict[str | Load, list[float]] = {name: [] for name in alone}
    taken |= {load: [] for load in loads}
    refused = dict.fromkeys(loads, 0)
    done, turns = 0, options.rounds * len(taken)
    with _serving(component, options) as socket, _clients(socket, manifest, picture, max(options.clients)) as clients:
        for _ in range(options.rounds):
            for name, way in alone.items():
                taken[name] += _run_alone(way, turn)
                on_progress(done := done + 1, turns)
            for load in loads:
                for client in clients[: load.clients]:
                    client.begin(load.way, turn)
                for client in clients[: load.clients]:
                    times, missed = client.result()
                    taken[load] += times
                    refused[load] += missed
                on_progress(done := done + 1, turns)
    return Measured(
        loaded.engine,
        _sample(taken["engine"], sum(taken["engine"])),
        _sample(taken["pipeline"], sum(taken["pipeline"])),
        {load: _sample(taken[load], options.seconds, refused[load]) for load in loads},
    )


def _run_alone(way: Callable[[], object], seconds: float) -> list[float]:
    for _ in range(_WARM_UP_CALLS):
        way()
    taken = []
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        way()
        taken.append(time.monotonic() - begun)
    return taken


def _sample(taken: list[float], seconds: float, refused: int = 0) -> Sample:
    if not taken:
        return Sample(float("nan"), float("nan"), 0.0, refused)
    ordered = sorted(taken)
    return Sample(
        ordered[len(ordered) // 2],
        ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        len(taken) / seconds,
        refused,
    )


def _engine_flags(options: EngineOptions) -> list[str]:
    flags = ["--engine", options.engine, "--threads", str(options.threads), "--batch", str(options.batch)]
    flags += ["--precision", options.precision or "component", "--plan-dir", options.plan_dir]
    return flags + ["--cpu-fallback"] * options.cpu_fallback


@contextlib.contextmanager
def _serving(component: Component, options: Options) -> Iterator[str]:
    """Run a daemon that knows this component alone, on a socket of its own."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-bench-") as folder:
        registry = Path(folder) / "registry"
        registry.mkdir()
        (registry / component.manifest.name).symlink_to(component.folder.resolve())
        flags = ["--registry", str(registry), "--instances", str(options.instances), *_engine_flags(options.engine)]
        with own_daemon(*flags, patience=_PATIENCE) as socket:
            with Client(socket) as client:
                client.start(component.manifest.name)
            yield socket


class _ClientProcess:
    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=-1
        )
        assert self._process.stderr is not None
        self._said = Said(self._process.stderr)

    def begin(self, way: Way, seconds: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"way": way, "seconds": seconds}).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):  # it has ended; result() says why
            self._process.stdin.flush()

    def result(self) -> tuple[list[float], int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            words = last_words(self._said.close()) or f"status {self._process.wait()}"
            raise AgentUnreachable(f"a measuring client ended early: {words}")
        answer = json.loads(line)
        return answer["taken"], answer["refused"]

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._said.close()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextlib.contextmanager
def _clients(socket: str, manifest: Manifest, picture: U8, count: int) -> Iterator[list[_ClientProcess]]:
    with tempfile.NamedTemporaryFile(prefix="edge-agent-bench-") as file, contextlib.ExitStack() as stack:
        file.write(picture.tobytes())
        file.flush()
        size = (str(manifest.image.width), str(manifest.image.height))
        command = child_command("edge_agent.device.bench.client", socket, manifest.name, *size, file.name)
        processes = []
        for _ in range(count):
            process = _ClientProcess(command)
            stack.callback(process.end)
            processes.append(process)
        yield processes
