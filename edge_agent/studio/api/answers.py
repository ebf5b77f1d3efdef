"""Errors and results as answers of HTTP; the one place where an error gets a status."""

from __future__ import annotations

import errno
import logging
import sqlite3
from typing import Any

import msgspec
from starlette.responses import FileResponse, Response

from edge_agent import errors
from edge_agent.studio.access.guard import SECURITY_HEADERS
from edge_agent.studio.api.call import Events, File, Raw
from edge_agent.studio.api.streams import EventStream

log = logging.getLogger(__name__)

_STATUS: dict[type[Exception], int] = {
    errors.NotThere: 404,
    errors.Conflict: 409,
    errors.SignInNeeded: 401,
    errors.RoleNeeded: 403,
    errors.TooManyAttempts: 429,
    errors.AgentUnreachable: 503,
    errors.EdgeAgentError: 400,
}
#: a page that a job has made holds its own scripts: it runs in a frame without an origin
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
)


def answer(result: Any) -> Response:
    """Make an answer of what an operation gave."""
    if isinstance(result, File):
        headers = {"cache-control": "no-cache" if result.changes else "private, max-age=604800, immutable"}
        if result.is_page:
            headers["content-security-policy"] = _PAGE_POLICY
        return FileResponse(result.path, media_type=result.media_type, headers=headers)
    if isinstance(result, Events):
        return EventStream(result)
    if isinstance(result, Raw):
        return Response(
            result.content, media_type=result.media_type, headers={"cache-control": "no-cache", **result.headers}
        )
    return Response(msgspec.json.encode(result), media_type="application/json", headers={"cache-control": "no-store"})


def refusal(error: Exception) -> Response:
    """Make an answer of an error."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _json(_STATUS[kind], str(error))
    if _is_full(error):
        return _json(
            507, "the disk of the data folder is full: what was sent is not saved, what was there is as it was"
        )
    log.error("a defect of the studio", exc_info=error)
    return _json(500, f"a defect of the studio: {type(error).__name__}; its log has more")


def _is_full(error: Exception) -> bool:
    # SQLITE_FULL has no class of its own.
    return (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or (
        isinstance(error, sqlite3.OperationalError) and "is full" in str(error)
    )


def _json(status: int, text: str) -> Response:
    content = msgspec.json.encode({"error": text})
    return Response(content, status, media_type="application/json", headers={"cache-control": "no-store"})


def secured(response: Response) -> Response:
    """Add the headers that every answer has."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
