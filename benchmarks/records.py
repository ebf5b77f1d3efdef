"""What records cost a call, and how much they take in an hour of 500 verdicts a second.

`python -m benchmarks.records [--pairs 12] [--model empty]` starts pairs of daemons, one without records and one with
them, again and again, and calls both in short turns, at 320x240 and at 1280x960. Two daemons of one sort differ by
tens of microseconds, as long as they live, by where their memory lies, so that one pair says nothing; `--alike` has
no records in either, and tells what the comparison itself is worth. Claim: at most 20 microseconds more at the median.
Four minutes.

`python -m benchmarks.records pictures [--rounds 40] [--cycle 0] [--format png]` sends pictures in blocks in turn to a
daemon with records and to one that keeps every picture as well, as fast as answers come or one every so many
milliseconds. Claim: at most a millisecond more at p99. Three minutes.

`python -m benchmarks.records fill [--minutes 4]` gives the writing process 500 verdicts a second for so long (60: the
hour of the claim) and tells its memory, the file's size, and what was lost.

`python -m benchmarks.records count [--millions 1]` writes a year of so many million records, and tells how long they
take to be counted and listed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.beginning import begin, command_line
from benchmarks.light_clients import LightClient
from benchmarks.rig import (
    BareClient,
    cookie_picture,
    daemon,
    difference,
    empty_component,
    in_blocks,
    light_component,
    machine,
    median,
    processor_seconds,
    quantile,
    tail_difference,
    with_interval,
)
from edge_agent.client.client import Client
from edge_agent.inference.verdict import Area, Verdict
from edge_agent.records.options import RecordsOptions
from edge_agent.records.record import Origin, Record
from edge_agent.records.recorder import Recorder
from edge_agent.records.statistics import statistics
from edge_agent.records.store.reading import Query, find, reading
from edge_agent.records.store.schema import DAY
from edge_agent.records.store.writer import RecordWriter

SIZES = ((320, 240), (1280, 960))
IN_TURN = 20  # calls: what the machine does meanwhile falls on both daemons alike
TURNS = 100
CALLS = 100  # in a block: long enough for what is left to be done to fall on calls
PAUSE_SECONDS = 0.3
RATE = 500
_MODELS = {"empty": empty_component, "light": light_component}


def call(pairs: int, model: str, alike: bool) -> None:
    """Tell what a call takes with records and without."""
    for width, height in SIZES:
        pixels = cookie_picture(width, height).tobytes()
        without, differences, processor = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            models, said = Path(folder) / "models", Path(folder) / "said"
            manifest = _MODELS[model](models, width, height)
            for number in range(pairs):
                ways = {"off": "off", "on": "off" if alike else "on"}
                order = list(ways.items())[:: 1 if number % 2 else -1]  # the first to start has other memory
                with contextlib.ExitStack() as stack:
                    clients, fronts = {}, {}
                    for way, records in order:
                        address, fronts[way] = stack.enter_context(daemon(models, "--records", records, log=said))
                        with Client(address) as control:
                            control.start(manifest.name)
                        clients[way] = LightClient(address, manifest.name, width, height, pixels)
                        stack.callback(clients[way].close)
                    _in_turn(clients, TURNS // 10)
                    before = {way: processor_seconds(pid) for way, pid in fronts.items()}
                    taken = _in_turn(clients, TURNS)
                    spent = {way: processor_seconds(pid) - before[way] for way, pid in fronts.items()}
                without.append(median(taken["off"]))
                differences += [on - off for off, on in zip(taken["off"], taken["on"], strict=True)]
                processor.append((spent["on"] - spent["off"]) / (TURNS * IN_TURN))
        added = difference([0.0] * len(differences), differences)
        print(
            f"  {width}x{height}, {model} model, {pairs} pairs of daemons, {TURNS} turns of {IN_TURN} calls each: p50 "
            f"{median(without) * 1e3:.3f} ms without records, {with_interval(added, 1e6, '.1f')} microseconds more "
            f"{'in a second daemon without them' if alike else 'with them'}; the front's processor time a call "
            f"{median(processor) * 1e6:+.0f} microseconds",
            flush=True,
        )


def _in_turn(clients: Mapping[str, LightClient], turns: int) -> dict[str, list[float]]:
    """Call each client IN_TURN times, so many times in turn; the medians of the turns, in seconds."""
    taken: dict[str, list[float]] = {way: [] for way in clients}
    ways = list(clients)
    for turn in range(turns):
        for way in ways if turn % 2 else reversed(ways):
            taken[way].append(median([_timed(clients[way]) for _ in range(IN_TURN)]))
    return taken


def _timed(client: LightClient) -> float:
    begun = time.perf_counter()
    client.call()
    while (served := client.read()) is None:
        pass
    if not served:
        raise RuntimeError("the agent has refused a call")
    return time.perf_counter() - begun


def pictures(rounds: int, cycle: float, form: str) -> None:
    """Tell what keeping every picture adds to the slowest calls."""
    for width, height in SIZES:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            models = Path(folder) / "models"
            manifest = light_component(models, width, height)
            clients, processes = {}, {}
            flags = {
                "records": [],
                "and every picture": ["--keep-mib", "64", "--keep", "near=.999", "--keep-format", form],
            }
            for way, given in flags.items():
                address, pid = stack.enter_context(daemon(models, *given, "--metrics", _address(folder, way)))
                with Client(address) as control:
                    control.start(manifest.name)
                clients[way] = BareClient(address, manifest, cookie_picture(width, height))
                stack.callback(clients[way].close)
                processes[way] = _processes(pid)
            before = {way: _spent(found) for way, found in processes.items()}
            taken = in_blocks(clients, rounds, CALLS, PAUSE_SECONDS, cycle)
            made = (rounds + 1) * CALLS
            pace = f"one every {cycle * 1e3:.0f} ms" if cycle else "as fast as answers come"
            print(f"  {width}x{height}, {rounds} blocks of {CALLS} calls each, {pace}, kept as {form}")
            for way, blocks in taken.items():
                samples = [sample for block in blocks for sample in block]
                p50, p99 = median(samples) * 1e3, quantile(samples, 0.99) * 1e3
                spent = _spent(processes[way])
                shares = (f"{name} {(spent[name] - before[way][name]) / made * 1e6:.0f}" for name in spent)
                print(f"    {way:17}  p50 {p50:.3f} ms  p99 {p99:.3f} ms  processor, us: {', '.join(shares)}")
            on, kept = taken.values()
            tail = tail_difference(on, kept, 0.99)
            print(f"    pictures add {with_interval(tail, 1e3, '.3f')} ms at p99; {_pictures(folder)}", flush=True)


def _processes(front: int) -> dict[str, int]:
    """Find a daemon's processes by what they are."""
    found = {"front": front}
    for child in psutil.Process(front).children():
        words = " ".join(child.cmdline())
        found["records" if "records.process" in words else "pictures" if "pictures.process" in words else "worker"] = (
            child.pid
        )
    return found


