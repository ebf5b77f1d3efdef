"""Who may ask the storage: whoever signs with an access key, as for the service's API."""

from __future__ import annotations

from starlette.requests import Request

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.signature import SentRequest, Signatures
from edge_agent.studio.aws.storage.routes import NOBODY, Authorize, Sender

_PIECEWISE = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#: what signatures are refused with, in S3's words
_WORDS = {
    "AccessDeniedException": "AccessDenied",
    "IncompleteSignatureException": "AuthorizationHeaderMalformed",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "AccessDenied",
    "UnrecognizedClientException": "InvalidAccessKeyId",
}


def authorize_by(signatures: Signatures | None) -> Authorize:
    """Make what the storage asks: a key for 'read' may read, one for 'use' may write; without `signatures`, anybody."""

    async def authorize(request: Request, call: str, writes: bool) -> Sender:
        if signatures is None:
            return NOBODY
        try:
            signed = signatures.check(_sent(request))
            if signed.credential.service != "s3":
                text = f"the request is signed for {signed.credential.service[:40]!r}, expected 's3'"
                raise ServiceRefused("IncompleteSignatureException", text)
            signed.require("use" if writes else "read")
        except ServiceRefused as error:
            raise ServiceRefused(_WORDS.get(error.code, error.code), str(error)) from None
        return Sender(str(signed.key), signed.chunks() if signed.payload.startswith(_PIECEWISE) else None)

    return authorize


def _sent(request: Request) -> SentRequest:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]]
    path = request.scope["raw_path"].decode("latin-1").split("?")[0]
    return SentRequest(request.method, path, request.scope["query_string"].decode("latin-1"), headers)
