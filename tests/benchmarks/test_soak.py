"""The soak: a short one finds nothing, each bound finds what it is for, and one that is ended leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.held import Held
from benchmarks.soak.stages import Row
from benchmarks.soak.verdict import MEMORY, P50, P99, growths
from tests.support.daemon import alive, wait_until

SOAK = [sys.executable, "-m", "benchmarks.soak", "--clients", "2", "--rows", "1"]


@pytest.mark.long
def test_a_short_soak_finds_that_nothing_has_grown(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [*SOAK, "--calls", "1200", "--trouble", "kill-serving", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "nothing has grown beyond its bound"
    measured = json.loads(figures.read_text())
    assert [row["calls"] for row in measured["rows"]] == [1000, 1200]
    assert measured["trouble"]["serving workers killed"] >= 1
    for row in measured["rows"]:
        assert row["zombies"] == 0
        assert 0 < row["p50"] <= row["p99"]
        assert row["segments"] == 9, "two clients with two segments for each of two models, and who watches the line"
        assert row["front"]["own"] > 5, "an interpreter has some memory of its own"


@pytest.mark.long
def test_a_short_soak_of_a_line_finds_that_nothing_has_grown() -> None:
    command = [sys.executable, "-m", "benchmarks.line_soak", "--parts", "1100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "nothing has grown beyond its bound, and every part was decided rightly"


@pytest.mark.long
def test_a_soak_that_is_ended_leaves_nothing_behind() -> None:
    with subprocess.Popen([*SOAK, "--trouble"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as soak:

        def segments() -> set[Path]:
            pids = {process.pid for process in psutil.Process(soak.pid).children()}
            return {
                path for path in Path("/dev/shm").glob("edge-agent-bench-*") if int(path.name.split("-")[4]) in pids
            }

        try:
            made = wait_until(segments, "its clients have made segments")
            started = wait_until(
                lambda: len(found := psutil.Process(soak.pid).children(recursive=True)) >= 5 and found,
                "the daemon with two workers, and two clients",
            )
            soak.send_signal(signal.SIGTERM)
            _, said = soak.communicate()
        finally:
            soak.kill()
    assert soak.returncode == 128 + signal.SIGTERM
    assert said == b""
    wait_until(lambda: not any(alive(process.pid) for process in started), "all that it started has ended")
    assert not [path for path in made if path.exists()]


HELD = Held(pss=40.0, own=30.0, resident=60.0, peak=60.0, descriptors=20, parcels=3, threads=3, segments=0)
FIRST = Row(1000, 1.0, 60.0, 0.001, 0.004, 0, HELD, HELD, 0, 16)
MORE = HELD._replace(own=HELD.own + MEMORY + 0.1)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (FIRST, ""),
        (FIRST._replace(front=HELD._replace(own=HELD.own + MEMORY - 0.1, pss=90.0)), ""),
        (FIRST._replace(front=MORE, calls=9000), "the front's memory grew from 30.0 to 34.1 MB, by more than 4 MB"),
        (FIRST._replace(worker=MORE), "the worker's memory grew"),
        (FIRST._replace(front=HELD._replace(descriptors=21)), "the front's file descriptors grew from 20 to 21"),
        (FIRST._replace(front=HELD._replace(threads=40)), "the front's threads grew from 3 to 40, by more than"),
        (FIRST._replace(worker=HELD._replace(descriptors=21)), "the worker's file descriptors grew from 20 to 21"),
        (FIRST._replace(worker=HELD._replace(threads=4)), "the worker's threads grew from 3 to 4"),
        (FIRST._replace(front=HELD._replace(parcels=16), worker=HELD._replace(parcels=16)), ""),
        (
            FIRST._replace(front=HELD._replace(parcels=17)),
            "the front has 17 parcels, more than 16, which 2 + 2 clients may need",
        ),
        (FIRST._replace(worker=HELD._replace(parcels=17)), "the worker has 17 parcels"),
        (FIRST._replace(zombies=1), "zombies grew from 0 to 1"),
        (FIRST._replace(segments=17), "segments in /dev/shm grew from 16 to 17"),
        (FIRST._replace(p50=0.00099 * P50, p99=0.0039 * P99), ""),
        (
            FIRST._replace(p50=0.0011 * P50),
            "p50 grew from 1.00 to 1.65 ms between the first and the last of 2 stages",
        ),
        (FIRST._replace(p99=0.0041 * P99), "p99 grew from 4.00 to 8.20 ms"),
        (FIRST._replace(p99=0.0041 * P99, seconds=2.0), ""),
    ],
)
def test_what_counts_as_growth(last: Row, expected: str) -> None:
    found = growths([FIRST, FIRST, last], 2)
    assert len(found) == (1 if expected else 0)
    assert all(sentence.startswith(expected) for sentence in found)
