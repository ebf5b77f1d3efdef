"""The bystander: a model whose steady client must never see what happens to others, and what that client saw."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.faults.steady import RIGHT, Plan
from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import GREEN, U8, write_echo

NAME = "bystander"
_SETTLED = 3  # answers before and after what is watched: it has begun, and is over


class Samples(NamedTuple):
    """Pictures with the answers that are known for them; uint8 [n, height, width, 3] and [n]."""

    pictures: U8
    masks: U8
    scores: np.ndarray[tuple[int], np.dtype[np.float64]]

    def save(self, path: Path) -> None:
        """Write what the steady client reads."""
        np.savez(path, pictures=self.pictures, masks=self.masks, scores=self.scores)


class Record(NamedTuple):
    """One answer, as the steady client writes it down."""

    begun: float
    seconds: float
    outcome: str


class Figures(NamedTuple):
    """What the steady client saw while something happened; seconds."""

    calls: int
    wrong: int
    lost: int
    longest: float


def write_bystander(models: Path, width: int = 96, height: int = 64) -> Samples:
    """Write an echo component that answers with what it is shown, and pictures that all have different answers."""
    write_echo(models, NAME, width, height)
    steps = np.random.default_rng(0).integers(0, 256, (8, height // 8, width // 8, 1))
    pictures = steps.repeat(8, 1).repeat(8, 2).repeat(3, 3).astype(np.uint8)
    green = np.frombuffer(bytes.fromhex(GREEN[1:]), np.uint8)
    masks = np.where(pictures[..., :1] > 127, green, np.uint8(255))
    return Samples(pictures, masks, pictures.mean(axis=(1, 2, 3)) / 255)


class Bystander:
    """The steady client's process."""

    def __init__(self, socket: str, model: str, samples: Samples, folder: Path, *, shm: Path, rhythm: float) -> None:
        self.model = model
        samples.save(folder / "samples.npz")
        self._segments = [shm / f"edge-agent-test-{folder.name}-{time.monotonic_ns()}-{kind}" for kind in ("in", "out")]
        self._records = folder / "records"
        self._records.touch()
        self._seen: list[Record] = []
        self._read = 0
        bitmap, mask = (path.name for path in self._segments)
        plan = Plan(socket, model, str(folder / "samples.npz"), str(shm), bitmap, mask, str(self._records), rhythm)
        # A session of its own, as an application is that runs as a service.
        command = [sys.executable, "-m", "tests.faults.steady", json.dumps(plan)]
        self._process = subprocess.Popen(command, start_new_session=True)

    def records(self) -> list[Record]:
        """Give all answers so far."""
        assert self._process.poll() is None, "the steady client has ended"
        with self._records.open() as file:
            file.seek(self._read)
            for line in iter(file.readline, ""):
                if not line.endswith("\n"):  # it is being written
                    break
                self._seen.append(Record(*json.loads(line)))
                self._read += len(line)
        return self._seen

    def answered(self, count: int, since: float) -> None:
        """Wait for so many right answers to calls that begin from now on, or `since` a moment."""
        wait_until(
            lambda: sum(1 for record in self.records() if record.begun >= since and record.outcome == RIGHT) >= count,
            f"the steady client has {count} right answers: {self.records()[-3:]}",
        )

    def quiet_median(self, calls: int) -> float:
        """Let it be served for a while, and give the median of its answers' times, in seconds."""
        begun = time.monotonic()
        self.answered(calls, begun)
        return statistics.median(record.seconds for record in self.records() if record.begun >= begun)

    @contextlib.contextmanager
    def watched(self, figures: list[Figures], may_lose: Collection[str] = ()) -> Iterator[None]:
        """Add to `figures` what the client sees: no answer may be wrong, none lost but by the codes in `may_lose`."""
        begun = time.monotonic()
        self.answered(_SETTLED, begun)
        yield
        self.answered(_SETTLED, time.monotonic())
        records = [record for record in self.records() if record.begun >= begun]
        wrong = [record for record in records if record.outcome.startswith("wrong")]
        lost = [record for record in records if record not in wrong and record.outcome != RIGHT]
        longest = max(record.seconds for record in records)
        figures.append(Figures(len(records), len(wrong), len(lost), longest))
        assert not wrong, wrong
        assert not (unexpected := [record for record in lost if record.outcome not in may_lose]), unexpected

    def close(self) -> None:
        """End the client and unlink its segments."""
        self._process.terminate()
        self._process.wait()
        for path in self._segments:
            with contextlib.suppress(OSError):  # its /dev/shm may have gone with the daemon
                path.unlink()


@contextlib.contextmanager
def steady_client(
    daemon: Daemon, model: str, samples: Samples, folder: Path, *, shm: Path = Path("/dev/shm"), rhythm: float = 0.02
) -> Iterator[Bystander]:
    """Start a model and its steady client, and wait until it is served."""
    wait_until(lambda: model in daemon.stub.listed(), "the bystander's component is noticed")
    daemon.stub.start(model)
    client = Bystander(daemon.socket, model, samples, folder, shm=shm, rhythm=rhythm)
    try:
        client.answered(1, 0.0)
        yield client
    finally:
        client.close()
