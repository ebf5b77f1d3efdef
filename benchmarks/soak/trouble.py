"""What happens to a daemon while clients call it: one thing after the other, each brought to its end."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.held import workers
from benchmarks.rig import variant
from benchmarks.soak.clients import ClientProcess, SoakFailed
from edge_agent.client.client import Client
from edge_agent.device.bench.client import BenchClient
from edge_agent.serving.rpc.contract import METHODS

_PATIENCE = 180.0  # seconds for what takes one or two
_POLL = 0.01
_COMERS, _THEIR_CALLS = 8, 4


class Models(NamedTuple):
    """The names of the models of a soak."""

    #: nothing is done to it: every call is answered, by the same worker
    steady: str = "steady"
    #: serves as well, and is killed and changed over
    shaken: str = "shaken"
    #: is started, killed and stopped, and serves only then
    guest: str = "guest"


class Outage(NamedTuple):
    """From when until when, in seconds of the monotonic clock, a killed model could not answer."""

    begun: float
    ended: float


class Trouble:
    """Makes trouble, and counts it; every method raises SoakFailed where the daemon does not do what it must."""

    def __init__(self, socket: str, front: int, folder: Path, side: int) -> None:
        """Trouble the daemon `front` at `socket`, whose models lie in `folder` and take pictures of side x side."""
        self._socket, self._front, self._folder, self._side = socket, front, folder, side
        self._names = Models()
        self._control = Client(socket)
        self._pixels = bytes(side * side * 3)
        self._version = 0
        self.counts: Counter[str] = Counter()
        self.outages: list[Outage] = []

    def close(self) -> None:
        """Close its own connection."""
        self._control.close()

    def kinds(self) -> dict[str, Callable[[], None]]:
        """Return every kind of trouble by its name."""
        return {
            "come-and-go": self.come_and_go,
            "start-and-stop": self.start_and_stop,
            "change-over": self.change_over,
            "kill-guest": self.kill_guest,
            "vanish": self.vanish,
            "kill-serving": self.kill_serving,
        }

    def come_and_go(self) -> None:
        """Several clients connect, call and close; the last closes in the midst of a call."""
        for number in range(_COMERS):
            with self._client(self._names.steady) as client:
                for _ in range(_THEIR_CALLS):
                    for request in client.requests.values():
                        client.detect(request)
                if number == _COMERS - 1:
                    client.detect.future(client.requests["bytes"])
        self.counts["clients that came and went"] += _COMERS

    def vanish(self) -> None:
        """A client process is killed while it calls."""
        client = ClientProcess(self._socket, self._side, *self._names[:2])
        try:
            client.begin(2, time.monotonic() + _PATIENCE)
            client.result()
            client.begin(1_000_000, time.monotonic() + _PATIENCE)
        finally:
            client.vanish()
        self.counts["clients that were killed"] += 1

    def start_and_stop(self) -> None:
        """The guest is started, called and stopped."""
        self._control.start(self._names.guest)
        with self._client(self._names.guest) as client:
            for request in client.requests.values():
                client.detect(request)
        self._control.stop(self._names.guest)
        self.counts["starts and stops"] += 1

    def kill_guest(self) -> None:
        """The guest is started, its worker killed in a call; it comes back by itself, and is stopped."""
        self._control.start(self._names.guest)
        with self._client(self._names.guest) as client:
            (worker,) = self.workers(self._names.guest)
            worker.send_signal(signal.SIGSTOP)  # so that it has the call when it is killed
            call = client.detect.future(client.requests["shared memory"])
            client.channel.unary_unary(METHODS["ListModels"].path)(b"")  # answered after the call has arrived
            self._kill(self._names.guest, worker)
            if call.exception() is None:
                raise SoakFailed("a call was answered by a worker that had been stopped and killed")
        self._control.stop(self._names.guest)
        self.counts["workers killed"] += 1

    def kill_serving(self) -> None:
        """The worker that serves the shaken model is killed; the model comes back by itself."""
        (worker,) = self.workers(self._names.shaken)
        begun = time.monotonic()
        self._kill(self._names.shaken, worker)
        self.outages.append(Outage(begun, time.monotonic()))
        self.counts["serving workers killed"] += 1

    def change_over(self) -> None:
        """Another version of the shaken model appears and takes over; the one before the last is removed."""
        self._version += 1
        model = self._folder / self._names.shaken
        version, threshold = f"1.{self._version}.0", 0.5 + self._version % 400 / 1000
        before = model / f"1.{self._version - 1}.0"
        variant(before, model / ".next", version=version, threshold=threshold)
        (model / ".next").rename(model / version)
        with self._client(self._names.shaken) as client:

            def has_taken_over() -> bool:
                answer = client.detect(client.requests["shared memory"])
                return bool(abs(answer.detect_anomaly_result.anomaly_threshold - threshold) < 1e-6)

            self._wait_until(has_taken_over, f"version {version} of '{self._names.shaken}' answers")
        self._wait_until(lambda: len(self.workers(self._names.shaken)) == 1, "the old version's worker has ended")
        shutil.rmtree(before)
        self.counts["changeovers"] += 1

    def settle(self) -> None:
        """Wait until two workers are left, those of the models that serve."""
        self._wait_until(lambda: len(workers(self._front)) == 2, "the front has two workers, its two models'")

    def workers(self, model: str) -> list[psutil.Process]:
        """Return a model's worker processes."""
        found = []
        for pid in workers(self._front):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if model in process.cmdline():
                    found.append(process)
        return found

    def _kill(self, model: str, worker: psutil.Process) -> None:
        worker.kill()

        def is_back() -> bool:
            others = [process.pid for process in self.workers(model) if process.pid != worker.pid]
            return len(others) == 1 and self._control.describe(model).status == "RUNNING"

        self._wait_until(is_back, f"'{model}' is RUNNING again, with another worker")

    @contextlib.contextmanager
    def _client(self, model: str) -> Iterator[BenchClient]:
        client = BenchClient(self._socket, model, self._side, self._side, self._pixels)
        try:
            yield client
        finally:
            client.close()

    @staticmethod
    def _wait_until(condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise SoakFailed(f"waited {_PATIENCE:g} s in vain until {what}")
            time.sleep(_POLL)
