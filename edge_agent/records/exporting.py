"""Kept pictures as folders that `train` takes as they are: what a person said of them, or else the verdict.

DIR/normal/ID.png  DIR/anomaly/ID.png  DIR/masks/ID.png  DIR/masks/labels.json
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from edge_agent.errors import RecordsError
from edge_agent.records.pictures.stored import stored
from edge_agent.records.store.reading import Found


class Exported(NamedTuple):
    """How many pictures were written, by class, how many of them a person has confirmed, and how many were gone."""

    normal: int
    anomaly: int
    confirmed: int
    gone: int


def export(found: Iterable[Found], pictures: Path, target: Path, *, masks: bool) -> Exported:
    """Copy the kept pictures of records to `target`, and with `masks` what the model marked on anomalous ones.

    A mask is what the model thinks, and only that: where a person said that the verdict was wrong there is none.

    Raises:
        RecordsError: there is something in `target` already.
        OSError: it can't be written.
    """
    if target.exists() and any(target.iterdir()):
        raise RecordsError(f"{target} is not empty; pictures of another export would be mixed with these")
    counts = {"normal": 0, "anomaly": 0}
    confirmed = gone = 0
    colors: dict[str, str] = {}
    for record in found:
        truth = record.truth or ("anomaly" if record.anomalous else "normal")
        try:
            kept = stored(pictures, record.picture)
            folder = target / truth
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept.picture, folder / f"{record.id}{kept.picture.suffix}")
        except (RecordsError, FileNotFoundError):
            gone += 1
            continue
        if masks and kept.mask is not None and truth == "anomaly" and record.anomalous:
            (target / "masks").mkdir(exist_ok=True)
            shutil.copyfile(kept.mask, target / "masks" / f"{record.id}.png")
            colors |= {area.label: area.color for area in kept.verdict.areas[1:]}
        counts[truth] += 1
        confirmed += bool(record.truth)
    if colors:
        (target / "masks" / "labels.json").write_text(json.dumps(colors, indent=2) + "\n")
    return Exported(counts["normal"], counts["anomaly"], confirmed, gone)
