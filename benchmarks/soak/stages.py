"""A soak in stages: the first thousand calls, then as many stages as the table has lines, each looked at when at rest.

During a stage the clients call and trouble is made. Between stages nobody calls, the same models run and the same
connections are open, so that what is held then can be compared.
"""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.held import Held, held, zombies
from benchmarks.rig import median, quantile
from benchmarks.soak.client import Told
from benchmarks.soak.clients import ClientProcess, SoakFailed
from benchmarks.soak.trouble import Models, Trouble

_PAUSE = 0.25  # seconds between one trouble and the next
_LATE = 60.0  # seconds after which a call is not answered any more
_CLOSING = 30.0  # seconds for the last of a connection that a client has closed, and of a mapping that nobody uses
_STILL = 0.1  # seconds without a change, after which nothing is taken to be closing any more
_SLACK = 5.0  # seconds by which a client's clock may run after what was done to a worker: the cores are busy


class Row(NamedTuple):
    """What a stage came to; times in seconds."""

    #: calls that were answered since the beginning
    calls: int
    elapsed: float
    #: of the stage alone
    seconds: float
    p50: float
    p99: float
    #: calls that a killed worker did not answer, since the beginning
    lost: int
    front: Held
    #: the steady model's
    worker: Held
    zombies: int
    #: those that the clients have made, and those that the agent has open
    segments: int

    def as_fields(self) -> dict[str, Any]:
        """Return it for another program."""
        return {**self._asdict(), "front": self.front._asdict(), "worker": self.worker._asdict()}


class Soak:
    """Runs the stages."""

    def __init__(self, front: int, clients: Sequence[ClientProcess], trouble: Trouble, until: float) -> None:
        """Make trouble and have `clients` call, no longer than the monotonic clock says `until`."""
        self._front, self._clients, self._trouble, self._until = front, clients, trouble, until
        (worker,) = trouble.workers(Models().steady)
        self._worker = worker.pid
        self._begun = time.monotonic()
        self._calls = self._lost = 0
        self._descriptors = 0  # of the front, when it was first at rest

    def rows(self, calls: int, first: int, count: int, kinds: Sequence[Callable[[], None]]) -> Iterator[Row]:
        """Yield a row after the `first` calls, in which every kind of trouble is made once, and then `count` others.

        Raises:
            SoakFailed: a call or the daemon did what it must not.
        """
        yield self._stage(first, iter(kinds), whole=True)
        again = itertools.cycle(kinds)
        for number in range(count):
            share = (calls - first) * (number + 1) // count - (calls - first) * number // count
            yield self._stage(share, again, whole=False)
            if time.monotonic() >= self._until:
                return

    def _stage(self, calls: int, kinds: Iterator[Callable[[], None]], *, whole: bool) -> Row:
        begun = time.monotonic()
        for number, client in enumerate(self._clients):
            client.begin(calls // len(self._clients) + (number < calls % len(self._clients)), self._until)
        told = self._wait(kinds)
        seconds = time.monotonic() - begun
        if whole:
            for kind in kinds:
                kind()
        self._trouble.settle()
        for name, when in (unanswered for one in told for unanswered in one["unanswered"]):
            if not any(outage.begun <= when <= outage.ended + _SLACK for outage in self._trouble.outages):
                raise SoakFailed(f"a call ended with {name} though no worker had been killed")
        self._calls += sum(one["answered"] for one in told)
        self._lost += sum(len(one["unanswered"]) for one in told)
        return self._look(seconds, [micro / 1e6 for one in told for micro in one["taken"]])

    def _wait(self, kinds: Iterator[Callable[[], None]]) -> list[Told]:
        """Make trouble until every client has finished."""
        told: list[Told] = []
        busy = list(self._clients)
        latest = self._until + _LATE
        while busy:
            for client in select.select(busy, [], [], _PAUSE)[0]:
                told.append(client.result())
                busy.remove(client)
            kind = next(kinds, None) if busy else None
            if kind is not None:
                kind()
            if time.monotonic() > latest:
                raise SoakFailed(f"a call has not been answered for {_LATE:g} s")
        return told

    def _look(self, seconds: float, taken: list[float]) -> Row:
        (worker,) = self._trouble.workers(Models().steady)
        if worker.pid != self._worker:
            raise SoakFailed("the steady model has another worker, though nobody had touched the first")
        self._wait_for_closing()
        front, serving = held(self._front), held(self._worker)
        return Row(
            self._calls,
            time.monotonic() - self._begun,
            seconds,
            median(taken),
            quantile(taken, 0.99),
            self._lost,
            front,
            serving,
            zombies(self._front),
            sum(len(client.segments()) for client in self._clients) + front.segments + serving.segments,
        )

    def _wait_for_closing(self) -> None:
        """Wait until connections that were closed are closed in the front too, and the worker has let segments go.

        It keeps them mapped for some seconds after the last call. What is left is for the verdict.
        """
        end = time.monotonic() + _CLOSING
        before = -1
        while (
            (now := held(self._front).descriptors) != before
            or 0 < self._descriptors < now
            or held(self._worker).segments
        ):
            if time.monotonic() > end:
                return
            before = now
            time.sleep(_STILL)
        self._descriptors = self._descriptors or now
