"""The ways in which manifests write dates."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
# Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time), as a browser writes it
_BROWSER = re.compile(r"\w{3} (\w{3}) (\d\d?) (\d{4}) (\d\d):(\d\d):(\d\d)(?: GMT([+-]\d\d:?\d\d)?)?(?: \(.*\))?")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def parse_date(value: Any) -> datetime | None:
    """Read a date; one without a zone is UTC, as the guide has it. None when it is no date."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        met = _ISO.fullmatch(text)
        if met:
            year, month, day, hour, minute, second, fraction, zone = met.groups()
            micro = int(f"{fraction or '':0<6}"[:6])
            at = int(hour or 0), int(minute or 0), int(second or 0)
            return _utc(datetime(int(year), int(month), int(day), *at, micro, timezone.utc), zone)
        met = _BROWSER.fullmatch(text)
        if met:
            name, day, year, hour, minute, second, zone = met.groups()
            month = _MONTHS.index(name.lower()) + 1
            when = datetime(int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=timezone.utc)
            return _utc(when, zone)
    except (ValueError, OverflowError):  # the 31st of June
        return None
    return None


def _utc(when: datetime, zone: str | None) -> datetime:
    if zone is None or zone.upper() == "Z":
        return when
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return when - offset if zone[0] == "+" else when + offset
