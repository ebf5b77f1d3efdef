"""The names of buckets."""

from __future__ import annotations

import re

#: as S3 demands them today
_NEW = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: as the service took them, for buckets of earlier days
_KNOWN = re.compile(r"[0-9A-Za-z._-]{3,63}")


def may_be_made(name: str) -> bool:
    """Tell whether a bucket of that name may be made."""
    return bool(_NEW.fullmatch(name)) and ".." not in name


def may_be(name: str) -> bool:
    """Tell whether that can be the name of a bucket."""
    return bool(_KNOWN.fullmatch(name)) and name not in ("...",)
