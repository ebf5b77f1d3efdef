"""ListObjects and ListObjectsV2."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import Response

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.answers import Element, written_at, xml
from edge_agent.studio.aws.storage.asked import Asked
from edge_agent.studio.aws.storage.objects import Found, Objects

_MOST_KEYS = 1000


class _Page(NamedTuple):
    objects: list[Found]
    prefixes: list[str]
    #: what the last entry was, where more follow
    last: str


def list_buckets(asked: Asked) -> Response:
    """Answer ListBuckets."""
    made = [("Bucket", [("Name", name), ("CreationDate", written_at(at))]) for name, at in asked.buckets.names()]
    return xml("ListAllMyBucketsResult", [("Owner", [("ID", "edge-agent")]), ("Buckets", made)])


def location(asked: Asked) -> Response:
    """Answer GetBucketLocation as S3 does for its first region."""
    asked.buckets.objects(asked.bucket)
    return xml("LocationConstraint", [])


def list_objects(asked: Asked) -> Response:
    """Answer ListObjects or, with `list-type=2`, ListObjectsV2.

    Raises:
        ServiceRefused: an argument can't be used.
    """
    objects, query = asked.objects, asked.query
    second = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = _number(query.get("max-keys"))
    after = query.get("start-after", "") if second else query.get("marker", "")
    if second and (token := query.get("continuation-token")):
        after = _read_token(token)
    page = _page(objects, prefix, delimiter, after, most)
    says = quote_key if query.get("encoding-type") == "url" else str
    content: list[Element] = [("Name", objects.bucket), ("Prefix", says(prefix)), ("MaxKeys", str(most))]
    if delimiter:
        content.append(("Delimiter", says(delimiter)))
    if "encoding-type" in query:
        content.append(("EncodingType", query["encoding-type"]))
    content.append(("IsTruncated", "true" if page.last else "false"))
    if second:
        content.append(("KeyCount", str(len(page.objects) + len(page.prefixes))))
        if "start-after" in query:
            content.append(("StartAfter", says(query["start-after"])))
        if "continuation-token" in query:
            content.append(("ContinuationToken", query["continuation-token"]))
        if page.last:
            content.append(("NextContinuationToken", _make_token(page.last)))
    else:
        content.append(("Marker", says(after)))
        if page.last:
            content.append(("NextMarker", says(page.last)))
    content += [("Contents", _about(objects, found, says(found.key))) for found in page.objects]
    content += [("CommonPrefixes", [("Prefix", says(each))]) for each in page.prefixes]
    return xml("ListBucketResult", content)


def quote_key(key: str) -> str:
    """Encode a key as `encoding-type=url` has it."""
    return quote(key, safe="/*-._~")


def _about(objects: Objects, found: Found, key: str) -> list[Element]:
    return [
        ("Key", key),
        ("LastModified", written_at(found.modified)),
        ("ETag", f'"{objects.digest(found)}"'),
        ("Size", str(found.size)),
        ("StorageClass", "STANDARD"),
    ]


def _page(objects: Objects, prefix: str, delimiter: str, after: str, most: int) -> _Page:
    found: list[Found] = []
    prefixes: list[str] = []
    last = ""
    if not most:
        return _Page(found, prefixes, "")
    for each in objects.keys(prefix, one_level=delimiter == "/"):
        key = each.key
        common = ""
        if delimiter and (end := key.find(delimiter, len(prefix))) >= 0:
            common = key[: end + len(delimiter)]
        entry = common or key
        if entry.encode() <= after.encode() or (common and after.startswith(common)):
            continue
        if common and prefixes and prefixes[-1] == common:
            continue
        if len(found) + len(prefixes) == most:
            return _Page(found, prefixes, last)
        last = entry
        if common:
            prefixes.append(common)
        else:
            found.append(each)
    return _Page(found, prefixes, "")


def _number(text: str | None) -> int:
    if text is None:
        return _MOST_KEYS
    if not text.isdecimal():
        raise ServiceRefused("InvalidArgument", f"max-keys is {text[:40]!r}, expected a number from 0 to {_MOST_KEYS}")
    return min(int(text), _MOST_KEYS)


def _make_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise ServiceRefused("InvalidArgument", f"{token[:60]!r} is no continuation token of this server") from None
