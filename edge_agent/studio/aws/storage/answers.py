"""Answers in S3's XML, and the one place where a refusal gets a status of HTTP."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable
from datetime import datetime, timezone
from xml.sax.saxutils import escape

from starlette.responses import Response

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ServiceRefused

log = logging.getLogger(__name__)

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_STATUS = {
    "AccessDenied": 403,
    "BadDigest": 400,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "EntityTooLarge": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidRange": 416,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "XAmzContentSHA256Mismatch": 400,
}
#: what the file system says, in S3's words
_OF_SYSTEM = {
    errno.EACCES: "AccessDenied",
    errno.EPERM: "AccessDenied",
    errno.EROFS: "AccessDenied",
    errno.ENAMETOOLONG: "KeyTooLongError",
}

#: an element: its name, and its text or what is in it
Element = tuple[str, "str | Iterable[Element]"]


def xml(name: str, content: Iterable[Element], status: int = 200) -> Response:
    """Answer with a document."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{_NAMESPACE}">{"".join(map(_text, content))}</{name}>'
    )
    return Response(text, status, media_type="application/xml")


def as_refused(error: Exception) -> ServiceRefused:
    """Make an error one of S3's."""
    if isinstance(error, ServiceRefused):
        return error
    if isinstance(error, OSError):
        code = _OF_SYSTEM.get(error.errno or 0, "InternalError")
        return ServiceRefused(code, f"{f'{error.filename}: ' if error.filename else ''}{describe_refusal(error)}")
    log.error("a defect of the storage", exc_info=error)
    return ServiceRefused("InternalError", f"a defect of the storage: {type(error).__name__}; its log has more")


def refusal(error: ServiceRefused, resource: str, request_id: str, *, has_body: bool = True) -> Response:
    """Answer with an error."""
    status = _STATUS.get(error.code, 400)
    if not has_body:
        return Response(status_code=status)
    content = [("Code", error.code), ("Message", str(error)), ("Resource", resource), ("RequestId", request_id)]
    text = f"{_HEAD}<Error>{''.join(map(_text, content))}</Error>"
    return Response(text, status, media_type="application/xml")


def written_at(seconds: float) -> str:
    """Give a time, seconds since 1970, as S3 writes it in XML."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _text(element: Element) -> str:
    name, content = element
    inner = _escaped(content) if isinstance(content, str) else "".join(map(_text, content))
    return f"<{name}>{inner}</{name}>"


def _escaped(text: str) -> str:
    """Escape a text; what XML 1.0 has no way to say is left to `encoding-type=url`, and stands as a reference here."""
    return "".join(f"&#{ord(letter)};" if ord(letter) < 32 or letter == "\x7f" else letter for letter in escape(text))
