"""What a line would decide, for the page: `trial_process.py LINE.toml FOLDER COUNT SECONDS`, as `edge-agent line try`.

A line of JSON for each part as it comes; FOLDER/NUMBER.jpg has its picture with what was found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import msgspec

from edge_agent.errors import EdgeAgentError
from edge_agent.inference.imaging.overlay import draw
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.reading import read_line
from edge_agent.line.trial import try_line

_LONGEST_SIDE = 1280


class Row(msgspec.Struct, frozen=True):
    """What would have been decided of a part."""

    part: str
    outcome: str
    reason: str
    milliseconds: float
    picture: bool


def main() -> None:
    """Entry point of the process."""
    file, folder = map(Path, sys.argv[1:3])
    try:
        tried = try_line(read_line(file), int(sys.argv[3]), float(sys.argv[4]))
        for number, (part, outcome, reason, seen) in enumerate(tried):
            if seen is not None:
                (folder / f"{number}.jpg").write_bytes(_jpeg(draw(seen.picture, seen.detection)))
            row = Row(part, outcome, reason, seen.milliseconds if seen else 0.0, seen is not None)
            sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
            sys.stdout.buffer.flush()
    except EdgeAgentError as error:
        sys.exit(f"edge-agent: {error}".replace(f"{file}: ", ""))


def _jpeg(picture: U8) -> bytes:
    factor = max(picture.shape[:2]) / _LONGEST_SIDE
    if factor > 1:
        size = round(picture.shape[1] / factor), round(picture.shape[0] / factor)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())