def _spent(processes: dict[str, int]) -> dict[str, float]:
    return {name: processor_seconds(pid) for name, pid in processes.items()}


def _address(folder: str, way: str) -> str:
    return f"unix://{folder}/{way.replace(' ', '-')}.sock"


def _pictures(folder: str) -> str:
    """Tell how many pictures the last daemon has kept, and how many it skipped."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(_address(folder, "and every picture").removeprefix("unix://"))
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        lines = asking.makefile().read().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("edge_agent_") and "_pictures_total" in line)
    kept, skipped = (int(float(found[f"edge_agent_{what}_pictures_total"])) for what in ("kept", "skipped"))
    return f"{kept} were kept and {skipped} skipped"


async def fill(folder: Path, seconds: float) -> None:
    """Have verdicts written at the rate of a fast line."""
    recorder = Recorder(RecordsOptions(folder=str(folder), days=90, mib=1024, log_level="warning"))
    recorder.open()
    verdict = Verdict(True, 0.9, 0.9, 0.5, (Area("background", "#FFFFFF", 0.9), Area("crack", "#23A436", 0.1)))
    note = recorder.noting(
        lambda *_: None, model="cookies", version="1.0.0", size=SIZES[0], origin=Origin(1000, 42, "line", "A-1")
    )
    begun = told = time.monotonic()
    count = 0
    while (now := time.monotonic()) - begun < seconds:
        while count < (now - begun) * RATE:
            note(verdict, None)
            count += 1
        if now - told > seconds / 12:
            told = now
            memory = psutil.Process(recorder.pid).memory_info().rss / (1 << 20)
            size = _size(folder) / (1 << 20)
            print(
                f"  after {now - begun:5.0f} s: {count} verdicts, process {memory:.1f} MiB, files {size:.1f} MiB",
                flush=True,
            )
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
                    {"crack": 0.1} if number % 50 == 0 else {}, *SIZES[0], 3.0, 1000, 42, "line", "", "",
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
    parser.add_argument(
        "what", nargs="?", choices=("call", "pictures", "fill", "count"), default="call", help="else: call"
    )
    parser.add_argument("--pairs", type=int, default=12, help="of daemons, of call [12]")
    parser.add_argument("--model", choices=tuple(_MODELS), default="empty", help="of call [empty]")
    parser.add_argument("--alike", action="store_true", help="no records in either daemon of a pair, of call")
    parser.add_argument("--rounds", type=int, default=40, help="of a block for each daemon, of pictures [40]")
    parser.add_argument("--cycle", type=float, default=0.0, help="milliseconds from call to call, of pictures [0]")
    parser.add_argument("--format", choices=("png", "jpeg"), default="png", help="of kept pictures, of pictures [png]")
    parser.add_argument("--minutes", type=float, default=4.0, help="of fill [4]")
    parser.add_argument("--millions", type=int, default=1, help="of records to be counted [1]")
    given = begin(parser)
    print(machine())
    if given.what == "call":
        call(given.pairs, given.model, given.alike)
        return
    if given.what == "pictures":
        pictures(given.rounds, given.cycle / 1e3, given.format)
        return
    with tempfile.TemporaryDirectory() as folder:
        if given.what == "fill":
            asyncio.run(fill(Path(folder) / "records", given.minutes * 60))
        else:
            count(Path(folder) / "year", given.millions)


if __name__ == "__main__":
    main()
