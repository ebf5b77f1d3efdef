"""Kept pictures as datasets that `train` takes as they are: what a person said of them, or else the verdict.

Folders: DIR/normal/ID.png  DIR/anomaly/ID.png  DIR/masks/ID.png  DIR/masks/labels.json
A manifest, NAME.manifest: NAME-pictures/ID.png  NAME-pictures/masks/ID.png, and a line of JSON for each picture.
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html describes the lines.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.errors import RecordsError
from edge_agent.inference.verdict import Area
from edge_agent.records.pictures.stored import Stored, stored
from edge_agent.records.span import utc_text
from edge_agent.records.store.reading import Found

#: the ending by which a manifest is told from a folder
MANIFEST = ".manifest"
_JOB = "labeling-job/edge-agent-records"


class Exported(NamedTuple):
    """How many pictures were written, by class, how many of them a person has confirmed, and how many were gone."""

    normal: int
    anomaly: int
    confirmed: int
    gone: int


def export(found: Iterable[Found], pictures: Path, target: Path, *, masks: bool) -> Exported:
    """Copy the kept pictures of records to `target`, and with `masks` what the model marked on anomalous ones.

    A target whose name ends with `.manifest` becomes a manifest, with the pictures in a folder beside it; any other a
    folder with a folder for each class. A mask is what the model thinks, and only that: where a person said that the
    verdict was wrong there is none.

    Raises:
        RecordsError: there is something at `target` already.
        OSError: it can't be written.
    """
    is_manifest = target.suffix == MANIFEST
    folder = target.with_name(f"{target.stem}-pictures") if is_manifest else target
    for path in (folder, target):
        if path.exists() and (path.is_file() or any(path.iterdir())):
            raise RecordsError(f"{path} is not empty; pictures of another export would be mixed with these")
    counts = {"normal": 0, "anomaly": 0}
    confirmed = gone = 0
    colors: dict[str, str] = {}
    lines: list[dict[str, Any]] = []
    for record in found:
        truth = record.truth or ("anomaly" if record.anomalous else "normal")
        place = folder if is_manifest else folder / truth
        try:
            kept = stored(pictures, record.picture)
            content = kept.picture.read_bytes()
        except (RecordsError, FileNotFoundError):
            gone += 1
            continue
        place.mkdir(parents=True, exist_ok=True)
        copied = place / f"{record.id}{kept.picture.suffix}"
        copied.write_bytes(content)
        mask = None
        if masks and kept.mask is not None and truth == "anomaly" and record.anomalous:
            (folder / "masks").mkdir(exist_ok=True)
            mask = folder / "masks" / f"{record.id}.png"
            shutil.copyfile(kept.mask, mask)
            colors |= {area.label: area.color for area in kept.verdict.areas[1:]}
        if is_manifest:
            lines.append(_line(record, truth, copied.relative_to(target.parent), kept, mask))
        counts[truth] += 1
        confirmed += bool(record.truth)
    if is_manifest:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    elif colors:
        (folder / "masks" / "labels.json").write_text(json.dumps(colors, indent=2) + "\n")
    return Exported(counts["normal"], counts["anomaly"], confirmed, gone)


def _line(record: Found, truth: str, picture: Path, kept: Stored, mask: Path | None) -> dict[str, Any]:
    """Describe one picture. What nobody confirmed is `human-annotated: no`: people's words go before it."""
    said = {
        "job-name": _JOB,
        "human-annotated": "yes" if record.truth else "no",
        "creation-date": utc_text(record.at)[:-1],
    }
    line: dict[str, Any] = {
        "source-ref": picture.as_posix(),
        "anomaly-label": int(truth == "anomaly"),
        "anomaly-label-metadata": {
            "confidence": 1 if record.truth else round(record.confidence, 4),
            "class-name": truth,
            **said,
            "type": "groundtruth/image-classification",
        },
        # What else is known; who reads manifests leaves alone what has no metadata.
        "edge-agent-record": record.id,
        "edge-agent-labels": list(record.labels or (record.areas if truth == "anomaly" and record.anomalous else ())),
    }
    if mask is not None:
        background = Area("BACKGROUND", kept.verdict.areas[0].color, 0.0)
        line["anomaly-mask-ref"] = (picture.parent / "masks" / mask.name).as_posix()
        line["anomaly-mask-ref-metadata"] = {
            "internal-color-map": {
                str(number): {"class-name": area.label, "hex-color": area.color, "confidence": 0.0}
                for number, area in enumerate((background, *kept.verdict.areas[1:]))
            },
            # What the model drew was drawn by no person, confirmed or not.
            **said,
            "human-annotated": "no",
            "type": "groundtruth/semantic-segmentation",
        }
    return line
