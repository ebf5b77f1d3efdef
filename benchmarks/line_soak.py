"""A day of a line in minutes: does anything grow, and is every part decided as it must be?

    python -m benchmarks.line_soak                      # 86,400 parts, one a second for a day; a quarter of an hour
    python -m benchmarks.line_soak --parts 3000         # half a minute

Small pictures are put into a line's folder as fast as it takes them: normal ones, anomalous ones, and now and then a
black and a damaged one. The empty model inspects them; the line sets pins (files) and tells a file of events. Exits
with 1 and a sentence when a part is not decided, or otherwise than it must be, or when one of the line's two processes
holds more memory, files or threads at the end than after the first thousand parts, by more than this file says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.beginning import begin, command_line
from benchmarks.held import Held, children, held
from edge_agent.line.status import Status, read_status
from tests.support.daemon import running_daemon, wait_until
from tests.support.fakes import write_echo

SIDE = 64
FIRST = 1_000
#: pictures that wait in the folder at most
WAITING = 50
#: MB, as for the daemon (benchmarks/soak/verdict.py)
MEMORY = 4.0
#: of the events that wait, and of the one file of events before the last
FOLDER_MB = 8.0
ROWS = 10


class Row(NamedTuple):
    """What is held after so many parts."""

    parts: int
    seconds: float
    supervisor: Held
    inspecting: Held


class Soak:
    """A line, fed."""

    def __init__(self, folder: Path, socket: str) -> None:
        self.folder, self.pictures = folder, folder / "in"
        self.pictures.mkdir()
        self._samples = _samples(folder)
        (folder / "line.toml").write_text(
            f'name = "soak"\nsocket = "{socket}"\ncycle_ms = 5000\n[source]\nkind = "folder"\nfrozen_frames = 0\n'
            f'path = "{self.pictures}"\nafter = "delete"\n[model]\nname = "echo"\n[[pin]]\non = "able"\n'
            f'path = "{folder}/able"\n[[pin]]\non = "reject"\npath = "{folder}/reject"\npulse_ms = 1\n'
            f'[[event]]\nname = "file"\nsender = "file"\npath = "{folder}/events"\nmost_mib = 1\nnotices = true\n'
        )
        command = [sys.executable, "-m", "edge_agent", "line", str(folder / "line.toml")]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=os.environ | {"STATE_DIRECTORY": str(folder)}, stderr=log)
        able = folder / "able"
        wait_until(lambda: able.exists() and able.read_text() == "1\n", "the line can inspect")
        self.begun = time.monotonic()
        self.put = {"pass": 0, "reject": 0, "failed": 0}

    def feed(self, until: int) -> None:
        """Put pictures into the folder until there were so many, and wait until all are decided."""
        while (number := sum(self.put.values())) < until:
            if number % WAITING == 0:
                wait_until(lambda: len(os.listdir(self.pictures)) < WAITING, "the line keeps up")  # noqa: PTH208
            kind = {99: "black", 199: "damaged"}.get(number % 200, "bad" if number % 4 == 0 else "good")
            self.put[{"good": "pass", "bad": "reject"}.get(kind, "failed")] += 1
            new = self.folder / "new.bmp"
            new.hardlink_to(self._samples[kind])
            new.rename(self.pictures / f"{number:08}.bmp")
        wait_until(lambda: not os.listdir(self.pictures), "all are decided")  # noqa: PTH208

    def status(self) -> Status:
        """Read the counts of the line."""
        return read_status(self.folder / "lines" / "soak")

    def row(self) -> Row:
        """Look at the line's processes."""
        (child,) = children(self.process.pid)
        return Row(sum(self.put.values()), time.monotonic() - self.begun, held(self.process.pid), held(child))

    def close(self) -> None:
        """End the line."""
        self.process.terminate()
        self.process.wait()


def _samples(folder: Path) -> dict[str, Path]:
    made = {}
    for name, grey in (("good", 60), ("bad", 220), ("black", 1)):
        made[name] = folder / f"{name}.bmp"
        cv2.imwrite(str(made[name]), np.full((SIDE, SIDE, 3), grey, np.uint8))
    made["damaged"] = folder / "damaged.bmp"
    made["damaged"].write_bytes(made["good"].read_bytes()[:500])
    return made


def growths(first: Row, last: Row) -> Iterator[str]:
    """Say what has grown beyond its bound."""
    for name, before, after in (
        ("supervisor", first.supervisor, last.supervisor),
        ("inspecting process", first.inspecting, last.inspecting),
    ):
        if after.own - before.own > MEMORY:
            yield f"the {name}'s memory grew from {before.own:.1f} to {after.own:.1f} MB, by more than {MEMORY:g} MB"
        for what, one, other in (
            ("file descriptors", before.descriptors + 1, after.descriptors),  # the file of events, now and then
            ("threads", before.threads, after.threads),
            ("segments", before.segments, after.segments),
        ):
            if other > one:
                yield f"the {name}'s {what} grew from {one} to {other}"


def _wrong(soak: Soak) -> Iterator[str]:
    def counts() -> dict[str, int]:
        status = soak.status()
        return {"pass": status.passed, "reject": status.rejected, "failed": status.failed}

    wait_until(lambda: sum(counts().values()) == sum(soak.put.values()), "all parts are counted")
    if counts() != soak.put:
        yield f"the line counted {counts()}, expected {soak.put}"
    kept = sum(path.stat().st_size for path in soak.folder.rglob("*") if path.is_file()) / 1e6
    if kept > FOLDER_MB:
        yield f"the line's files are {kept:.1f} MB, expected {FOLDER_MB:g} MB at most"


def main() -> None:
    """Measure."""
    parser = command_line("line_soak", __doc__)
    parser.add_argument("--parts", type=int, default=86_400, help=f"more than {FIRST}")
    given = begin(parser)
    if given.parts <= FIRST:
        parser.error(f"--parts is {given.parts}, expected more than {FIRST}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_echo(folder / "models", width=SIDE, height=SIDE)
        with running_daemon(folder / "agent", "--model-dir", str(folder / "models")) as daemon:
            wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
            (folder / "line").mkdir()
            soak = Soak(folder / "line", daemon.socket)
            try:
                rows = []
                for parts in (FIRST, *(FIRST + (given.parts - FIRST) * (row + 1) // ROWS for row in range(ROWS))):
                    soak.feed(parts)
                    rows.append(soak.row())
                    row = rows[-1]
                    told = (f"{one.own:6.1f} MB {one.descriptors:3} files {one.threads:3} threads" for one in row[2:])
                    rate = row.parts / row.seconds
                    print(f"{row.parts:8} parts, {rate:5.1f} a second; two processes:", *told, flush=True)
                problems = [*growths(rows[0], rows[-1]), *_wrong(soak)]
            finally:
                soak.close()
    if problems:
        sys.exit("\n".join(problems))
    print("nothing has grown beyond its bound, and every part was decided rightly")


if __name__ == "__main__":
    main()
