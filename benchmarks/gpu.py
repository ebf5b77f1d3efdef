"""A call on a GPU, against the same plans run bare; one client against eight.

The reference model at 1280x960, `--precision fp16` unless another is given. Claims to be held against: a call's median
is at most 1.3 times the bare execution with its two copies (the same CUDA graph, in one process, without the agent);
eight clients get at least 5 times the pictures a second of one.

    python -m benchmarks.gpu [--engine tensorrt] [--precision fp16]
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from pathlib import Path

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    BareClient,
    alternate,
    cookie_picture,
    daemon,
    machine,
    median,
    milliseconds,
    quantile,
    reference_component,
)
from benchmarks.throughput import SECONDS, count_calls
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest
from edge_agent.inference.engines.options import ENGINES, EngineOptions
from edge_agent.inference.engines.selection import examine_device
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.loading import load_pipeline

_WIDTH, _HEIGHT = 1280, 960
_ROUNDS, _EACH = 20, 50


def one_client(socket: str, folder: Path, manifest: Manifest, options: EngineOptions) -> None:
    """Compare a call with the bare execution, in turn."""
    loaded = load_pipeline(folder, manifest, options)
    picture = cookie_picture(_WIDTH, _HEIGHT)
    pixels = ArrayPixels(picture)
    client = BareClient(socket, manifest, picture)
    taken = alternate(
        {
            "execution with its copies": loaded.pipeline.run_engine,
            "with the picture's way in": lambda: loaded.pipeline.run(pixels),
            "a call of the agent": client,
        },
        _ROUNDS,
        _EACH,
    )
    client.close()
    for name, samples in taken.items():
        print(f"  {name:26} p50 {milliseconds(median(samples))}  p99 {milliseconds(quantile(samples, 0.99))}")
    bare, call = (median(taken[name]) for name in ("execution with its copies", "a call of the agent"))
    print(f"  call / execution           {call / bare:.2f}")


def several_clients(socket: str, manifest: Manifest) -> None:
    """Compare the pictures a second of one, two, four and eight clients."""
    spawn = multiprocessing.get_context("spawn")
    rates: dict[int, float] = {}
    for clients in (1, 2, 4, 8):
        barrier, counts = spawn.Barrier(clients + 1), spawn.Queue()
        arguments = (socket, manifest, barrier, 1, counts)
        processes = [spawn.Process(target=count_calls, args=arguments, daemon=True) for _ in range(clients)]
        for process in processes:
            process.start()
        barrier.wait()
        rates[clients] = sum(counts.get() for _ in processes) / SECONDS
        for process in processes:
            process.join()
        print(f"  {clients} clients {rates[clients]:8.1f} pictures/s, {rates[clients] / rates[1]:.2f} of one client's")


def main() -> None:
    parser = command_line("gpu", __doc__)
    parser.add_argument("--engine", choices=ENGINES, default="tensorrt")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16")
    arguments = begin(parser)
    nvidia = examine_device().nvidia
    if not nvidia.gpus and arguments.engine != "onnxruntime-cpu":
        sys.exit("this machine has no NVIDIA GPU that can be used")
    print(machine())
    for gpu in nvidia.gpus:
        print(f"{gpu.name} ({gpu.code}), driver {nvidia.driver}, CUDA {nvidia.cuda}, TensorRT {nvidia.tensorrt}")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        manifest = reference_component(models, _WIDTH, _HEIGHT)
        plans = str(Path(folder) / "plans")
        options = EngineOptions(engine=arguments.engine, precision=arguments.precision, plan_dir=plans)
        flags = ("--engine", arguments.engine, "--precision", arguments.precision, "--plan-dir", plans)
        with daemon(models, *flags) as (socket, _):
            with Client(socket) as control:
                control.start(manifest.name, timeout=1800)
            print(f"the reference model at {_WIDTH}x{_HEIGHT}, {arguments.engine}, {arguments.precision}")
            one_client(socket, models / manifest.name / manifest.version, manifest, options)
            several_clients(socket, manifest)


if __name__ == "__main__":
    main()
