"""How much memory one client may hold in the front process."""

from __future__ import annotations

from collections.abc import Iterable

from edge_agent.serving.rpc.contract import MAX_MESSAGE_BYTES
from edge_agent.serving.rpc.framing import RefusedCall
from edge_agent.serving.rpc.status import Code

#: bytes of messages that are under way from a client, and of answers that it has not taken
MOST_HELD = 4 * MAX_MESSAGE_BYTES


def check_held(sizes: Iterable[int], *, what: str) -> None:
    """Raise RefusedCall when what a client holds is too much."""
    held = sum(sizes)
    if held > MOST_HELD:
        raise RefusedCall(
            Code.RESOURCE_EXHAUSTED, f"this client has {held} bytes of {what}, expected {MOST_HELD} at most"
        )
