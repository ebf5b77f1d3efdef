"""The ids that a user namespace does not know, as in a container with users of its own; user_namespaces(7).

The kernel shows all of them as one: 65534, unless the device is set otherwise. Two unknown users then look alike, and
like the user `nobody`. Where every id is known, as outside of such containers, 65534 is `nobody` and no other.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

_ALL_IDS = (1 << 32) - 1  # (uid_t)-1 is nobody's id
_USUAL = 65534


@functools.cache
def ambiguous_id(kind: Literal["uid", "gid"]) -> int | None:
    """Return the user or group id that may stand for several; None where each stands for itself."""
    try:
        if knows_all_ids(Path(f"/proc/self/{kind}_map").read_text()):
            return None
        return int(Path(f"/proc/sys/kernel/overflow{kind}").read_text())
    except (OSError, ValueError):  # no /proc to ask: rather too few rights than another's
        return _USUAL


def knows_all_ids(id_map: str) -> bool:
    """Tell whether a map, in lines of first id inside, first id outside, and how many, leaves no id out."""
    return sum(map(int, id_map.split()[2::3])) >= _ALL_IDS
