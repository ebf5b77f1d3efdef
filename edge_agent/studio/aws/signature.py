"""Signature Version 4 of requests, checked against the access keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html: a canonical form of the request is hashed, and
signed with a key that is derived of the secret, a day, a region and a service. All regions are good; both services,
lookoutvision and s3, know each other's requests by the name in the scope.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.keys import AccessKey, AccessKeys
from edge_agent.studio.aws.table.shape import Scope

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
#: seconds that the clocks of client and server may differ: as long can a request be sent again by whoever has heard it
SKEW = 300.0
_EMPTY = hashlib.sha256(b"").hexdigest()
_DATE = re.compile(r"\d{8}T\d{6}Z")
_HEX = re.compile(r"[0-9a-f]{64}")
_SCOPE = re.compile(r"([^/\s]+)/(\d{8})/([^/\s]+)/([^/\s]+)/aws4_request")


class SentRequest(NamedTuple):
    """What of a request is signed: path and query as they were sent, headers with names in lower case, in order."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]

    def header(self, name: str) -> str:
        """Give a header's values, joined as they are signed; "" for none."""
        return ",".join(" ".join(value.split()) for key, value in self.headers if key == name)


class Credential(NamedTuple):
    """What an Authorization header says."""

    key: str
    day: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The scope, as it is signed."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


class Signed(NamedTuple):
    """A request whose signature is right, and what it takes to check what its body has signed."""

    key: AccessKey
    credential: Credential
    date: str
    signing_key: bytes
    #: as it was signed: a SHA-256 in hex, or a word
    payload: str

    def require(self, scope: Scope) -> None:
        """Raise ServiceRefused unless the key is for this."""
        if not self.key.allows(scope):
            raise ServiceRefused(
                "AccessDeniedException",
                f"access key {self.key.id} ({self.key.name}) is for '{self.key.scope}', this call needs '{scope}'",
            )

    def chunks(self) -> ChunkSignatures:
        """Give what checks the chunks of a body that is signed piece by piece."""
        return ChunkSignatures(self)


class ChunkSignatures:
    """Checks chunks, each of which signs the one before: STREAMING-AWS4-HMAC-SHA256-PAYLOAD."""

    def __init__(self, signed: Signed) -> None:
        self._signed, self._before = signed, signed.credential.signature

    def check(self, signature: str, sha256: str) -> None:
        """Raise ServiceRefused unless this is the signature of the next chunk, whose SHA-256 is given in hex."""
        signed = self._signed
        text = "\n".join((f"{ALGORITHM}-PAYLOAD", signed.date, signed.credential.scope, self._before, _EMPTY, sha256))
        self._before = _hmac(signed.signing_key, text).hex()
        if not hmac.compare_digest(self._before.encode(), signature.encode("utf-8", "replace")):
            raise ServiceRefused("SignatureDoesNotMatch", "the signature of a chunk does not match its content")


class Signatures:
    """Checks requests."""

    def __init__(self, keys: AccessKeys, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._clock = keys, clock

    def check(self, request: SentRequest, body: bytes | None = None) -> Signed:
        """Say whose request this is. Without a `body` its hash is taken from the header, and is the caller's to check.

        Raises:
            ServiceRefused: it is not signed, its date or signature is wrong, or nobody has that key.
        """
        credential = read_credential(request)
        date = request.header("x-amz-date")
        self._check_date(date, credential)
        payload = _payload(request, body)
        key = self._keys.find(credential.key)
        # The same work for a key that there is not: how long it takes must not tell.
        signing_key = derive_key(key.secret if key else "-" * 40, credential)
        expected = _hmac(signing_key, string_to_sign(request, credential, date, payload)).hex()
        right = hmac.compare_digest(expected.encode(), credential.signature.encode("utf-8", "replace"))
        if key is None:
            raise ServiceRefused(
                "UnrecognizedClientException",
                f"The security token included in the request is invalid: there is no access key {credential.key[:40]!r}"
                " here; make one with: edge-agent cloud keys add",
            )
        if not right:
            raise ServiceRefused(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check the secret "
                f"access key of {key.id}.",
            )
        return Signed(key, credential, date, signing_key, payload)

    def _check_date(self, date: str, credential: Credential) -> None:
        try:
            if not _DATE.fullmatch(date):
                raise ValueError
            then = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            raise ServiceRefused(
                "IncompleteSignatureException", f"X-Amz-Date is {date[:40]!r}, expected one such as 20240102T030405Z"
            ) from None
        if not date.startswith(credential.day):
            raise ServiceRefused(
                "InvalidSignatureException", f"the credential is for {credential.day}, the request of {date}"
            )
        now = self._clock()
        if abs(now - then) > SKEW:
            here = datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            word = "Signature expired" if now > then else "Signature not yet current"
            raise ServiceRefused(
                "InvalidSignatureException",
                f"{word}: the request's date {date} and this machine's {here} differ by more than {SKEW / 60:.0f} min.",
            )


def read_credential(request: SentRequest) -> Credential:
    """Read the Authorization header.

    Raises:
        ServiceRefused: there is none, or it is not of this form.
    """
    text = request.header("authorization")
    if not text:
        raise ServiceRefused("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = text.partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    scope = _SCOPE.fullmatch(parts.get("Credential", ""))
    signed = tuple(parts.get("SignedHeaders", "").split(";"))
    signature = parts.get("Signature", "")
    if algorithm != ALGORITHM or scope is None or "host" not in signed or not signature:
        raise ServiceRefused(
            "IncompleteSignatureException",
            f"Authorization is {text[:60]!r}, expected {ALGORITHM} with Credential, SignedHeaders (host among them) "
            "and Signature",
        )
    return Credential(scope[1], scope[2], scope[3], scope[4], signed, signature)


def derive_key(secret: str, credential: Credential) -> bytes:
    """Derive the key that signs for a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (credential.day, credential.region, credential.service, "aws4_request"):
        key = _hmac(key, part)
    return key


def string_to_sign(request: SentRequest, credential: Credential, date: str, payload: str) -> str:
    """Write what is signed."""
    path = request.path or "/"
    if credential.service != "s3":  # whose keys stay as they are; other services encode the path once more
        path = quote(_without_dots(path), safe="/~")
    headers = "".join(f"{name}:{request.header(name)}\n" for name in credential.signed)
    canonical = "\n".join(
        (request.method, path, _canonical_query(request.query), headers, ";".join(credential.signed), payload)
    )
    return "\n".join((ALGORITHM, date, credential.scope, hashlib.sha256(canonical.encode()).hexdigest()))


def _canonical_query(query: str) -> str:
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((quote(unquote_to_bytes(name), safe="-_.~"), quote(unquote_to_bytes(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _without_dots(path: str) -> str:
    """Take empty and dotted segments out of a path (RFC 3986, 5.2.4, and what the SDKs do with `//`)."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    end = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + end


def _payload(request: SentRequest, body: bytes | None) -> str:
    said = request.header("x-amz-content-sha256")
    if body is None:
        return said or UNSIGNED
    found = hashlib.sha256(body).hexdigest()
    if _HEX.fullmatch(said) and said != found:
        raise ServiceRefused(
            "InvalidSignatureException", f"the body's SHA-256 is {found}, X-Amz-Content-SHA256 says {said}"
        )
    return said or found


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
