"""What a request has to prove before it is looked at: that it comes from our page, and from whom.

A page of somebody else, open in the same browser, can send requests here too. It can't set a header of its own without
being asked first (CORS), its address stands in Origin, and a name that it lets point to this machine stands in Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from edge_agent.errors import RoleNeeded, SignInNeeded
from edge_agent.studio.access.users import LOCAL, Role, User, Users

COOKIE = "edge_agent_studio"
#: a header that no page of somebody else can send
OUR_HEADER = "x-edge-agent-studio"
_SAFE = {"GET", "HEAD"}

#: sent with every answer: scripts and styles from here alone, no frame around the page
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """Knows whether users have to sign in."""

    def __init__(self, users: Users, *, open_: bool) -> None:
        """Let everybody in who reaches us when `open_`, which is for loopback."""
        self._users, self.open = users, open_

    def who(self, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> User | None:
        """Return who makes a request; None for somebody who has not signed in.

        Raises:
            RoleNeeded: the request comes from another page, or calls this machine by a name that is not its own.
        """
        host = headers.get("host", "")
        if self.open and not _is_loopback(host):
            raise RoleNeeded(f"this studio is not '{host[:100]}'; open it as http://localhost:PORT")
        if method not in _SAFE:
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != host:
                raise RoleNeeded(f"a page of '{origin[:100]}' can't change anything here")
            if OUR_HEADER not in headers:
                raise RoleNeeded(
                    f"the header {OUR_HEADER} is missing, which every request that changes something needs"
                )
        if self.open:
            return LOCAL
        token = cookies.get(COOKIE)
        return self._users.of_session(token) if token else None


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def require(user: User | None, role: Role) -> User:
    """Return the user if the role suffices.

    Raises:
        SignInNeeded: nobody has signed in.
        RoleNeeded: the role is another.
    """
    if user is None:
        raise SignInNeeded("please sign in")
    if not user.may(role):
        raise RoleNeeded(f"'{user.name}' is {user.role}, this needs the role {role}")
    return user
