"""The manifest of a model component: what the agent has to know and the engine file does not say.

Types here are the format: docs/manifest.schema.json is generated from them, and docs/manifest.md explains them with
examples. This module loads neither numpy nor an engine, so the front process and the tools that build models share it.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from edge_agent.component.version import check_name, parse_version
from edge_agent.errors import ComponentError
from edge_agent.inference.imaging.bitmap import MAX_SIDE, MIN_SIDE

FILE_NAME = "manifest.json"
#: worker processes of one running model
MOST_INSTANCES = 64

_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file in lower-case hex")]
_Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
_Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
_Color = Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$", description="#RRGGBB")]
#: what a plan is bound to, and must be said of one
_PLAN_OPTIONS = frozenset(("gpu-code", "trt-ver", "cuda-ver"))

_DEEPEST = 50  # levels of lists and objects in `training`

_Level = Annotated[float, Meta(ge=0.0, le=255.0)]
_Levels = tuple[_Level, _Level, _Level]

_RelativePath = Annotated[str, Meta(min_length=1, description="path relative to the manifest, inside its folder")]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part: immutable, and a misspelt key is an error."""


_P = TypeVar("_P", bound=_Part)


class Image(_Part, frozen=True, kw_only=True):
    """Size in pixels of the training pictures; a request's bitmap must match it."""

    width: Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE)]
    height: Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE)]


class Input(_Part, frozen=True, kw_only=True):
    """How a bitmap becomes the input tensor: resized, then (value * scale - mean) / std for each RGB channel."""

    name: Annotated[str, Meta(min_length=1, description="name of the engine's input")]
    width: _Side
    height: _Side
    resize: Annotated[
        Literal["area", "bilinear", "bicubic", "nearest"],
        Meta(description="resize filter; area averages the pixels that fall on one and is right for shrinking"),
    ] = "area"
    layout: Annotated[Literal["NCHW", "NHWC"], Meta(description="order of the tensor's dimensions")] = "NCHW"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    scale: Annotated[float, Meta(description="factor for 0..255, before mean and std")] = 1 / 255
    mean: Annotated[tuple[float, float, float], Meta(description="of R, G and B, after the scale")] = (0.0, 0.0, 0.0)
    std: Annotated[tuple[float, float, float], Meta(description="of R, G and B, after the scale")] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.scale, *self.mean, *self.std)) or 0.0 in self.std:
            raise ValueError("scale, mean and std must be finite and std not 0")
        if self.dtype == "uint8" and (self.scale, self.mean, self.std) != (1.0, (0.0,) * 3, (1.0,) * 3):
            raise ValueError("a uint8 input takes the pixels as they are, expected scale 1, mean [0,0,0], std [1,1,1]")


class ScoreOutput(_Part, frozen=True, kw_only=True):
    """The output that holds the anomaly score."""

    name: Annotated[str, Meta(min_length=1, description="name of the engine's output")]
    index: Annotated[int, Meta(ge=0, description="which of its values, for an output of several")] = 0


class MaskOutput(_Part, frozen=True, kw_only=True):
    """The output that says what each pixel is; it may be smaller than the picture and is enlarged to its size."""

    name: Annotated[str, Meta(min_length=1, description="name of the engine's output")]
    kind: Annotated[
        Literal["class_scores", "class_ids", "anomaly_map"],
        Meta(
            description="class_scores: [1, labels, h, w], the highest wins; class_ids: integers [1, h, w] or "
            "[1, 1, h, w]; anomaly_map: [1, h, w] or [1, 1, h, w], the second label from pixel_threshold up"
        ),
    ]
    pixel_threshold: Annotated[float, Meta(description="for an anomaly_map")] = 0.5


class Outputs(_Part, frozen=True, kw_only=True):
    """Which outputs are what."""

    score: ScoreOutput
    mask: MaskOutput | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are used, each once, the score's first."""
        return tuple(dict.fromkeys((self.score.name, *([self.mask.name] if self.mask else []))))


class Calibration(_Part, frozen=True, kw_only=True):
    """Turns the engine's raw score into 0..1: 1 / (1 + exp(-(slope * raw + intercept)))."""

    kind: Literal["logistic"] = "logistic"
    slope: float
    intercept: float


