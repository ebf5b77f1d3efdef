"""Answers of the service's API as HTTP; the one place where its errors get a status."""

from __future__ import annotations

import logging
import uuid

import msgspec
from starlette.responses import Response

from edge_agent.errors import EdgeAgentError, ServiceRefused
from edge_agent.studio.aws.call import Answer
from edge_agent.studio.aws.table.errors import ERRORS

log = logging.getLogger(__name__)

_STATUS = {name: error.status for name, error in ERRORS.items()} | {
    "IncompleteSignatureException": 400,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "SerializationException": 400,
    "UnknownOperationException": 404,
    "RequestEntityTooLargeException": 413,
}
_JSON = "application/json"


def answer(content: Answer, status: int) -> Response:
    """Make an answer of what an operation gave."""
    return _response(msgspec.json.encode(content), status)


def as_refused(error: Exception) -> ServiceRefused:
    """Make an error one of the service's."""
    if isinstance(error, ServiceRefused):
        return error
    if isinstance(error, EdgeAgentError):
        return ServiceRefused("ValidationException", str(error))
    log.error("a defect of the service's API", exc_info=error)
    return ServiceRefused("InternalServerException", f"a defect: {type(error).__name__}; the log has more")


def refusal(error: ServiceRefused) -> Response:
    """Make an answer of an error: its name in a header, its members in the body."""
    members = dict(error.members)
    headers = {"x-amzn-ErrorType": error.code}
    if "RetryAfterSeconds" in members:
        headers["Retry-After"] = str(members.pop("RetryAfterSeconds"))
    content = {"Message": str(error), **members}
    response = _response(msgspec.json.encode(content), _STATUS.get(error.code, 400))
    response.headers.update(headers)
    return response


def _response(content: bytes, status: int) -> Response:
    return Response(
        content, status, {"x-amzn-RequestId": str(uuid.uuid4()), "cache-control": "no-store"}, media_type=_JSON
    )
