"""Drawing a kept picture with what was said of it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from edge_agent.cli.pictures import overlay
from edge_agent.client.detection import Detection
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.stored import Stored


def draw(kept: Stored) -> Image.Image:
    """Draw the mask over the picture, and the verdict above it."""
    return _draw(kept.picture, kept.verdict, kept.mask)


def draw_shadow(kept: Stored) -> Image.Image:
    """Draw the same of what a shadow model said; the picture alone where none did."""
    return read(kept) if kept.shadow is None else _draw(kept.picture, kept.shadow, kept.shadow_mask)


def read(kept: Stored) -> Image.Image:
    """Read the picture."""
    return Image.fromarray(read_picture(kept.picture))


def _draw(picture: Path, verdict: Verdict, mask_file: Path | None) -> Image.Image:
    mask = None if mask_file is None else read_picture(mask_file)
    detection = Detection(
        verdict.is_anomalous, verdict.confidence, verdict.score, verdict.threshold, verdict.areas, mask
    )
    return overlay(read_picture(picture), detection)
