"""Who speaks to the socket and is no HTTP/2 client: what it is, as far as its first bytes tell, and what helps."""

from __future__ import annotations

import re

_HTTP1 = re.compile(rb"([A-Z]{3,10}) (\S{1,100})")
_TLS_HANDSHAKE = b"\x16\x03"


def recognise(first: bytes) -> str:
    """Return a sentence about a client whose first bytes are not HTTP/2's connection preface."""
    if first[:2] == _TLS_HANDSHAKE[: len(first)]:
        return "it speaks TLS, expected none: a Unix socket needs no encryption (an insecure or plaintext channel)"
    request = _HTTP1.match(first)
    if request is None:
        return f"this is not an HTTP/2 client: it begins with {first[:12]!r}"
    method, target = request[1].decode(), request[2].decode("ascii", errors="replace")
    if method == "CONNECT":
        return (
            f"it takes the agent for a proxy (CONNECT {target}): look at its http_proxy, https_proxy and grpc_proxy, "
            "and name the agent in its no_proxy"
        )
    return f"it speaks HTTP/1 ({method} {target}), expected HTTP/2 without TLS, as gRPC's clients speak it"
