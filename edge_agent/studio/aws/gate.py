"""Who may call: whoever signs with a key; without any key, whoever is on this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.keys import AccessKeys
from edge_agent.studio.aws.signature import SentRequest, Signatures, Signed, read_credential
from edge_agent.studio.aws.table.shape import Scope

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Gate:
    """Checks requests; `local` where only this machine can reach the server."""

    def __init__(self, keys: AccessKeys, *, local: bool) -> None:
        self._keys, self._local = keys, local
        self.signatures = Signatures(keys)

    @property
    def is_open(self) -> bool:
        """Tell whether whoever is on this machine may call."""
        return self._local and not self._keys.all()

    def check(self, request: SentRequest, scope: Scope, body: bytes | None = None) -> Signed | None:
        """Say who this is; None for somebody of this machine, where there is no key.

        Without keys a signature is not looked at, but has to be there: no page in a browser can send one elsewhere.

        Raises:
            ServiceRefused: the signature is wrong, or the key is not for this.
        """
        if self.is_open:
            self.check_neighbour(request)
            return None
        signed = self.signatures.check(request, body)
        signed.require(scope)
        return signed

    def check_neighbour(self, request: SentRequest) -> None:
        """Raise ServiceRefused for what a page in somebody's browser could have sent."""
        read_credential(request)
        host = urlsplit(f"//{request.header('host')}").hostname or ""
        if host not in _LOOPBACK:
            raise ServiceRefused(
                "AccessDeniedException", f"the request is for {host[:60]!r}, expected 127.0.0.1 or localhost"
            )
