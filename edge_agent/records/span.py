"""Times as people write them: `1h`, `30m`, `7d` ago, a date, or a date and a time, in the device's time zone."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from edge_agent.errors import RecordsError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGO = re.compile(r"(\d{1,9})([smhdw])")
SECOND = 1_000_000


def moment(text: str, now: int) -> int:
    """Read a time, in microseconds since 1970; `now` is what "ago" counts from.

    Raises:
        RecordsError: it is not such a time.
    """
    if found := _AGO.fullmatch(text.strip()):
        return max(0, now - int(found[1]) * _UNITS[found[2]] * SECOND)
    try:
        # Python 3.10 does not know the Z.
        given = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return int(given.timestamp() * SECOND)
    except (ValueError, OverflowError, OSError):
        raise RecordsError(
            f"'{text}' is not a time, expected one such as 90m, 24h, 7d, 2026-03-01 or 2026-03-01T06:00"
        ) from None


def local_text(microseconds: int) -> str:
    """Write a time for people: in the device's time zone, to the millisecond."""
    return datetime.fromtimestamp(microseconds / SECOND).astimezone().isoformat(" ", "milliseconds")[:23]


def utc_text(microseconds: int) -> str:
    """Write a time for programs: RFC 3339, UTC."""
    whole, rest = divmod(microseconds, SECOND)
    return f"{datetime.fromtimestamp(whole, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"
