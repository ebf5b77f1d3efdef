"""Which pictures a model was trained on, as its component remembers them: measured on those it says nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.inference.imaging.fingerprint import BITS, most_differing, nearest

#: pictures of which a component remembers the digests; 40 bytes each
_MOST = 20_000
_DIGEST_BYTES, _PRINT_BYTES = 8, BITS // 8


class Known(NamedTuple):
    """How many of some pictures a model was trained on, to the pixel or nearly."""

    same: int
    nearly: int


def remember(seen: Sequence[Seen]) -> dict[str, str]:
    """Give what a component keeps of its training pictures: digests of the pixels, and fingerprints, in base64."""
    known = [item for item in seen if item.traits][:_MOST]
    digests = b"".join(bytes.fromhex(item.digest)[:_DIGEST_BYTES] for item in known)
    prints = b"".join(item.traits.fingerprint for item in known if item.traits)
    return {
        "pixel_digests": base64.b64encode(digests).decode(),
        "fingerprints": base64.b64encode(prints).decode(),
    }


def count_known(training: Mapping[str, Any], seen: Sequence[Seen]) -> Known:
    """Count the pictures that a model was trained on, given its manifest's `training`."""
    dataset = training.get("dataset")
    if not isinstance(dataset, dict):
        return Known(0, 0)
    digests = set(_parts(dataset.get("pixel_digests"), _DIGEST_BYTES))
    prints = _parts(dataset.get("fingerprints"), _PRINT_BYTES)
    others = [item for item in seen if item.traits and bytes.fromhex(item.digest)[:_DIGEST_BYTES] not in digests]
    same = sum(bool(item.traits) for item in seen) - len(others)
    most = most_differing(prints)
    found = nearest([item.traits.fingerprint for item in others if item.traits], prints)
    return Known(same, sum(bits <= most for _, bits in found))


def _parts(text: object, size: int) -> list[bytes]:
    """Read what `remember` wrote; nothing of what somebody else may have put there."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return []
    return [data[start : start + size] for start in range(0, len(data) - size + 1, size)]
