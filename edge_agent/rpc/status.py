"""The one place where our errors become gRPC status codes; the table is that of docs/api.md."""

from __future__ import annotations

import grpc

from edge_agent import errors

_CODES: dict[type[errors.EdgeAgentError], grpc.StatusCode] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ModelNotFound: grpc.StatusCode.NOT_FOUND,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OutOfMemory: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.WrongState: grpc.StatusCode.FAILED_PRECONDITION,
    errors.InternalError: grpc.StatusCode.INTERNAL,
    errors.CallExpired: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def status_of(error: errors.EdgeAgentError) -> grpc.StatusCode:
    """Return the status code of an error, or of the nearest of its base classes that has one."""
    for cls in type(error).__mro__:
        if cls in _CODES:
            return _CODES[cls]
    return grpc.StatusCode.INTERNAL
