"""Whoever signs with a key of this machine may do what the key is for, and nobody else anything."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from edge_agent.studio.aws.keys import AccessKey, AccessKeys
from edge_agent.studio.aws.signature import Signatures
from tests.studio.aws.storage.conftest import Place, serving


class Locked:
    """A storage that asks for signatures, and its keys."""

    def __init__(self, place: Place, keys: AccessKeys) -> None:
        self.place = place
        self.user, self.reader = keys.add("robot", "use"), keys.add("auditor", "read")

    def as_(self, key: AccessKey) -> Any:
        return self.place.client(key.id, key.secret)

    def send(self, method: str, path: str, body: bytes, signed_body: bytes) -> tuple[int, bytes]:
        """Send a request whose signature is for `signed_body`."""
        request = AWSRequest(method, self.place.address + path, data=signed_body)
        S3SigV4Auth(Credentials(self.user.id, self.user.secret), "s3", "local").add_auth(request)
        connection = http.client.HTTPConnection(self.place.address.removeprefix("http://"))
        connection.request(method, path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    keys = AccessKeys(tmp_path_factory.mktemp("keys"))
    with serving(tmp_path_factory.mktemp("locked"), Signatures(keys)) as place:
        yield Locked(place, keys)


def test_a_key_for_use_writes_and_one_for_reading_reads(locked: Locked) -> None:
    writer, reader = locked.as_(locked.user), locked.as_(locked.reader)
    writer.put_object(Bucket="pictures", Key="a b/ä+~%.png", Body=b"pixels")
    assert reader.get_object(Bucket="pictures", Key="a b/ä+~%.png")["Body"].read() == b"pixels"
    with pytest.raises(ClientError, match=r"auditor\) is for 'read', this call needs 'use'") as raised:
        reader.put_object(Bucket="pictures", Key="x", Body=b"")
    assert raised.value.response["Error"]["Code"] == "AccessDenied"
    writer.close()
    reader.close()


@pytest.mark.parametrize(
    ("key", "secret", "word"),
    [("EDGENOBODY", "secret", "InvalidAccessKeyId"), ("", "wrong", "SignatureDoesNotMatch")],
)
def test_others_may_nothing(locked: Locked, key: str, secret: str, word: str) -> None:
    client = locked.place.client(key or locked.user.id, secret)
    with pytest.raises(ClientError) as raised:
        client.list_buckets()
    response = raised.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (word, 403)
    client.close()


def test_without_a_signature(locked: Locked) -> None:
    connection = http.client.HTTPConnection(locked.place.address.removeprefix("http://"))
    connection.request("GET", "/pictures")
    answer = connection.getresponse()
    assert (answer.status, b"<Code>AccessDenied</Code>" in answer.read()) == (403, True)
    connection.close()


@pytest.mark.parametrize(("method", "path"), [("PUT", "/pictures/swapped"), ("POST", "/pictures?delete=")])
def test_a_content_that_was_swapped_on_its_way(locked: Locked, method: str, path: str) -> None:
    status, content = locked.send(method, path, b"<Delete>2", signed_body=b"<Delete>1")
    assert (status, b"<Code>XAmzContentSHA256Mismatch</Code>" in content) == (400, True)
    assert not (locked.place.pictures / "swapped").exists()


def test_signed_for_another_service(locked: Locked) -> None:
    request = AWSRequest(
        "GET", locked.place.address + "/pictures", headers={"x-amz-content-sha256": hashlib.sha256().hexdigest()}
    )
    S3SigV4Auth(Credentials(locked.user.id, locked.user.secret), "lookoutvision", "local").add_auth(request)
    connection = http.client.HTTPConnection(locked.place.address.removeprefix("http://"))
    connection.request("GET", "/pictures", headers=dict(request.headers.items()))
    answer = connection.getresponse()
    assert (answer.status, b"expected 's3'" in answer.read()) == (400, True)
    connection.close()


@pytest.mark.parametrize(("spoilt", "status"), [(False, 200), (True, 403)])
def test_chunks_that_are_signed_one_by_one(locked: Locked, spoilt: bool, status: int) -> None:
    (locked.place.pictures / "chunked").unlink(missing_ok=True)
    signed = _signed_chunks(locked, [b"first", b"second"], spoilt=spoilt)
    connection = http.client.HTTPConnection(locked.place.address.removeprefix("http://"))
    connection.request("PUT", "/pictures/chunked", signed.body, dict(signed.headers.items()))
    assert connection.getresponse().status == status
    connection.close()
    assert (locked.place.pictures / "chunked").exists() is not spoilt


def _signed_chunks(locked: Locked, chunks: list[bytes], *, spoilt: bool) -> Any:
    """Sign as the guide to Signature Version 4 for S3 has it, by botocore's own key derivation."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    size = str(sum(map(len, chunks)))
    headers = {"x-amz-content-sha256": payload, "x-amz-decoded-content-length": size, "content-encoding": "aws-chunked"}
    request = AWSRequest("PUT", locked.place.address + "/pictures/chunked", headers=headers)
    auth = S3SigV4Auth(Credentials(locked.user.id, locked.user.secret), "s3", "local")
    auth.payload = lambda request: payload
    auth.add_auth(request)
    before = request.headers["authorization"].rpartition("Signature=")[2]
    date = request.context["timestamp"]
    body = b""
    for chunk in [*chunks, b""]:
        digest = hashlib.sha256(chunk).hexdigest()
        scope = auth.credential_scope(request)
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", date, scope, before, hashlib.sha256().hexdigest(), digest))
        before = auth.signature(text, request)
        sent = chunk.upper() if spoilt else chunk
        body += f"{len(chunk):x};chunk-signature={before}\r\n".encode() + sent + b"\r\n"
    prepared = request.prepare()
    prepared.body = body
    prepared.headers["content-length"] = str(len(body))
    return prepared
