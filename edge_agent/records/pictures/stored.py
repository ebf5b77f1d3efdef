"""Finding a kept picture again, with its mask and verdict."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent.errors import RecordsError
from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.ring import MASK, PICTURES, SHADOW_MASK, VERDICT


class Stored(NamedTuple):
    """The files of one picture; `mask` is None where the model makes none."""

    picture: Path
    mask: Path | None
    verdict: Verdict
    #: what a shadow model said of it, where it said otherwise
    shadow_mask: Path | None = None
    shadow: Verdict | None = None


class _Shadow(msgspec.Struct):
    verdict: Verdict


class _Told(msgspec.Struct):
    verdict: Verdict
    shadow: _Shadow | None = None


def stored(folder: Path, name: str) -> Stored:
    """Find a picture by its name.

    Raises:
        RecordsError: it is not there, or not any more.
    """
    paths = [path for ending in PICTURES if (path := folder / f"{name}{ending}").exists()]
    try:
        told = msgspec.json.decode((folder / f"{name}{VERDICT}").read_bytes(), type=_Told)
    except (OSError, msgspec.DecodeError):
        paths = []
    if not paths:
        raise RecordsError(
            f"there is no picture {folder / name}; newer ones took its room (keep_mib), the disk was full, or it "
            "is not written yet"
        )
    mask = folder / f"{name}{MASK}"
    shadow_mask = folder / f"{name}{SHADOW_MASK}"
    shadow = None if told.shadow is None else told.shadow.verdict
    return Stored(
        paths[0],
        mask if mask.exists() else None,
        told.verdict,
        shadow_mask if shadow_mask.exists() else None,
        shadow,
    )
