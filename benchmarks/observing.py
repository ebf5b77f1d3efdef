"""What it costs to be watched: metrics, audit trail and log on, against all of it off, in one run.

    python -m benchmarks.observing [--rounds 40]

A call through shared memory with the empty model, at two daemons in turn; on a busy machine the front's processor time
says more than how long a call took. The front's memory is what it has for itself
(USS), after the calls and after scrapes. A scrape of sixteen models is measured in this process, without sockets:
processor time of the thread, and the longest piece that it takes at once, which is what a call may have to wait for.
Goals: 30 µs at the median, 4 MB, 5 ms, 1 ms.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from benchmarks.beginning import begin, command_line
from benchmarks.rig import BareClient, alternate, cookie_picture, daemon, empty_component, machine, median, quantile
from edge_agent.client.client import Client
from edge_agent.inference.verdict import decide
from edge_agent.serving.observing.counts import Counts, Stages
from edge_agent.serving.observing.exposition import write
from edge_agent.serving.observing.families import Families
from edge_agent.serving.observing.readings import FrontReading, ModelReading

WIDTH, HEIGHT = 1280, 960
MODELS = 16
_PORT = 9465
_OFF = ("--audit", "off", "--records", "off")
_ON = ("--metrics", f"127.0.0.1:{_PORT}", "--records", "off")


def measure_calls(models: Path, rounds: int) -> None:
    manifest = empty_component(models, WIDTH, HEIGHT, whole=False)
    picture = cookie_picture(WIDTH, HEIGHT)
    with daemon(models, *_OFF) as (plain, plain_pid), daemon(models, *_ON) as (watched, watched_pid):
        for socket in (plain, watched):
            with Client(socket) as control:
                control.start(manifest.name)
        off, on = BareClient(plain, manifest, picture), BareClient(watched, manifest, picture)
        # One call each in turn: what else the machine does falls on both alike.
        fronts = {"off": psutil.Process(plain_pid), "on": psutil.Process(watched_pid)}
        before = {name: front.cpu_times() for name, front in fronts.items()}
        taken = alternate({"off": off, "on": on}, rounds=rounds * 50, each=1)
        spent = {name: sum(front.cpu_times()[:2]) - sum(before[name][:2]) for name, front in fronts.items()}
        memory = {name: front.memory_full_info().uss for name, front in fronts.items()}
        for _ in range(20):
            with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/metrics", timeout=60) as answer:
                answer.read()
        after = fronts["on"].memory_full_info().uss
        off.close()
        on.close()
    for name, samples in taken.items():
        each = spent[name] / len(samples) * 1e6
        quantiles = f"p50 {median(samples) * 1e6:7.0f} µs  p99 {quantile(samples, 0.99) * 1e6:7.0f} µs"
        print(f"  {name:3}  {quantiles}  the front's processor time a call {each:5.0f} µs")
    added = sorted(b - a for a, b in zip(taken["off"], taken["on"], strict=True))
    difference = median(taken["on"]) - median(taken["off"])
    print(f"  at p50 {difference * 1e6:+.0f} µs; pair by pair {median(added) * 1e6:+.0f} µs")
    for name, size in (("after the calls", memory["on"]), ("after 20 scrapes", after)):
        print(f"  front's memory {name}: {(size - memory['off']) / 1e6:+.1f} MB of {memory['off'] / 1e6:.1f} MB")


def _families() -> Families:
    """Give what a daemon with sixteen running models that were all used would tell."""
    counts, models = Counts(), []
    for number in range(MODELS):
        name = f"model-{number}"
        counted = counts.add_model(name)
        counted.served = version = counted.version("1.0.0")
        for step in range(100):
            version.inspected(decide(step / 100, 0.5), step / 1e4, Stages(0.0, step / 1e4, step / 1e3, step / 1e4))
            counts.ended("DetectAnomalies", name, "OK", step / 1e3)
        models.append(ModelReading(name, "1.0.0", "RUNNING", True, 0, (os.getpid(),)))
    front = FrontReading(models, ("STOPPED", "STARTING", "RUNNING", "FAILED", "STOPPING"), 16, 4, 9, 0, 1 << 30)
    return Families(counts, lambda: front, Path("/tmp"))  # any disk


async def measure_scrapes(accept: str) -> tuple[list[float], list[float], int]:
    """Return processor time of each scrape, the longest piece of each, both in seconds, and its size in bytes."""
    families, costs, longest, size = _families(), [], [], 0
    for _ in range(60):
        scrape = asyncio.get_running_loop().create_task(write(families.gather(), accept))
        pieces = []
        # A turn of the loop at a time. The thread's own clock stands still while others have the processor.
        while not scrape.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            pieces.append(time.thread_time() - before)
        size = len(scrape.result().body)
        longest.append(max(pieces))
        # While a thread reads the disks the loop turns in vain, in pieces of a few microseconds.
        costs.append(sum(piece for piece in pieces if piece > 20e-6))
    return costs, longest, size


def main() -> None:
    parser = command_line("observing", __doc__)
    parser.add_argument("--rounds", type=int, default=40, help="of 50 calls to each daemon")
    arguments = begin(parser)
    print(machine())
    print(f"a call through shared memory, {WIDTH}x{HEIGHT}, the empty model; metrics and audit trail off and on")
    with tempfile.TemporaryDirectory() as folder:
        measure_calls(Path(folder), arguments.rounds)
    print(f"a scrape of {MODELS} models")
    for name, accept in (("text", ""), ("OpenMetrics", "application/openmetrics-text;version=1.0.0")):
        costs, longest, size = asyncio.run(measure_scrapes(accept))
        print(
            f"  {name:11}  {median(costs) * 1e3:.2f} ms of the processor, {median(longest) * 1e3:.2f} ms in one piece "
            f"(p90 {quantile(longest, 0.9) * 1e3:.2f} ms), {size} bytes"
        )


if __name__ == "__main__":
    main()
