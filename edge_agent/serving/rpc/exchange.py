"""A call that has been received whole, until it is answered: what a handler gets, and how it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from edge_agent.errors import EdgeAgentError
from edge_agent.serving.observing.counts import Stages
from edge_agent.serving.rpc.framing import NO_NOTES, CallHeaders, Notes, RefusedCall
from edge_agent.serving.rpc.status import Code, code_of, reason_of
from edge_agent.serving.rpc.witness import Witness
from edge_agent.serving.workers.parcels import Parcel

log = logging.getLogger(__name__)


class ParcelMessage(NamedTuple):
    """A message that lies in a parcel, from `start` to `end`, with room before it for what gRPC puts there."""

    parcel: Parcel
    start: int
    end: int


#: what a call ends with
Reply = bytes | ParcelMessage | RefusedCall


class Exchange:
    """One call. It ends once: with an answer, an error, or because the client goes away."""

    __slots__ = (
        "_end",
        "_witness",
        "begun",
        "deadline",
        "ended",
        "inspection",
        "message",
        "model",
        "notes",
        "on_cancel",
        "parcel",
        "path",
        "traceparent",
    )

    def __init__(
        self,
        message: memoryview,
        parcel: Parcel | None,
        deadline: float | None,
        end: Callable[[Reply], None],
        notes: Notes = NO_NOTES,
    ) -> None:
        #: valid until the call ends
        self.message = message
        #: where it lies; None for a small one, and for one that was compressed
        self.parcel = parcel
        #: seconds of the monotonic clock; None when the client waits for ever
        self.deadline = deadline
        #: what the client says beside the message
        self.notes = notes
        #: what is done when the client goes away
        self.on_cancel: Callable[[], object] | None = None
        self.ended = False
        #: the model that it names, once that has been read
        self.model = ""
        self.path = b""
        #: when its headers came, in seconds of the monotonic clock
        self.begun = 0.0
        #: the trace that the client says it belongs to
        self.traceparent = b""
        #: when the model was given its picture, and where the time went
        self.inspection: tuple[float, Stages] | None = None
        self._end = end
        self._witness: Witness | None = None

    def seen_by(self, witness: Witness | None, headers: CallHeaders, begun: float) -> None:
        """Have a witness told of the end of this call with these headers, which began then."""
        self._witness, self.path, self.begun, self.traceparent = witness, headers.path, begun, headers.traceparent

    def took(self, submitted: float, stages: Stages) -> None:
        """Take note of where the time of its inspection went."""
        self.inspection = submitted, stages

    def begin(self, handler: Handler) -> None:
        """Give the call to its handler, and answer with the error that it raises."""
        try:
            handler(self)
        except Exception as error:
            self.fail(error)

    def run(self, work: Coroutine[None, None, bytes | None]) -> None:
        """Have a task do the work, and answer with what that returns, if anything."""
        task = asyncio.get_running_loop().create_task(self._run(work))
        task.add_done_callback(lambda _: work.close())  # cancelled before its first step, it would complain
        self.on_cancel = task.cancel

    async def _run(self, work: Coroutine[None, None, bytes | None]) -> None:
        try:
            answer = await work
        except asyncio.CancelledError:
            self._finish(RefusedCall(Code.UNAVAILABLE, "the agent ends"))
            raise
        except Exception as error:
            self.fail(error)
        else:
            if answer is not None:
                self.answer(answer)

    def answer(self, message: bytes | ParcelMessage) -> None:
        """Answer the call; of a parcel, whoever gives it here holds it no more."""
        self._finish(message)

    def fail(self, error: Exception) -> None:
        """Answer the call with an error; one that is none of ours is a defect, and logged."""
        if isinstance(error, EdgeAgentError):
            self._finish(RefusedCall(code_of(error), str(error), reason_of(error)))
            return
        log.error("a defect of the agent", exc_info=error)
        self._finish(RefusedCall(Code.UNKNOWN, f"a defect of the agent: {type(error).__name__}"))

    def refuse(self, refused: RefusedCall) -> None:
        """Answer the call with a status."""
        self._finish(refused)

    def cancel(self) -> None:
        """End the call without an answer: the client has gone, or does not want it any more."""
        if not self.ended:
            self.ended = True
            on_cancel, self.on_cancel = self.on_cancel, None
            if on_cancel is not None:
                on_cancel()
            if self._witness is not None:
                self._witness.ended(self, None)

    def _finish(self, reply: Reply) -> None:
        if not self.ended:
            self.ended = True
            # It usually leads back here: with it, what a call has made would stay until the garbage collector comes.
            self.on_cancel = None
            self._end(reply)
            if self._witness is not None:
                self._witness.ended(self, reply)
        elif isinstance(reply, ParcelMessage):
            reply.parcel.release()


#: Answers an exchange, at once or later; what it raises is the answer too.
Handler = Callable[[Exchange], None]
