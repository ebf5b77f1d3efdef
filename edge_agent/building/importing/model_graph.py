"""The `model_graph` of a DDA component's manifest.json, which the Marketplace model has too.

The keys mean what awslabs/DefectDetectionApplication makes of them: src/backend/lyra_science_processing_utils,
model_graph_factory.py and model_processors/.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edge_agent.building.importing.draft import Size

SINGLE_STAGE = "single_stage_model_graph"
#: OpenCV's numbers of filters, https://docs.opencv.org/4.x/da/d54/group__imgproc__transform.html
FILTERS: dict[int, Literal["nearest", "bilinear", "bicubic", "area"]] = {
    0: "nearest", 1: "bilinear", 2: "bicubic", 3: "area",
}  # fmt: skip


class Stage(msgspec.Struct, kw_only=True):
    """One model of the graph: how it sees a picture, and what its outputs mean."""

    type: str
    image_width: int
    image_height: int
    image_range_scale: bool
    normalize: bool
    threshold: float
    classification_head_enabled: bool | None = None
    segmentation_head_enabled: bool | None = None
    class_normal_ids: list[int] | None = None
    seg_normal_ids: list[int] | None = None
    classification_logic: str | None = None
    seg_recall_bias: float | None = None
    calibrated: bool | None = None
    max_val_score: float | None = None
    calibrator_scaling: float | None = None
    calibrator_shift: float | None = None
    interpolation: int = 3
    preserve_aspect: Any = None
    preprocessing: Any = None
    detection: Any = None
    transform_preprocessing: Any = None
    raw_image_shape: list[int] | None = None

    @property
    def keeps_aspect(self) -> bool:
        """Tell whether pictures are padded; DDA looks for the key in three places."""
        places = (self.preprocessing, self.detection)
        nested = [place.get("preserve_aspect") for place in places if isinstance(place, dict)]
        return bool(self.preserve_aspect or any(nested))

    @property
    def filter(self) -> Literal["nearest", "bilinear", "bicubic", "area"]:
        """Name the resize filter."""
        return FILTERS[self.interpolation]


class Classes(msgspec.Struct):
    """Names of classes, and the numbers of those that are not anomalies."""

    names: list[str] = []
    normal_ids: list[int] = []


class ModelGraph(msgspec.Struct):
    """The models that look at a picture one after the other, and the names of what they tell apart."""

    stages: list[Stage]
    model_graph_type: str = SINGLE_STAGE
    image_level_classes: Classes | None = None
    pixel_level_classes: Classes | None = None


class Dataset(msgspec.Struct):
    """The size of the training pictures."""

    image_width: int | None = None
    image_height: int | None = None


class _Compilable(msgspec.Struct):
    filename: str


class GraphManifest(msgspec.Struct):
    """manifest.json; what is not named here plays no part."""

    model_graph: ModelGraph
    runtime: str = "dlr"
    runtime_artifact: str | None = None
    dataset: Dataset | None = None
    compilable_models: list[_Compilable] = []

    @property
    def stage(self) -> Stage:
        """The only stage."""
        return self.model_graph.stages[0]

    @property
    def training_size(self) -> Size | None:
        """Width and height of the training pictures, where the file says it."""
        if self.dataset is not None and self.dataset.image_width and self.dataset.image_height:
            return self.dataset.image_width, self.dataset.image_height
        shape = self.stage.raw_image_shape
        return (shape[1], shape[0]) if shape and len(shape) >= 2 else None
