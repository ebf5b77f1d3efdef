"""What records cost a call, and how much they take in an hour of 500 verdicts a second.

`python -m benchmarks.records` sends the same picture in turn to daemons of the same model, without records, with them,
and with every picture kept. Claims: records add at most 20 microseconds at the median, a picture that is kept at most a
millisecond at p99.

`python -m benchmarks.records fill [SECONDS [MILLIONS]]` gives the writing process 500 verdicts a second (an hour of
them, unless told otherwise) and tells its memory, the file's size, and what was lost; then how long ten million records
take to be counted and listed, for which it writes as many.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.beginning import begin, command_line
from benchmarks.rig import BareClient, alternate, cookie_picture, daemon, light_component, machine, median, quantile
from edge_agent.client.client import Client
from edge_agent.inference.verdict import Area, Verdict
from edge_agent.records.options import RecordsOptions
from edge_agent.records.record import Origin, Record
from edge_agent.records.recorder import Recorder
from edge_agent.records.statistics import statistics
from edge_agent.records.store.reading import Query, find, reading
from edge_agent.records.store.schema import DAY
from edge_agent.records.store.writer import RecordWriter

WIDTH, HEIGHT = 320, 240
RATE = 500


def call() -> None:
    """Tell what a call takes with records and without."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        models = Path(folder)
        manifest = light_component(models, WIDTH, HEIGHT)
        clients = {}
        flags = {
            "off": ["--records", "off"],
            "on": ["--records", "on"],
            "and every picture": ["--keep-mib", "64", "--keep", "near=.999"],
        }
        for way, given in flags.items():
            socket, _ = stack.enter_context(daemon(models, *given))
            with Client(socket) as control:
                control.start(manifest.name)
            clients[way] = BareClient(socket, manifest, cookie_picture(WIDTH, HEIGHT))
            stack.callback(clients[way].close)
        taken = alternate(clients, rounds=400, each=10)
        for way, samples in taken.items():
            p50, p99 = median(samples) * 1e3, quantile(samples, 0.99) * 1e3
            print(f"  records {way:17}  p50 {p50:.3f} ms  p99 {p99:.3f} ms")
        print(f"  records add {(median(taken['on']) - median(taken['off'])) * 1e6:.1f} microseconds at the median")


async def fill(folder: Path, seconds: float) -> None:
    """Have verdicts written at the rate of a fast line."""
    recorder = Recorder(RecordsOptions(folder=str(folder), days=90, mib=1024, log_level="warning"))
    recorder.open()
    verdict = Verdict(True, 0.9, 0.9, 0.5, (Area("background", "#FFFFFF", 0.9), Area("crack", "#23A436", 0.1)))
    note = recorder.noting(
        lambda *_: None, model="cookies", version="1.0.0", size=(WIDTH, HEIGHT), origin=Origin(1000, 42, "line", "A-1")
    )
    begun = told = time.monotonic()
    count = 0
    while (now := time.monotonic()) - begun < seconds:
        while count < (now - begun) * RATE:
            note(verdict, None)
            count += 1
        if now - told > seconds / 6:
            told = now
            memory = psutil.Process(recorder.pid).memory_info().rss / (1 << 20)
            size = _size(folder) / (1 << 20)
            print(f"  after {now - begun:5.0f} s: {count} verdicts, process {memory:.1f} MiB, files {size:.1f} MiB")
        await asyncio.sleep(0.002)
    await recorder.close()
    print(f"  {count} verdicts, dropped {recorder.dropped}, lost {recorder.state.lost}")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def count(folder: Path, millions: int) -> None:
    """Tell how long a year's records take to be counted and listed."""
    writer = RecordWriter(folder, days=36_500, mib=1 << 20)
    now = time.time_ns() // 1000
    step = 365 * DAY // (millions * 1_000_000)
    begun = time.monotonic()
    for batch in range(millions * 100):
        first = now - 365 * DAY + 10_000 * batch * step
        writer.write(
            [
                Record(
                    first + number * step, first + number * step, "cookies", "1.0.0", number % 50 == 0, 0.1, 0.5, 0.9,
                    {"crack": 0.1} if number % 50 == 0 else {}, WIDTH, HEIGHT, 3.0, 1000, 42, "line", "", "",
                )
                for number in range(10_000)
            ]
        )  # fmt: skip
    writer.close()
    print(f"  {millions} million records written in {time.monotonic() - begun:.0f} s")
    with reading(folder) as connection:
        begun = time.monotonic()
        rows = statistics(connection, since=now - 366 * DAY, until=now, period="day")
        print(f"  a year by day, {len(rows)} rows: {(time.monotonic() - begun) * 1e3:.0f} ms")
        begun = time.monotonic()
        found = find(connection, Query(model="cookies", anomalous=True))
        page = [next(found) for _ in range(100)]
        print(f"  the newest {len(page)} anomalous: {(time.monotonic() - begun) * 1e3:.0f} ms")


def main() -> None:
    parser = command_line("records", __doc__)
    parser.add_argument("what", nargs="?", choices=("call", "fill"), default="call", help="else: call")
    parser.add_argument("seconds", nargs="?", type=float, default=3600.0, help="of fill, else 3600")
    parser.add_argument("millions", nargs="?", type=int, default=10, help="of records to be counted, else 10")
    given = begin(parser)
    print(machine())
    if given.what == "fill":
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(fill(Path(folder) / "hour", given.seconds))
            count(Path(folder) / "year", given.millions)
    else:
        call()


if __name__ == "__main__":
    main()
