"""Long answers in pages: a token says behind which item the next page begins, so that nothing is shown twice."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from edge_agent.studio.aws.call import invalid

Item = TypeVar("Item")
MOST = 100


def page(
    items: Sequence[Item], position: Callable[[Item], str], values: dict[str, Any]
) -> tuple[list[Item], dict[str, str]]:
    """Give a page of items, whose positions ascend, and the NextToken that the answer has if there are more.

    Raises:
        ServiceRefused: the token is none of ours.
    """
    after = _read(values.get("NextToken", ""))
    left = [item for item in items if position(item) > after]
    most = values.get("MaxResults", MOST)
    found = left[:most]
    more = len(left) > most
    return found, {"NextToken": _write(position(found[-1]))} if more else {}


def _write(position: str) -> str:
    return base64.b64encode(b"p" + position.encode()).decode()


def _read(token: str) -> str:
    if not token:
        return ""
    try:
        content = base64.b64decode(token, validate=True)
        if not content.startswith(b"p"):
            raise ValueError
        return content[1:].decode()
    except (ValueError, binascii.Error):
        raise invalid(f"NextToken {token[:60]!r} is none that was given here") from None