class Label(_Part, frozen=True, kw_only=True):
    """A kind of anomaly and its colour in the mask."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    color: _Color


class Artifact(_Part, frozen=True, kw_only=True):
    """A file that belongs to the component."""

    path: _RelativePath
    sha256: _Sha256


class Golden(_Part, frozen=True, kw_only=True):
    """A sample with the answer that the model must give on this device before it serves."""

    image: _RelativePath
    score: _Fraction
    is_anomalous: Annotated[
        bool | None, Meta(description="the verdict; left out, only the score counts and the threshold may be changed")
    ] = None
    areas: Annotated[dict[str, _Fraction], Meta(description="fraction of the mask by label")] = {}
    tolerance: Annotated[float, Meta(ge=0.0, le=1.0, description="how far score and areas may be off")] = 0.01


class Appearance(_Part, frozen=True, kw_only=True):
    """How the training pictures look, on 0..255 in R, G and B: what tells pictures of another kind from them.

    It is the key `appearance` of `training`, where an agent that does not know it passes it over.
    inference/imaging/appearance.py measures it and compares.
    """

    pictures: Annotated[int, Meta(ge=1, description="how many were measured")]
    mean: Annotated[_Levels, Meta(description="brightness: mean over the pictures of a picture's mean")]
    deviation: Annotated[_Levels, Meta(description="contrast: mean of the standard deviation inside a picture")]
    mean_spread: Annotated[_Levels, Meta(description="standard deviation of the means, among the pictures")]
    deviation_spread: Annotated[_Levels, Meta(description="and of the deviations")]
    red_blue_spread: Annotated[
        tuple[_Level, _Level], Meta(description="the same of red less blue: of their means, and of their deviations")
    ]


class Scores(_Part, frozen=True, kw_only=True):
    """How a model scores normal pictures that it had not seen: the key `scores` of `training`."""

    normal: Annotated[
        tuple[Annotated[int, Meta(ge=0)], ...],
        Meta(min_length=50, max_length=50, description="how many in each of 50 equal parts of 0..1"),
    ]


class Sharpness(_Part, frozen=True, kw_only=True):
    """How sharp the training pictures are, as inference/imaging/sight.py measures it: the key `sharpness`."""

    mean: Annotated[float, Meta(gt=0.0, description="geometric mean over the pictures")]
    spread: Annotated[float, Meta(ge=0.0, description="standard deviation of the natural logarithm among them")]


class Target(_Part, frozen=True, kw_only=True):
    """The devices that the component was packaged for; the agent compares before it loads the model."""

    os: Literal["LINUX"] = "LINUX"
    arch: Literal["ARM64", "X86_64"]
    accelerator: Annotated[Literal["NVIDIA"] | None, Meta(description="null: the processor")] = None
    device: Annotated[str, Meta(description="name of the target device, such as jetson_xavier")] = ""
    compiler_options: Annotated[
        dict[str, str], Meta(description="gpu-code, trt-ver and cuda-ver for NVIDIA; mcpu for the processor")
    ] = {}


class Manifest(_Part, frozen=True, kw_only=True):
    """manifest.json of a model component."""

    format: Annotated[Literal[1], Meta(description="version of this format; a later one is refused")]
    name: Annotated[str, Meta(description="name of the component: letters, digits, '.', '_' and '-'")]
    version: Annotated[str, Meta(description="semantic version, such as 1.0.0")]
    task: Literal["classification", "segmentation"]
    image: Image
    input: Input
    outputs: Outputs
    threshold: Annotated[_Fraction, Meta(description="anomalous when round(score, 4) >= round(threshold, 4)")]
    artifacts: Annotated[tuple[Artifact, ...], Meta(min_length=1, description="every file that the component loads")]
    model: Annotated[
        str, Meta(description="the artifact that the engine loads: an ONNX file, or a TensorRT plan of that alone")
    ] = "model.onnx"
    plan: Annotated[
        str,
        Meta(description="the artifact that is a TensorRT plan of the ONNX file, used where target says it fits"),
    ] = ""
    engines: Annotated[
        tuple[Literal["tensorrt", "onnxruntime-tensorrt", "onnxruntime-cuda", "onnxruntime-cpu"], ...],
        Meta(description="what may execute it, the best first; empty: the fastest that the device has"),
    ] = ()
    precision: Annotated[
        Literal["fp32", "fp16", "int8"],
        Meta(description="what a GPU computes in; int8 is calibrated on the golden samples unless the file has it"),
    ] = "fp32"
    calibration: Calibration | None = None
    labels: Annotated[
        tuple[Label, ...], Meta(max_length=255, description="for segmentation: the background first, then the kinds")
    ] = ()
    golden: tuple[Golden, ...] = ()
    target: Annotated[Target | None, Meta(description="what `edge-agent package` was told; null: any device")] = None
    model_arn: Annotated[str, Meta(description="ARN of the model that this one was made from")] = ""
    description: str = ""
    # Left out where nobody has said it: agents that do not know the key refuse it.
    instances: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_INSTANCES)] | msgspec.UnsetType,
        Meta(description="worker processes of the running model; left out, as many as the agent's setting says"),
    ] = msgspec.UNSET
    training: Annotated[dict[str, Any], Meta(description="what the model was made from, and its figures")] = {}
    schema: Annotated[str, Meta(description="address of the JSON Schema, for editors")] = msgspec.field(
        name="$schema", default=""
    )

    def __post_init__(self) -> None:
        _check_depth(self.training, _DEEPEST)
        for key, kind in _READ.items():
            _read(self.training, key, kind)
        check_name(self.name)
        parse_version(self.version)
        paths = [artifact.path for artifact in self.artifacts]
        for path in (*paths, *(sample.image for sample in self.golden)):
            if Path(path).is_absolute() or ".." in Path(path).parts or "\0" in path:
                raise ValueError(f"path {path!r} leaves the component's folder")
        for path in (self.model, *filter(None, [self.plan]), *(sample.image for sample in self.golden)):
            if path not in paths:
                raise ValueError(f"{path!r} is not among the artifacts {paths}")
        if self.plan_file and (self.target is None or not self.target.compiler_options.keys() >= _PLAN_OPTIONS):
            raise ValueError(f"a TensorRT plan needs target.compiler_options with {', '.join(sorted(_PLAN_OPTIONS))}")
        if self.task == "classification" and (self.outputs.mask or self.labels):
            raise ValueError("a classification model has neither outputs.mask nor labels")
        if self.task == "segmentation":
            self._check_labels()

    def workers(self, otherwise: int) -> int:
        """How many worker processes the running model has; `otherwise` is the agent's setting."""
        return otherwise if isinstance(self.instances, msgspec.UnsetType) else self.instances

    @property
    def onnx_file(self) -> str:
        """The artifact that is an ONNX file; "" where there is only a plan."""
        return self.model if self.model.endswith(".onnx") else ""

    @property
    def plan_file(self) -> str:
        """The artifact that is a TensorRT plan, or ""."""
        return self.plan or (self.model if not self.onnx_file else "")

    @property
    def appearance(self) -> Appearance | None:
        """How the training pictures look; None for a model of which that is not known."""
        return _read(self.training, "appearance", Appearance)

    @property
    def sharpness(self) -> Sharpness | None:
        """How sharp the training pictures are; None where that is not known."""
        return _read(self.training, "sharpness", Sharpness)

    @property
    def scores(self) -> tuple[int, ...] | None:
        """How normal pictures that the model had not seen were scored, a histogram; None where that is not known."""
        found = _read(self.training, "scores", Scores)
        return None if found is None or not any(found.normal) else found.normal

    def _check_labels(self) -> None:
        if self.outputs.mask is None:
            raise ValueError("a segmentation model needs outputs.mask")
        if len(self.labels) < 2 or self.labels[0].color.upper() != "#FFFFFF":
            raise ValueError("a segmentation model needs labels: the background with color #FFFFFF, then at least one")
        for what, values in (
            ("names", [label.name for label in self.labels]),
            ("colors", [label.color.upper() for label in self.labels]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"labels have the same {what} twice: {values}")
        if self.outputs.mask.kind == "anomaly_map" and len(self.labels) != 2:
            raise ValueError(f"an anomaly_map tells 2 labels apart, not {len(self.labels)}")


#: of `training`, what the agent reads
_READ: dict[str, type[_Part]] = {"appearance": Appearance, "scores": Scores, "sharpness": Sharpness}


def _read(training: dict[str, Any], key: str, kind: type[_P]) -> _P | None:
    given = training.get(key)
    try:
        return None if given is None else msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"training.{key}: {str(error).replace('`', chr(39))}") from None


def _check_depth(value: Any, left: int) -> None:
    """Refuse what Python can read but not compare or write again further down its stack."""
    if not left:
        raise ValueError(f"training is nested more than {_DEEPEST} levels deep")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


def decode_manifest(data: bytes, *, source: str) -> Manifest:
    """Read a manifest.

    Raises:
        ComponentError: it is not JSON, or a key is missing, unknown or has a bad value; the key is named.
    """
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        text = str(error).replace("`", "'").replace(" - at '$.", " at key '")
        raise ComponentError(f"{source}: {text}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ComponentError(f"{source} is not valid JSON: {error}") from None


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as a person would read it."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def manifest_digest(manifest: Manifest) -> str:
    """Return a SHA-256 that differs when the manifest says anything else."""
    return hashlib.sha256(encode_manifest(manifest)).hexdigest()


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of the format."""
    schema = msgspec.json.schema(Manifest)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "edge-agent model manifest", **schema}
