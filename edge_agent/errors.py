"""Everything that can go wrong and that a caller may want to tell apart.

    EdgeAgentError
    ├── InvalidRequest            a name, size, bitmap or segment that was refused
    ├── ModelNotFound             no component of that name
    ├── NotPermitted              a call that the client's user may not make
    ├── Overloaded                the queue is full, or the deadline can't be met
    ├── OutOfMemory               not enough memory to start a model
    ├── WrongState                the model's status does not allow the call
    ├── InternalError             a failure on our side
    │   ├── EngineFailed          the engine raised on this input
    │   │   └── EngineLost        and will on every other: its process has to be replaced
    │   ├── WorkerDied            the process that ran the call is gone
    │   ├── NotReady              a model took too long to start
    │   │   └── LoadingFailed     or did not get that far, for a reason that need not stay
    │   └── StopFailed            a model did not end by itself and was killed
    ├── CallExpired               nobody waits for the answer any more
    ├── ComponentError            a model component that can't be served
    ├── DatasetError              labelled pictures that can't be read or used
    ├── TrainingError             a model that can't be built or measured
    ├── PackagingError            a model that can't be packaged or published
    ├── SigningError              a key that can't be used
    ├── ImportFailed              a model that someone else made and that can't be made a component
    ├── StudioError               a request to the studio that was refused
    │   ├── NotThere              it names something that is not there
    │   ├── Conflict              somebody else was faster, or the name is taken
    │   ├── ServiceRefused        a call of the service's API, with the service's word for what is wrong
    │   ├── SignInNeeded          nobody is signed in
    │   └── RoleNeeded            the role of whoever is signed in does not allow it
    ├── SettingsError             a setting that was refused
    ├── RecordsError              records that can't be read, or that are not there
    ├── OutputError               a digital output that can't be used
    ├── AgentUnreachable          (client) nothing answers on the socket
    ├── CallFailed                (client) the agent answered with an error
    ├── NoSharedMemory            (client) no segment can be made for a picture
    ├── StateInUse                another agent keeps its state in this folder
    └── AddressInUse              another agent serves this socket

The text of each is one sentence that names the value that was refused and what was expected.
Which gRPC status an error becomes is decided in serving/rpc/status.py alone.
"""

from __future__ import annotations

import re

#: what would break a line, steer a terminal, or can't be sent as UTF-8
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 2000  # characters: a status message has to fit, with those of other models, into one answer


def one_line(text: str) -> str:
    """Make a text that may quote anything (a file's name, a key of a manifest) fit to be shown and sent."""
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    # An escape is longer than what it stands for.
    return _UNFIT.sub(lambda found: found.group().encode("unicode_escape").decode(), text)[:_LONGEST]


class EdgeAgentError(Exception):
    """Base class of the errors that edge-agent raises on purpose. Each argument is a line of its text."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(map(one_line, lines)))


class InvalidRequest(EdgeAgentError):
    """A value in a request was refused."""


class ModelNotFound(EdgeAgentError):
    """There is no model component of that name."""


class NotPermitted(EdgeAgentError):
    """The client's user may not make this call."""


class Overloaded(EdgeAgentError):
    """The call was refused at once because it could not be answered in time."""


class OutOfMemory(EdgeAgentError):
    """The device has too little memory left to start the model."""


class WrongState(EdgeAgentError):
    """The model's status does not allow the call."""


class InternalError(EdgeAgentError):
    """A failure that the caller did not cause."""


class EngineFailed(InternalError):
    """The engine could not execute the model on this input."""


class EngineLost(EngineFailed):
    """The engine can't execute anything any more; only a new process can."""


class WorkerDied(InternalError):
    """The worker process ended while it had the call."""


class NotReady(InternalError):
    """A model took longer to start than it may."""


class LoadingFailed(NotReady):
    """A library, or what else loads a model, failed: no fault of the component."""


class StopFailed(InternalError):
    """A model did not stop by itself and was killed."""


class CallExpired(EdgeAgentError):
    """The caller's deadline passed, or the caller went away, before the call was executed."""


class ComponentError(EdgeAgentError):
    """A model component can't be served; the text names the key, file or input that is wrong."""


class DatasetError(EdgeAgentError):
    """Labelled pictures can't be read or used; the text names the file, line or picture."""


class TrainingError(EdgeAgentError):
    """A model can't be built or measured; the text says what is missing."""


class PackagingError(EdgeAgentError):
    """A model can't be packaged or published; the text names the value or file."""


class SigningError(EdgeAgentError):
    """A component can't be signed, or a key can't be used; the text names the file."""


class ImportFailed(EdgeAgentError):
    """A model that someone else made can't be imported; the text says why, and what to do instead."""


class StudioError(EdgeAgentError):
    """A request to the studio was refused; the text names the value and what was expected."""


class NotThere(StudioError):
    """The project, picture, model or job that a request names does not exist."""


class Conflict(StudioError):
    """The request rests on what somebody else has changed meanwhile, or takes a name that is taken."""


class TooManyAttempts(StudioError):
    """Wrong passwords were given too often; the text says how long to wait."""


class ServiceRefused(StudioError):
    """A call of the service's API that was refused; `code` is the service's word, `members` what else it says of it."""

    def __init__(self, code: str, text: str, **members: object) -> None:
        super().__init__(text)
        self.code, self.members = code, members


class SignInNeeded(StudioError):
    """The studio asks who this is before it answers."""


class RoleNeeded(StudioError):
    """The role of the user does not allow the request."""


class SettingsError(EdgeAgentError):
    """A setting was refused; the text names it and where it came from."""


class RecordsError(EdgeAgentError):
    """Records can't be read or written, or there is none of that id; the text names the file or the id."""


class OutputError(EdgeAgentError):
    """A digital output that can't be used: no such line, somebody else has it, or a package is missing."""


class AgentUnreachable(EdgeAgentError):
    """No agent answers on the socket."""


class CallFailed(EdgeAgentError):
    """The agent answered a client's call with an error."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        #: the name of the gRPC status code, such as "NOT_FOUND"
        self.code = code


class NoSharedMemory(EdgeAgentError):
    """The client can't make a segment; the text says what /dev/shm lacks."""


class StateInUse(EdgeAgentError):
    """Another agent already keeps its state in this folder."""


class AddressInUse(EdgeAgentError):
    """Another agent already serves this socket."""
