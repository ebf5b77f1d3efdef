"""Drawing a kept picture with what was said of it."""

from __future__ import annotations

from PIL import Image

from edge_agent.cli.pictures import overlay
from edge_agent.client.detection import Detection
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.records.pictures.stored import Stored


def draw(kept: Stored) -> Image.Image:
    """Draw the mask over the picture, and the verdict above it."""
    verdict = kept.verdict
    mask = None if kept.mask is None else read_picture(kept.mask)
    detection = Detection(
        verdict.is_anomalous, verdict.confidence, verdict.score, verdict.threshold, verdict.areas, mask
    )
    return overlay(read_picture(kept.picture), detection)
