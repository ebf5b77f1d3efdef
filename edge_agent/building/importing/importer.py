"""Importing, step by step: open, recognise, read, prove, write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.importing.anomalib import draft_anomalib
from edge_agent.building.importing.anomalib_before_2 import draft_anomalib_before_2
from edge_agent.building.importing.anomalib_metadata import find_metadata
from edge_agent.building.importing.any_onnx import draft_onnx
from edge_agent.building.importing.component import Identity, Imported, write
from edge_agent.building.importing.dda import draft_dda
from edge_agent.building.importing.draft import Ask, Draft, Wanted, WantedOnnx
from edge_agent.building.importing.marketplace import draft_marketplace
from edge_agent.building.importing.recognition import Format, Found, recognise
from edge_agent.building.importing.sources import opened
from edge_agent.component.artifacts import digest_file
from edge_agent.component.manifest import Manifest
from edge_agent.errors import EngineFailed, ImportFailed

#: flags that say how pictures are fed; anomalib's exports leave that open where they were made by hand
_PIXELS = ("scale", "mean", "std", "bgr", "resize")


class Result(NamedTuple):
    """What was written, and what the user should know."""

    folder: Path
    manifest: Manifest
    format: Format
    notes: tuple[str, ...]
    #: its answers hardly depend on the picture
    is_doubtful: bool = False


def import_model(
    source: Path, models: Path, identity: Identity, wanted: Wanted, onnx: WantedOnnx, ask: Ask,
    *, format: Format | None = None,
) -> Result:  # fmt: skip
    """Make a component models/<name>/<version>/ of a model that someone else made.

    Args:
        source: a folder, an archive or an ONNX file.
        models: the folder of models.
        identity: what the component will be called.
        wanted: what the user says of it.
        onnx: what the user says of an ONNX file that nothing is known about.
        ask: where what is missing comes from.
        format: of the source; None tells it by the content.

    Raises:
        ImportFailed: it can't be imported; the text says what to do instead.
    """
    with opened(source) as place:
        found = recognise(place, format, source)
        allowed = _PIXELS if found.format == "anomalib" else ()
        flags = [f"--{key.replace('_', '-')}" for key, value in onnx._asdict().items()
                 if value != WantedOnnx._field_defaults[key] and key not in allowed]  # fmt: skip
        if found.format != "onnx" and flags:
            raise ImportFailed(
                f"{source} is a {found.format} model, which says itself what {', '.join(flags)} would; omit "
                "that, or give --format onnx"
            )
        try:
            draft = _draft(found, wanted, onnx, ask)
        except EngineFailed as error:
            raise ImportFailed(f"ONNX Runtime can't run {source} on a picture: {error}") from None
        origin = {"format": found.format, "source": _printable(source.name)}
        if source.is_file():
            origin["sha256"] = digest_file(source)
        written = write(models, identity, draft, origin)
        # The user knows the archive, not the temporary folder.
        notes = tuple(_printable(note.replace(str(place), str(source))) for note in found.notes)
    return Result(
        written.folder,
        written.manifest,
        found.format,
        (*notes, *draft.notes, *_cut_off(found, written), *written.notes),
        written.is_doubtful,
    )


def _printable(text: str) -> str:
    """Escape what is not UTF-8 in the names of files, which can't stand in JSON."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _cut_off(found: Found, written: Imported) -> list[str]:
    """Say that a score is no 0..1, where nobody else has said what makes it that."""
    if found.format != "onnx" or written.manifest.calibration or 0 <= written.raw_score <= 1:
        return []
    return [
        f"the score of the golden sample is {written.raw_score:.4g}, and what lies outside 0..1 is cut off: give "
        "--activation or --calibration if the model does not end with either"
    ]


def _draft(found: Found, wanted: Wanted, onnx: WantedOnnx, ask: Ask) -> Draft:
    if found.format == "dda":
        return draft_dda(found.place, found.path, wanted)
    if found.format == "marketplace":
        return draft_marketplace(found.place, found.path, wanted)
    if found.format == "anomalib":
        metadata = find_metadata(found.path)
        if metadata:
            return draft_anomalib_before_2(found.path, metadata, wanted, onnx, ask)
        return draft_anomalib(found.path, wanted, onnx, ask)
    return draft_onnx(found.path, wanted, onnx, ask)
