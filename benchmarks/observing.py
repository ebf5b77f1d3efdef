"""What it costs to be watched: metrics, audit trail, log and records on, against all of it off, in one run.

    python -m benchmarks.observing [--rounds 40] [--scrapes 1500]

A call through shared memory with the empty model, at three daemons in turn: all off; metrics and audit trail on;
records on as well, as they are without a setting. On a busy machine the front's processor time says more than how long
a call took. The front's memory is what it has for itself (USS), after the calls and after scrapes.

Then a daemon with sixteen running models is called, and every other call begins just after a scrape was asked for, from
at once to three milliseconds later: what a scrape delays a call by.

A scrape of sixteen models is measured in this process, too, without sockets: processor time, and the
longest piece that it takes at once, which is what a call may have to wait for.

Goals: 30 µs at the median, 4 MB, 5 ms, 1 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    BareClient,
    alternate,
    cookie_picture,
    daemon,
    empty_component,
    machine,
    median,
    quantile,
    variant,
)
from edge_agent.client.client import Client
from edge_agent.inference.verdict import decide
from edge_agent.records.condition.notice import Camera, Drift
from edge_agent.records.events.line import EventLine
from edge_agent.records.pictures.stock import Stock
from edge_agent.serving.observing.counts import Counts, Stages
from edge_agent.serving.observing.exposition import write
from edge_agent.serving.observing.families import Families
from edge_agent.serving.observing.readings import FrontReading, ModelReading, RecordsReading

WIDTH, HEIGHT = 1280, 960
MODELS = 16
_DAEMONS = {
    "all off": ("--audit", "off", "--records", "off"),
    "metrics and audit": ("--metrics", "unix://{0}/watched.sock", "--records", "off"),
    "records as well": ("--metrics", "unix://{0}/all.sock"),
}
_LATEST = 0.003  # seconds after a scrape was asked for until the call


def measure_calls(folder: Path, rounds: int) -> None:
    """Tell what a call takes at each daemon, and what each front has for itself."""
    models = folder / "models"
    manifest = empty_component(models, WIDTH, HEIGHT)
    picture = cookie_picture(WIDTH, HEIGHT)
    with contextlib.ExitStack() as stack:
        clients, fronts = {}, {}
        for name, flags in _DAEMONS.items():
            address, pid = stack.enter_context(daemon(models, *(flag.format(folder) for flag in flags)))
            with Client(address) as control:
                control.start(manifest.name)
            clients[name] = BareClient(address, manifest, picture)
            stack.callback(clients[name].close)
            fronts[name] = psutil.Process(pid)
        before = {name: front.cpu_times() for name, front in fronts.items()}
        # One call each in turn: what else the machine does falls on all alike.
        taken = alternate(clients, rounds=rounds * 50, each=1)
        spent = {name: sum(front.cpu_times()[:2]) - sum(before[name][:2]) for name, front in fronts.items()}
        memory = {name: front.memory_full_info().uss for name, front in fronts.items()}
        for path in folder.glob("*.sock"):
            for _ in range(20):
                _read_all(_ask(path))
        after = {name: front.memory_full_info().uss for name, front in fronts.items()}
    base, first = taken["all off"], memory["all off"]
    for name, samples in taken.items():
        print(
            f"  {name:17}  {_quantiles(samples)}  the front's processor time a call "
            f"{spent[name] / len(samples) * 1e6:4.0f} µs  its own memory {memory[name] / 1e6:.1f} MB"
        )
    for name in list(taken)[1:]:
        pairs = sorted(b - a for a, b in zip(base, taken[name], strict=True))
        print(
            f"  {name}: {(median(taken[name]) - median(base)) * 1e6:+.0f} µs at p50, pair by pair "
            f"{median(pairs) * 1e6:+.0f} µs; memory {(memory[name] - first) / 1e6:+.1f} MB, "
            f"after 20 scrapes {(after[name] - first) / 1e6:+.1f} MB"
        )


def measure_delay(folder: Path, scrapes: int) -> None:
    """Tell what calls take that begin during a scrape of a daemon with sixteen models, and others."""
    models, metrics = folder / "sixteen", folder / "sixteen.sock"
    manifest = empty_component(models, WIDTH, HEIGHT)
    names = [manifest.name, *(f"model-{number}" for number in range(1, MODELS))]
    for name in names[1:]:
        variant(models / manifest.name / manifest.version, models / name / "1.0.0", name=name)
    with daemon(models, "--metrics", f"unix://{metrics}") as (address, _):
        with Client(address) as control:
            for name in names:
                control.start(name)
        client = BareClient(address, manifest, cookie_picture(WIDTH, HEIGHT))
        for _ in range(50):
            client()
        chance, alone, during, whole = random.Random(0), [], [], []
        for _ in range(scrapes):
            alone.append(_timed(client))
            asked = time.perf_counter()
            scrape = _ask(metrics)
            begin = asked + chance.random() * _LATEST
            while time.perf_counter() < begin:
                pass
            during.append(_timed(client))
            _read_all(scrape)
            whole.append(time.perf_counter() - asked)
        client.close()
    print(f"  calls between scrapes  {_quantiles(alone)}  longest {max(alone) * 1e3:.2f} ms")
    print(f"  calls during a scrape  {_quantiles(during)}  longest {max(during) * 1e3:.2f} ms")
    print(
        f"  a scrape delays a call by {(median(during) - median(alone)) * 1e3:.2f} ms at p50, "
        f"{(quantile(during, 0.99) - quantile(alone, 0.99)) * 1e3:.2f} ms at p99; "
        f"its answer is there after {median(whole) * 1e3:.1f} ms, with the call in it"
    )


def _timed(client: BareClient) -> float:
    begun = time.perf_counter()
    client()
    return time.perf_counter() - begun


def _ask(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(path))
    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection


def _read_all(connection: socket.socket) -> None:
    with connection:
        while connection.recv(1 << 18):
            pass


def _quantiles(samples: Sequence[float]) -> str:
    return f"p50 {median(samples) * 1e6:6.0f} µs  p99 {quantile(samples, 0.99) * 1e6:6.0f} µs"


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
        camera = Camera(name, "1.0.0", "ok", 0)
        models.append(ModelReading(name, "1.0.0", "RUNNING", True, 0, (os.getpid(),), exchanged=False, camera=camera))
    records = RecordsReading(
        written=1600,
        lost=dict.fromkeys(("disk", "busy"), 0),
        drifts=tuple(Drift(model.name, "1.0.0", "stable") for model in models),
        watches_drift=True,
        events=tuple(EventLine(rule, sent=1) for rule in ("plc", "mes")),
        stock=tuple(Stock(kind, 1, 1) for kind in ("anomalous", "near", "normal", "disagreement", "asked")),
    )
    front = FrontReading(
        models, ("STOPPED", "STARTING", "RUNNING", "FAILED", "STOPPING"), 16, 4, 9, 0, 1 << 30, records
    )

    async def read() -> FrontReading:
        return front

    return Families(counts, read, Path("/tmp"))  # any disk


async def measure_scrapes(accept: str) -> tuple[list[float], list[float], int]:
    """Return processor time of each scrape, the longest piece of each, both in seconds, and its size in bytes."""
    families, costs, longest, size = _families(), [], [], 0
    for _ in range(60):
        before = time.process_time()
        size = len((await write(families.gather(), accept)).body)
        costs.append(time.process_time() - before)
    for _ in range(60):
        scrape = asyncio.get_running_loop().create_task(write(families.gather(), accept))
        pieces = []
        # A turn of the loop at a time. The thread's own clock stands still while others have the processor.
        while not scrape.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            pieces.append(time.thread_time() - before)
        longest.append(max(pieces))
    return costs, longest, size


def main() -> None:
    parser = command_line("observing", __doc__)
    parser.add_argument("--rounds", type=int, default=40, help="of 50 calls to each daemon [40]")
    parser.add_argument("--scrapes", type=int, default=1500, help="during which a call is made [1500]")
    arguments = begin(parser)
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"a call through shared memory, {WIDTH}x{HEIGHT}, the empty model")
        measure_calls(folder, arguments.rounds)
        print(f"calls while a daemon with {MODELS} running models is scraped")
        measure_delay(folder, arguments.scrapes)
    print(f"a scrape of {MODELS} models, in one process")
    for name, accept in (("text", ""), ("OpenMetrics", "application/openmetrics-text;version=1.0.0")):
        costs, longest, size = asyncio.run(measure_scrapes(accept))
        print(
            f"  {name:11}  {median(costs) * 1e3:.2f} ms of the processor, {median(longest) * 1e3:.2f} ms in one piece "
            f"(p90 {quantile(longest, 0.9) * 1e3:.2f} ms), {size} bytes"
        )


if __name__ == "__main__":
    main()
