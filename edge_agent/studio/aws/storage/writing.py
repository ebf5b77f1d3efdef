"""Making and removing buckets and objects."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.responses import Response

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.answers import Element, written_at, xml
from edge_agent.studio.aws.storage.asked import Asked
from edge_agent.studio.aws.storage.described import Description
from edge_agent.studio.aws.storage.documents import name_of, parse, value_of
from edge_agent.studio.aws.storage.objects import Found, Objects, copy_file
from edge_agent.studio.aws.storage.reading import condition

_META = "x-amz-meta-"
_KEPT = ("cache-control", "content-disposition", "content-language", "expires")
#: bytes of metadata, as S3 has it
_MOST_METADATA = 2048
_MOST_DELETED = 1000


def make_bucket(asked: Asked) -> Response:
    """Answer CreateBucket. Where it is to be is not asked: it is here."""
    asked.buckets.make(asked.bucket)
    return Response(headers={"location": f"/{asked.bucket}"})


def head_bucket(asked: Asked) -> Response:
    """Answer HeadBucket."""
    asked.buckets.objects(asked.bucket)
    return Response()


def remove_bucket(asked: Asked) -> Response:
    """Answer DeleteBucket."""
    asked.buckets.remove(asked.bucket)
    return Response(status_code=204)


def described_by(headers: Headers) -> Description:
    """Read what a request says of its object.

    Raises:
        ServiceRefused: the metadata are too large.
    """
    metadata = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    if sum(len(name) + len(value.encode()) for name, value in metadata.items()) > _MOST_METADATA:
        raise ServiceRefused("MetadataTooLarge", f"the metadata have more than {_MOST_METADATA} bytes")
    kept = {name: headers[name] for name in _KEPT if name in headers}
    encodings = [each.strip() for each in headers.get("content-encoding", "").split(",")]
    if encoding := ",".join(each for each in encodings if each not in ("", "aws-chunked")):
        kept["content-encoding"] = encoding
    return Description(headers.get("content-type", "binary/octet-stream"), metadata, kept)


def put(asked: Asked) -> Response:
    """Answer PutObject with what has been received."""
    check_may_write(asked)
    asked.objects.put(asked.key, asked.file, described_by(asked.headers))
    encryption = "x-amz-server-side-encryption"  # said again, as clients expect; the disk's own is what there is
    repeated = {encryption: asked.headers[encryption]} if encryption in asked.headers else {}
    return Response(headers={"etag": f'"{asked.received.digest}"', **dict(asked.received.checksums), **repeated})


def check_may_write(asked: Asked) -> None:
    """Raise ServiceRefused where a condition says that an object (or none) must be there."""
    if "if-match" not in asked.headers and "if-none-match" not in asked.headers:
        return
    try:
        found = asked.objects.find(asked.key)
    except ServiceRefused:
        if "if-match" in asked.headers:
            raise
        return
    if condition(asked.headers, asked.objects.digest(found), found.modified) is not None:
        raise ServiceRefused("PreconditionFailed", f"there is an object {asked.key!r} already")


def copy(asked: Asked) -> Response:
    """Answer CopyObject.

    Raises:
        ServiceRefused: there is no such object, or a condition does not hold.
    """
    there, source = source_of(asked)
    replaces = asked.headers.get("x-amz-metadata-directive", "COPY") == "REPLACE"
    description = described_by(asked.headers) if replaces else there.describe(source)
    objects = asked.objects
    with objects.receiving() as received:
        copy_file(source.path, received)
        found = objects.put(asked.key, received, description)
    made = [("LastModified", written_at(found.modified)), ("ETag", f'"{objects.digest(found)}"')]
    return xml("CopyObjectResult", made)


def source_of(asked: Asked) -> tuple[Objects, Found]:
    """Find the object that a copy is made of, and the objects of its bucket.

    Raises:
        ServiceRefused: there is none, or a condition does not hold.
    """
    name = asked.headers["x-amz-copy-source"]
    bucket, _, key = unquote(name.split("?", 1)[0]).lstrip("/").partition("/")
    if not key:
        raise ServiceRefused("InvalidArgument", f"x-amz-copy-source is {name[:100]!r}, expected BUCKET/KEY")
    objects = asked.buckets.objects(bucket)
    found = objects.find(key)
    if condition(asked.headers, objects.digest(found), found.modified, "x-amz-copy-source-") is not None:
        raise ServiceRefused("PreconditionFailed", f"a condition of x-amz-copy-source {name[:100]!r} does not hold")
    return objects, found


def delete(asked: Asked) -> Response:
    """Answer DeleteObject: an object that is not there is as good as removed."""
    asked.objects.delete(asked.key)
    return Response(status_code=204)


def keys_of(document: bytes) -> list[str]:
    """Read the keys that DeleteObjects lists; ServiceRefused when the document can't be read."""
    return [value_of(each, "Key") for each in parse(document) if name_of(each) == "Object"]


def delete_many(asked: Asked) -> Response:
    """Answer DeleteObjects.

    Raises:
        ServiceRefused: the document can't be read, or lists too many.
    """
    root = parse(asked.document)
    keys = keys_of(asked.document)
    if not 0 < len(keys) <= _MOST_DELETED:
        raise ServiceRefused("MalformedXML", f"the document lists {len(keys)} objects, expected 1 to {_MOST_DELETED}")
    quiet = value_of(root, "Quiet") == "true"
    content: list[Element] = []
    for key in keys:
        try:
            asked.objects.delete(key)
        except OSError as error:
            text = f"{error.filename}: {describe_refusal(error)}"
            content.append(("Error", [("Key", key), ("Code", "AccessDenied"), ("Message", text)]))
        else:
            if not quiet:
                content.append(("Deleted", [("Key", key)]))
    return xml("DeleteResult", content)
