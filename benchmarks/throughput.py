"""Eight clients on one model, against the bare engine; and how the front answers meanwhile.

Shared memory in, mask out, the reference model at its own 576x768. Claims: eight clients get at least 0.9 of the
pictures per second that the bare engine runs (the engine alone: no preparation, no mask); and while four clients keep
two models busy, DescribeModel's p99 stays under 20 ms.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    BareClient,
    bare_pipeline,
    cookie_picture,
    daemon,
    light_component,
    machine,
    median,
    milliseconds,
    quantile,
    reference_component,
)
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.imaging.resize import ArrayPixels

CLIENTS, SECONDS, ROUNDS = 8, 4.0, 4


def count_calls(
    socket: str, manifest: Manifest, barrier: Barrier, rounds: int, counts: multiprocessing.Queue[int]
) -> None:
    client = BareClient(socket, manifest, cookie_picture(manifest.image.width, manifest.image.height))
    for _ in range(rounds):
        barrier.wait()
        end, count = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            client()
            count += 1
        counts.put(count)
    client.close()


def rate(way: Callable[[], object]) -> float:
    """Times per second that `way` can be done in this process, with the agent idle."""
    for _ in range(5):
        way()
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        way()
        count += 1
    return count / SECONDS


def bare_engine(models: Path, manifest: Manifest) -> Callable[[], object]:
    """The engine alone."""
    engine = load_on_processor(models / manifest.name / "1.0.0" / manifest.model)
    tensor = np.zeros((1, 3, manifest.input.height, manifest.input.width), np.float32)
    outputs = [spec.name for spec in engine.signature.outputs]
    return lambda: engine.run(manifest.input.name, tensor, outputs)


def throughput(models: Path, manifest: Manifest, *flags: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    with daemon(models, *flags) as (socket, _):
        with Client(socket) as control:
            control.start(manifest.name)
        barrier, counts = spawn.Barrier(CLIENTS + 1), spawn.Queue()
        arguments = (socket, manifest, barrier, ROUNDS, counts)
        clients = [spawn.Process(target=count_calls, args=arguments, daemon=True) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        engine = bare_engine(models, manifest)
        pipeline, pixels = bare_pipeline(models, manifest), ArrayPixels(cookie_picture(576, 768))
        rates: dict[str, list[float]] = {"bare engine": [], "bare pipeline": [], "agent, 8 clients": []}
        for _ in range(ROUNDS):
            rates["bare engine"].append(rate(engine))
            rates["bare pipeline"].append(rate(lambda: pipeline.run(pixels)))
            barrier.wait()
            rates["agent, 8 clients"].append(sum(counts.get() for _ in clients) / SECONDS)
        for client in clients:
            client.join()
    for name, values in rates.items():
        print(f"  {name:18} {median(values):7.1f} pictures/s  (rounds: {min(values):.1f} to {max(values):.1f})")
    print(f"  agent / bare engine {median(rates['agent, 8 clients']) / median(rates['bare engine']):.2f}")


def responsiveness(models: Path, manifests: list[Manifest]) -> None:
    spawn = multiprocessing.get_context("spawn")
    with daemon(models) as (socket, _), Client(socket) as control:
        for manifest in manifests:
            control.start(manifest.name)
        barrier, counts = spawn.Barrier(5), spawn.Queue()
        clients = [
            spawn.Process(target=count_calls, args=(socket, manifests[i % 2], barrier, 2, counts), daemon=True)
            for i in range(4)
        ]
        for client in clients:
            client.start()
        taken = []
        for _ in range(2):
            barrier.wait()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                begun = time.perf_counter()
                control.describe(manifests[0].name)
                taken.append(time.perf_counter() - begun)
                time.sleep(0.005)
        for client in clients:
            client.join()
    print(f"  DescribeModel p50 {milliseconds(median(taken))}  p99 {milliseconds(quantile(taken, 0.99))}")


def main() -> None:
    begin(command_line("throughput", __doc__))
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        reference = reference_component(models, 576, 768)
        print("eight clients on the reference model, as it comes: one worker, its engine with a thread a core")
        throughput(models, reference)
        workers = str(os.cpu_count())
        print(f"the same, set for throughput: --instances {workers} --threads 1")
        throughput(models, reference, "--instances", workers, "--threads", "1")
        print("four clients on two models")
        responsiveness(models, [reference, light_component(models, 1280, 960)])


if __name__ == "__main__":
    main()
