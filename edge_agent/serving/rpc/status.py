"""gRPC's status codes, and the one place where our errors become one of them; the table is that of docs/api.md."""

from __future__ import annotations

import enum
import functools
import re

from edge_agent import errors


class Code(enum.IntEnum):
    """The codes that the agent answers with (https://grpc.github.io/grpc/core/md_doc_statuscodes.html)."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


_CODES: dict[type[errors.EdgeAgentError], Code] = {
    errors.InvalidRequest: Code.INVALID_ARGUMENT,
    errors.ModelNotFound: Code.NOT_FOUND,
    errors.NotPermitted: Code.PERMISSION_DENIED,
    errors.Overloaded: Code.RESOURCE_EXHAUSTED,
    errors.OutOfMemory: Code.RESOURCE_EXHAUSTED,
    errors.WrongState: Code.FAILED_PRECONDITION,
    errors.InternalError: Code.INTERNAL,
    errors.CallExpired: Code.DEADLINE_EXCEEDED,
}


@functools.cache
def _words(name: str) -> str:
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


def reason_of(error: errors.EdgeAgentError) -> str:
    """Return the word by which refusals with this error are counted, such as `wrong_state`."""
    return _words(type(error).__name__)


def code_of(error: errors.EdgeAgentError) -> Code:
    """Return the status code of an error, or of the nearest of its base classes that has one."""
    for cls in type(error).__mro__:
        if cls in _CODES:
            return _CODES[cls]
    return Code.INTERNAL
