"""What a client is told: of a model, and of a picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.inference.verdict import Area, is_unmarked
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.versions import version_of

U8 = npt.NDArray[np.uint8]


class ModelInfo(NamedTuple):
    """What the agent says of a model; `status` is STOPPED, STARTING, RUNNING, FAILED or STOPPING."""

    name: str
    status: str
    message: str
    arn: str
    #: that is served, or that the next start takes; "" where the agent does not tell it
    version: str = ""


class Detection(NamedTuple):
    """The answer for one picture.

    `confidence`, `score` and `threshold` are 0..1. A segmentation model also gives `areas`, the background first, as
    fractions of the picture, and `mask`, uint8 [height, width, 3] of the picture's size, one colour a label, in the
    picture's order of channels.
    """

    is_anomalous: bool
    confidence: float
    score: float
    threshold: float
    areas: tuple[Area, ...]
    mask: U8 | None

    @property
    def is_unmarked(self) -> bool:
        """Whether it is anomalous, and the model, which makes masks, has marked nothing."""
        return is_unmarked(self.is_anomalous, self.areas)


def read_model(model: pb2.ModelMetadata | pb2.ModelDescription) -> ModelInfo:
    """Read what the agent says of a model."""
    return ModelInfo(
        model.model_component,
        pb2.ModelStatus.Name(model.status),
        model.status_message,
        model.lookout_vision_model_arn,
        version_of(model),
    )


def read_result(result: pb2.DetectAnomalyResult, mask: U8 | None) -> Detection:
    """Read the agent's answer for a picture, whose mask has been fetched already."""
    areas = tuple(
        Area(found.name, found.pixel_anomaly.hex_color, found.pixel_anomaly.total_percentage_area)
        for found in result.anomalies
    )
    return Detection(
        result.is_anomalous, result.confidence, result.anomaly_score, result.anomaly_threshold, areas, mask
    )
