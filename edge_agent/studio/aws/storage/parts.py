"""Objects that come in parts: the calls of a multipart upload."""

from __future__ import annotations

import hashlib

from starlette.responses import Response

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.answers import Element, written_at, xml
from edge_agent.studio.aws.storage.asked import Asked
from edge_agent.studio.aws.storage.body import md5_of
from edge_agent.studio.aws.storage.documents import name_of, parse, value_of
from edge_agent.studio.aws.storage.listing import quote_key
from edge_agent.studio.aws.storage.uploads import Uploads
from edge_agent.studio.aws.storage.writing import check_may_write, described_by, source_of

_PIECE = 1 << 20


def begin(asked: Asked) -> Response:
    """Answer CreateMultipartUpload."""
    upload = Uploads(asked.objects).begin(asked.key, described_by(asked.headers))
    content = [("Bucket", asked.bucket), ("Key", asked.key), ("UploadId", upload)]
    return xml("InitiateMultipartUploadResult", content)


def put_part(asked: Asked) -> Response:
    """Answer UploadPart with what has been received."""
    digest = asked.received.digest
    Uploads(asked.objects).add(asked.query["uploadId"], asked.key, _number(asked), asked.file, digest)
    return Response(headers={"etag": f'"{digest}"', **dict(asked.received.checksums)})


def copy_part(asked: Asked) -> Response:
    """Answer UploadPartCopy.

    Raises:
        ServiceRefused: there is no such object, or the range is not in it.
    """
    _, source = source_of(asked)
    first, last = 0, source.size - 1
    if said := asked.headers.get("x-amz-copy-source-range"):
        start, _, end = said.removeprefix("bytes=").partition("-")
        if not (start.isdecimal() and end.isdecimal() and int(start) <= int(end) < source.size):
            raise ServiceRefused("InvalidRange", f"the object has {source.size} bytes, {said[:60]!r} is not in it")
        first, last = int(start), int(end)
    left, md5 = last - first + 1, hashlib.md5(usedforsecurity=False)
    with asked.objects.receiving() as received:
        with source.path.open("rb") as file, received.open("wb") as part:
            file.seek(first)
            while left and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                md5.update(piece)
                part.write(piece)
        Uploads(asked.objects).add(asked.query["uploadId"], asked.key, _number(asked), received, md5.hexdigest())
    content = [("LastModified", written_at(source.modified)), ("ETag", f'"{md5.hexdigest()}"')]
    return xml("CopyPartResult", content)


def complete(asked: Asked) -> Response:
    """Answer CompleteMultipartUpload.

    Raises:
        ServiceRefused: the list of parts can't be read, or one of them is missing.
    """
    wanted = []
    for part in parse(asked.document):
        if name_of(part) == "Part":
            number = value_of(part, "PartNumber")
            if not number.isdecimal():
                raise ServiceRefused("MalformedXML", f"{number[:40]!r} is not the number of a part")
            wanted.append((int(number), md5_of(value_of(part, "ETag"))))
    check_may_write(asked)
    objects = asked.objects
    found = Uploads(objects).complete(asked.query["uploadId"], asked.key, wanted)
    location = f"/{asked.bucket}/{quote_key(asked.key)}"
    etag = f'"{objects.digest(found)}"'
    content = [("Location", location), ("Bucket", asked.bucket), ("Key", asked.key), ("ETag", etag)]
    return xml("CompleteMultipartUploadResult", content)


def abort(asked: Asked) -> Response:
    """Answer AbortMultipartUpload."""
    Uploads(asked.objects).abort(asked.query["uploadId"], asked.key)
    return Response(status_code=204)


def list_parts(asked: Asked) -> Response:
    """Answer ListParts, all in one page."""
    upload = asked.query["uploadId"]
    content: list[Element] = [
        ("Bucket", asked.bucket), ("Key", asked.key), ("UploadId", upload), ("IsTruncated", "false"),
    ]  # fmt: skip
    for part in Uploads(asked.objects).parts(upload, asked.key):
        about: list[Element] = [
            ("PartNumber", str(part.number)), ("LastModified", written_at(part.modified)),
            ("ETag", f'"{part.digest}"'), ("Size", str(part.size)),
        ]  # fmt: skip
        content.append(("Part", about))
    return xml("ListPartsResult", content)


def list_uploads(asked: Asked) -> Response:
    """Answer ListMultipartUploads, all in one page."""
    content: list[Element] = [("Bucket", asked.bucket), ("IsTruncated", "false")]
    for key, upload, began in Uploads(asked.objects).under_way():
        content.append(("Upload", [("Key", key), ("UploadId", upload), ("Initiated", written_at(began))]))
    return xml("ListMultipartUploadsResult", content)


def _number(asked: Asked) -> int:
    text = asked.query.get("partNumber", "")
    if not text.isdecimal():
        raise ServiceRefused("InvalidArgument", f"partNumber is {text[:40]!r}, expected a number")
    return int(text)
