"""S3's calls, path style, as a table: GET, HEAD, PUT, POST and DELETE of `/`, `/BUCKET` and `/BUCKET/KEY`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage import listing, parts, reading, writing
from edge_agent.studio.aws.storage.answers import as_refused, refusal
from edge_agent.studio.aws.storage.asked import Asked
from edge_agent.studio.aws.storage.body import ChunkSignatures, check_signed_content, receive
from edge_agent.studio.aws.storage.buckets import Buckets
from edge_agent.studio.aws.trail import ServiceTrail

_MOST_DOCUMENT = 4 << 20
_Level = Literal["service", "bucket", "object"]
#: of calls that only read, those are audited that were refused with these
_DENIED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
#: what S3 can be asked beside objects, and this storage can't
_NOT_HERE = (
    "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
    "legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
    "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging",
    "torrent", "versioning", "versions", "website",
)  # fmt: skip


class Sender(NamedTuple):
    """Who asks, and what checks the signatures of chunks, where the content is signed piece by piece."""

    name: str
    chunks: ChunkSignatures | None


NOBODY = Sender("", None)
#: Says who asks and whether they may do what the call's name says: read (False) or write (True). Raises ServiceRefused.
Authorize = Callable[[Request, str, bool], Awaitable[Sender]]


class Call(NamedTuple):
    """A call: how it is recognised, and what answers it."""

    name: str
    method: str
    level: _Level
    run: Callable[[Asked], Response]
    #: what the query has
    query: str = ""
    #: a header that the request has
    header: str = ""
    #: its content is an object's, received into a file
    receives: bool = False
    #: it is a piece of a larger call, which has an entry in the trail
    is_part: bool = False

    @property
    def writes(self) -> bool:
        """Tell whether it changes something."""
        return self.method not in ("GET", "HEAD")


#: the first that fits is meant
CALLS = (
    Call("ListBuckets", "GET", "service", listing.list_buckets),
    Call("HeadBucket", "HEAD", "bucket", writing.head_bucket),
    Call("CreateBucket", "PUT", "bucket", writing.make_bucket),
    Call("DeleteBucket", "DELETE", "bucket", writing.remove_bucket),
    Call("DeleteObjects", "POST", "bucket", writing.delete_many, query="delete"),
    Call("GetBucketLocation", "GET", "bucket", listing.location, query="location"),
    Call("ListMultipartUploads", "GET", "bucket", parts.list_uploads, query="uploads"),
    Call("ListObjects", "GET", "bucket", listing.list_objects),
    Call(
        "UploadPartCopy", "PUT", "object", parts.copy_part, query="uploadId", header="x-amz-copy-source", is_part=True
    ),
    Call("UploadPart", "PUT", "object", parts.put_part, query="uploadId", receives=True, is_part=True),
    Call("CopyObject", "PUT", "object", writing.copy, header="x-amz-copy-source"),
    Call("PutObject", "PUT", "object", writing.put, receives=True),
    Call("ListParts", "GET", "object", parts.list_parts, query="uploadId"),
    Call("GetObject", "GET", "object", reading.give),
    Call("HeadObject", "HEAD", "object", reading.give),
    Call("CreateMultipartUpload", "POST", "object", parts.begin, query="uploads"),
    Call("CompleteMultipartUpload", "POST", "object", parts.complete, query="uploadId"),
    Call("AbortMultipartUpload", "DELETE", "object", parts.abort, query="uploadId"),
    Call("DeleteObject", "DELETE", "object", writing.delete),
)


class Storage:
    """Answers S3's calls over the buckets."""

    def __init__(self, buckets: Buckets, authorize: Authorize, trail: ServiceTrail | None = None) -> None:
        """With a `trail` there is an entry for each call that writes, and for each that its sender may not make."""
        self._buckets = buckets
        self._authorize = authorize
        self._trail = trail

    async def answer(self, request: Request) -> Response:
        """Answer one request; what goes wrong becomes an answer too."""
        path = request.scope["raw_path"].decode("latin-1").split("?")[0]
        request_id = secrets.token_hex(8).upper()
        turn = _Turn()
        try:
            response = await self._run(request, turn)
            self._note(request, turn, "ok")
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            refused = as_refused(error)
            self._note(request, turn, refused.code, str(refused))
            response = refusal(refused, unquote(path, errors="replace"), request_id, has_body=request.method != "HEAD")
            if request.method in ("PUT", "POST"):
                response.headers["connection"] = "close"  # what follows of the content is not read
        response.headers["x-amz-request-id"] = request_id
        return response

    async def _run(self, request: Request, turn: _Turn) -> Response:
        bucket, key = turn.bucket, turn.key = _split(request.scope["raw_path"].decode("latin-1").split("?")[0])
        text = request.scope["query_string"].decode("latin-1")
        query = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
        call = turn.call = _call(request, "object" if key else "bucket" if bucket else "service", query)
        turn.sender = await self._authorize(request, call.name, call.writes)
        asked = Asked(self._buckets, bucket, key, query, request.headers, has_body=request.method != "HEAD")
        if not call.receives:
            document = turn.document = await _document(request)
            return await run_in_threadpool(call.run, asked._replace(document=document))
        await run_in_threadpool(writing.check_may_write, asked)
        with asked.objects.receiving() as file:
            received = await receive(request, file, turn.sender.chunks)
            return await run_in_threadpool(call.run, asked._replace(file=file, received=received))

    def _note(self, request: Request, turn: _Turn, outcome: str, details: str = "") -> None:
        call = turn.call
        done = outcome == "ok"
        if self._trail is None or call is None or not (call.writes or outcome in _DENIED) or (call.is_part and done):
            return
        keys = writing.keys_of(turn.document) if done and call.name == "DeleteObjects" else [turn.key]
        for key in keys:
            what = "s3://" + "/".join(filter(None, (turn.bucket, key)))
            client = request.client.host if request.client else ""
            self._trail.note(call.name, what, turn.sender.name, client, outcome, details)


class _Turn:
    """What is known of a request as far as it has come."""

    call: Call | None = None
    sender = NOBODY
    bucket = key = ""
    document = b""


def _call(request: Request, level: _Level, query: dict[str, str]) -> Call:
    for name in _NOT_HERE:
        if name in query:
            raise ServiceRefused("NotImplemented", f"{request.method} ?{name} is not part of this storage")
    for call in CALLS:
        fits = (call.method, call.level) == (request.method, level)
        if fits and (not call.query or call.query in query) and (not call.header or call.header in request.headers):
            return call
    raise ServiceRefused("MethodNotAllowed", f"{request.method} of a {level} is no call of this storage")


def _split(path: str) -> tuple[str, str]:
    """Split a request's path before it is decoded: a key may hold an encoded '/' as well as a plain one."""
    bucket, _, key = path.removeprefix("/").partition("/")
    try:
        return unquote(bucket, errors="strict"), unquote(key, errors="strict")
    except UnicodeDecodeError:
        raise ServiceRefused("InvalidURI", f"{path[:100]} is not UTF-8") from None


async def _document(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MOST_DOCUMENT:
            raise ServiceRefused("EntityTooLarge", f"the document has more than {_MOST_DOCUMENT >> 20} MiB")
    check_signed_content(request.headers, hashlib.sha256(content).hexdigest())
    return bytes(content)
