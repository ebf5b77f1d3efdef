"""Signature Version 4, against botocore's own signers, and the access keys."""

from __future__ import annotations

import datetime
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from edge_agent.errors import NotThere, ServiceRefused, StudioError
from edge_agent.studio.aws.keys import AccessKey, AccessKeys
from edge_agent.studio.aws.signature import SentRequest, Signatures

URL = "http://127.0.0.1:8502/2020-11-20"


def _sign(
    key: AccessKey, method: str, url: str, body: bytes = b"", *, service: str = "lookoutvision", **headers: str
) -> SentRequest:
    request = AWSRequest(method, url, data=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
    signer: Any = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(key.id, key.secret), service, "eu-central-1").add_auth(request)
    rest = url.partition("://")[2]
    host, _, path = rest.partition("/")
    path, _, query = path.partition("?")
    sent = [("host", host), *((name.lower(), value) for name, value in request.headers.items())]
    return SentRequest(method, f"/{path}", query, sent)


@pytest.fixture
def keys(tmp_path: Path) -> AccessKeys:
    return AccessKeys(tmp_path)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", f"{URL}/projects", b""),
        ("GET", f"{URL}/projects?nextToken=a%2Fb%3D&maxResults=5", b""),
        ("POST", f"{URL}/projects", b'{"ProjectName": "cookies"}'),
        ("GET", f"{URL}/projects/bad%20name%2F..", b""),
        ("DELETE", f"{URL}/tags/arn%3Aaws%3Alookoutvision%3Amodel%2Fp%2F1?tagKeys=b&tagKeys=a&tagKeys=%C3%A4%20b", b""),
    ],
)
def test_what_botocore_signs_is_right(keys: AccessKeys, method: str, url: str, body: bytes) -> None:
    key = keys.add("laptop", "administer")
    signed = Signatures(keys).check(_sign(key, method, url, body), body)
    assert signed.key == key
    assert signed.credential.service == "lookoutvision"
    signed.require("administer")


def test_the_storage_has_its_own_form_of_a_path(keys: AccessKeys) -> None:
    key = keys.add("laptop", "use")
    request = _sign(key, "PUT", "http://127.0.0.1:8502/bucket/a%20b//%2B.png", b"png", service="s3")
    signed = Signatures(keys).check(request, b"png")
    assert signed.credential.service == "s3"
    assert len(signed.payload) == 64


@pytest.mark.parametrize("change", ["body", "path", "query", "method", "host", "signature", "secret"])
def test_whatever_is_changed_is_noticed(keys: AccessKeys, change: str) -> None:
    key = keys.add("laptop", "administer")
    body = b'{"ProjectName": "cookies"}'
    asked = AccessKey(key.id, "another", "use", "", 0) if change == "secret" else key
    request = _sign(asked, "POST", f"{URL}/projects?a=b", body)
    headers = dict(request.headers)
    if change == "host":
        headers["host"] = "elsewhere"
    if change == "signature":
        headers["authorization"] = headers["authorization"][:-1] + "é"
    request = SentRequest(
        "PATCH" if change == "method" else request.method,
        request.path + ("/x" if change == "path" else ""),
        "a=c" if change == "query" else request.query,
        list(headers.items()),
    )
    with pytest.raises(ServiceRefused, match="does not match") as caught:
        Signatures(keys).check(request, b"{}" if change == "body" else body)
    assert caught.value.code == "InvalidSignatureException"


@pytest.mark.parametrize(("minutes", "text"), [(6, "Signature expired"), (-6, "Signature not yet current")])
def test_an_old_request_is_refused(keys: AccessKeys, minutes: float, text: str) -> None:
    key = keys.add("laptop", "read")
    request = _sign(key, "GET", f"{URL}/projects")
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    Signatures(keys, lambda: now + 200).check(request, b"")
    with pytest.raises(ServiceRefused, match=f"{text}.* differ by more than 5 min"):
        Signatures(keys, lambda: now + 60 * minutes).check(request, b"")


def test_an_old_signature_with_a_new_date_is_refused(keys: AccessKeys) -> None:
    request = _sign(keys.add("laptop", "read"), "GET", f"{URL}/projects")
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    headers = dict(request.headers) | {"x-amz-date": later.strftime("%Y%m%dT%H%M%SZ")}
    with pytest.raises(ServiceRefused, match="the credential is for"):
        Signatures(keys, later.timestamp).check(request._replace(headers=list(headers.items())), b"")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "MissingAuthenticationTokenException"),
        ("Bearer abc", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=A/20240101/r/s, SignedHeaders=host, Signature=a", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=A/20240101/r/s/aws4_request, SignedHeaders=x, Signature=a",
            "IncompleteSignatureException",
        ),
    ],
)
def test_what_is_no_signature_is_named(keys: AccessKeys, authorization: str, code: str) -> None:
    request = SentRequest(
        "GET", "/", "", [("host", "here"), *([("authorization", authorization)] * bool(authorization))]
    )
    with pytest.raises(ServiceRefused) as caught:
        Signatures(keys).check(request, b"")
    assert caught.value.code == code


def test_a_removed_key_is_nobodys(keys: AccessKeys, tmp_path: Path) -> None:
    key = keys.add("laptop", "read")
    request = _sign(key, "GET", f"{URL}/projects")
    signatures = Signatures(AccessKeys(tmp_path))
    signatures.check(request, b"")
    keys.remove(key.id)
    with pytest.raises(ServiceRefused, match="there is no access key") as caught:
        signatures.check(request, b"")
    assert caught.value.code == "UnrecognizedClientException"
    with pytest.raises(NotThere, match="there is no access key"):
        keys.remove(key.id)


def test_a_key_is_for_what_it_was_made_for(keys: AccessKeys) -> None:
    key = keys.add("line", "use")
    signed = Signatures(keys).check(_sign(key, "GET", f"{URL}/projects"), b"")
    signed.require("read")
    signed.require("use")
    with pytest.raises(ServiceRefused, match=r"\(line\) is for 'use', this call needs 'administer'") as caught:
        signed.require("administer")
    assert caught.value.code == "AccessDeniedException"


def test_only_the_owner_can_read_the_keys(keys: AccessKeys, tmp_path: Path) -> None:
    key = keys.add("laptop", "read")
    path = tmp_path / "access-keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AccessKeys(tmp_path).all() == [key]
    path.write_text("{")
    with pytest.raises(StudioError, match="can't be read"):
        keys.all()


def test_chunks_sign_one_another() -> None:
    """The example of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, with its key."""
    example = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "use", "", 0)

    class One(AccessKeys):
        def __init__(self) -> None:
            pass

        def find(self, id_: str) -> AccessKey | None:
            return example

    signed = ";".join(
        ("content-encoding", "content-length", "host", "x-amz-content-sha256", "x-amz-date",
         "x-amz-decoded-content-length", "x-amz-storage-class")
    )  # fmt: skip
    headers = [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            f"SignedHeaders={signed},Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ]
    then = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc).timestamp()
    request = SentRequest("PUT", "/examplebucket/chunkObject.txt", "", headers)
    chunks = Signatures(One(), lambda: then).check(request).chunks()
    import hashlib

    chunks.check(
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", hashlib.sha256(b"a" * 65536).hexdigest()
    )
    with pytest.raises(ServiceRefused, match="of a chunk"):
        chunks.check("b" * 64, hashlib.sha256(b"a" * 1024).hexdigest())


def test_the_file_of_keys_is_plain(keys: AccessKeys, tmp_path: Path) -> None:
    key = keys.add("laptop", "read")
    assert json.loads((tmp_path / "access-keys.json").read_text())[0]["id"] == key.id
