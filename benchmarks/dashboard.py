"""How long the studio's dashboard takes over a year of records: `python -m benchmarks.dashboard [MILLIONS [FOLDER]]`.

Writes ten million records of two models (or so many as are told) as the agent does, unless FOLDER has them already, and
asks for the figures as the page does. Claim: every time and every list within 300 ms.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.beginning import begin, command_line
from benchmarks.rig import machine
from edge_agent.records.record import Record
from edge_agent.records.store.schema import DAY, FILE_NAME
from edge_agent.records.store.writer import RecordWriter
from edge_agent.studio.watching.dashboard import SPANS, Figures, Wanted
from edge_agent.studio.watching.records import RecordFilter, Records

_BATCH = 10_000
_LABELS = ("scratch", "dent", "stain", "missing hole")


def write(folder: Path, millions: float) -> None:
    """Write a year of records that ends now."""
    rng = random.Random(1)
    writer = RecordWriter(folder, days=36_500, mib=1 << 20)
    count = round(millions * 1_000_000)
    step, first = 365 * DAY // count, time.time_ns() // 1000 - 365 * DAY
    begun = time.monotonic()
    for start in range(0, count, _BATCH):
        batch = []
        for number in range(start, min(start + _BATCH, count)):
            at, bad = first + number * step, rng.random() < 0.02
            score = rng.betavariate(9, 3) if bad else rng.betavariate(1.6, 14)
            areas = {rng.choice(_LABELS): 0.01} if score >= 0.5 else {}
            batch.append(
                Record(
                    at, at, ("flange", "lid")[number % 2], "1.0.0", score >= 0.5, score, 0.5, max(score, 1 - score),
                    areas, 640, 480, rng.lognormvariate(2.3, 0.3), 1000, 42, "line", "", "",
                )
            )  # fmt: skip
        writer.write(batch)
    writer.close()
    print(f"  {count} records written in {time.monotonic() - begun:.0f} s")


def told(what: str, ask: Callable[[], object]) -> None:
    """Say how long the slowest of five answers took, the first included."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - begun) * 1e3)
    print(f"  {what:34} first {taken[0]:5.0f} ms, slowest {max(taken):5.0f} ms, fastest {min(taken):5.0f} ms")


def main() -> None:
    parser = command_line("dashboard", __doc__)
    parser.add_argument("millions", nargs="?", type=float, default=10.0, help="of records, else 10")
    parser.add_argument("folder", nargs="?", type=Path, help="where they are, or are put to stay")
    given = begin(parser)
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        state = given.folder or Path(temporary)
        if not (state / "records" / FILE_NAME).exists():
            write(state / "records", given.millions)
        records = Records(state)
        figures = Figures(records, lambda name, version: None)
        now = time.time()
        for model in ("", "flange"):
            for span in SPANS:
                wanted = Wanted(model=model, span=span)  # type: ignore[arg-type]  # it is one of them
                told(f"{model or 'all models'}, {span}", partial(figures.dashboard, wanted))
        told("a year by day", lambda: figures.dashboard(Wanted(span="", since=now - 365 * 86_400, by="day")))
        year = Wanted(span="", since=now - 365 * 86_400, only="14:00")
        told("a year, one shift", lambda: figures.dashboard(year))
        told("6 months, one shift", lambda: figures.dashboard(Wanted(span="6m", only="14:00")))
        hour = RecordFilter(model="flange", since=now - 200 * 86_400, until=now - 200 * 86_400 + 3600)
        told("an hour 200 days ago, its records", lambda: records.page(hour, "", 60))
        told("the newest anomalies", lambda: records.page(RecordFilter(verdict="anomaly"), "", 60))


if __name__ == "__main__":
    main()
