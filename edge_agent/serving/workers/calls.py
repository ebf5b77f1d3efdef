"""The calls of one model: what one is, and the bounded line in which calls wait for a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge_agent.access.peer import Peer
from edge_agent.errors import CallExpired, EdgeAgentError, Overloaded
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.verdict import Verdict
from edge_agent.serving.observing.counts import Stages
from edge_agent.serving.workers.parcels import Parcel


class Enclosed(NamedTuple):
    """Pixels that came inside a message."""

    pixels: memoryview
    #: where the message lies, and where in it the pixels begin; None when it is in no parcel
    parcel: Parcel | None = None
    start: int = 0


#: Takes the verdict and the mask, which lies in a parcel that the taker then holds, or (None) in the client's segment.
OnAnswer = Callable[[Verdict, Parcel | None], None]
#: Takes when the model was given the call, in seconds of the monotonic clock, and its stages.
OnStages = Callable[[float, Stages], None]


@dataclass(eq=False, slots=True)
class Call:
    """One picture to inspect. It ends once: with an answer, an error, or because its caller goes away."""

    bitmap: Place | Enclosed
    mask: Place | None
    #: seconds of the monotonic clock; None when the caller waits for ever
    deadline: float | None
    #: who asks: a place in shared memory has to be one that this client may open
    peer: Peer
    on_answer: OnAnswer
    on_error: Callable[[Exception], None]
    #: the client wants the picture to be kept
    keep: bool = False
    #: whom to tell where its time went, before it is answered
    on_stages: OnStages | None = None
    ended: bool = False
    #: when the model was given it, in seconds of the monotonic clock
    submitted: float = 0.0
    #: whom to tell that the caller has gone away
    on_cancel: Callable[[Call], None] | None = None

    @property
    def size(self) -> int:
        """Bytes of pixels that came with it."""
        return len(self.bitmap.pixels) if isinstance(self.bitmap, Enclosed) else 0

    def answer(self, verdict: Verdict, mask: Parcel | None) -> None:
        """End the call with an answer; nobody takes it when the call has ended."""
        if not self.ended:
            self.ended = True
            self.on_answer(verdict, mask)
        elif mask is not None:
            mask.release()

    def fail(self, error: EdgeAgentError) -> None:
        """End the call with an error, unless it has ended."""
        if not self.ended:
            self.ended = True
            self.on_error(error)

    def cancel(self) -> None:
        """End the call without a word: nobody waits for it any more."""
        if not self.ended:
            self.ended = True
            if self.on_cancel is not None:
                self.on_cancel(self)


class WaitingLine:
    """Calls that no worker has taken yet, first come, first served, bounded in number and in bytes."""

    def __init__(self, model: str, max_calls: int, max_bytes: int) -> None:
        self._model, self._max_calls, self._max_bytes = model, max_calls, max_bytes
        self._calls: deque[Call] = deque()
        self._bytes = 0
        #: how long a call takes a worker, in seconds: a moving average, None before the first
        self._seconds: float | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def observe(self, seconds: float) -> None:
        """Learn how long a call took."""
        self._seconds = seconds if self._seconds is None else self._seconds + 0.2 * (seconds - self._seconds)

    def join(self, call: Call, *, free: bool, workers: int, now: float) -> None:
        """Put a call at the end of the line; with a `free` worker it will not have to wait there.

        Raises:
            Overloaded: the line is full, or the calls before this one take longer than its caller will wait.
        """
        size = call.size
        if free:
            self._add(call, size)
            return
        if len(self._calls) >= self._max_calls or (self._calls and self._bytes + size > self._max_bytes):
            self._forget_finished()
        if len(self._calls) >= self._max_calls:
            raise Overloaded(
                f"model '{self._model}' has {len(self._calls)} calls waiting, its queue takes {self._max_calls}; "
                "send pictures more slowly"
            )
        if self._calls and self._bytes + size > self._max_bytes:
            raise Overloaded(
                f"model '{self._model}' has {self._bytes} bytes of pictures waiting, its queue takes "
                f"{self._max_bytes}; send pictures more slowly, or through shared memory"
            )
        # Judged only by the calls that wait: an estimate that refused a call to an idle model could never be corrected.
        if call.deadline is not None and self._calls and self._seconds is not None:
            wait = len(self._calls) * self._seconds / workers
            if now + wait > call.deadline:
                raise Overloaded(
                    f"the deadline in {max(0.0, call.deadline - now) * 1000:.0f} ms can't be met: the calls that wait "
                    f"for model '{self._model}' take {wait * 1000:.0f} ms"
                )
        self._add(call, size)

    def _add(self, call: Call, size: int) -> None:
        self._calls.append(call)
        self._bytes += size

    def next(self, now: float) -> Call | None:
        """Take the first call that somebody still waits for."""
        while self._calls:
            call = self._calls.popleft()
            self._bytes -= call.size
            if call.deadline is not None and call.deadline <= now:
                call.fail(CallExpired("the deadline passed while the call was waiting"))
            if not call.ended:
                return call
        return None

    def fail_all(self, error: EdgeAgentError) -> None:
        """End every waiting call with an error."""
        while self._calls:
            self._calls.popleft().fail(error)
        self._bytes = 0

    def _forget_finished(self) -> None:
        self._calls = deque(call for call in self._calls if not call.ended)
        self._bytes = sum(call.size for call in self._calls)
