"""What the user says, and what the reader of a format makes of a file and of that: a component not yet written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from onnx import ModelProto

from edge_agent.component.manifest import Calibration, Input, Label, MaskOutput, ScoreOutput
from edge_agent.errors import ImportFailed

T = TypeVar("T")
Size = tuple[int, int]
Rgb = tuple[float, float, float]

BACKGROUND, ANOMALY = "background", "anomaly"
LABEL_LENGTH = 64
#: what a label's name may be, for messages
LABEL = f"1 to {LABEL_LENGTH} printable characters"
#: the colours in which Lookout for Vision and DDA draw their first twenty kinds of anomaly
#: (awslabs/DefectDetectionApplication, lyra_anomalies_mask_utils)
PALETTE = (
    "#23A436", "#14A3B3", "#F76902", "#9380FF", "#BD10E0", "#467CE6", "#A09308", "#0094BD", "#CC7700", "#5856D6",
    "#D61CB0", "#007AFF", "#8A6E00", "#2CA02C", "#3182BD", "#E6550D", "#8269FF", "#FF2EDC", "#2532EA", "#7C9F1E",
)  # fmt: skip


class Wanted(NamedTuple):
    """What the user says of any model; what is None, or empty, is taken from the file."""

    #: width and height of the pictures that clients will send
    image_size: Size | None = None
    threshold: float | None = None
    #: name and colour of every kind of anomaly, in the model's order
    labels: tuple[tuple[str, str], ...] = ()


class WantedOnnx(NamedTuple):
    """What the user says of an ONNX file that nothing is known about."""

    input_size: Size | None = None
    layout: Literal["NCHW", "NHWC"] | None = None
    bgr: bool = False
    resize: Literal["area", "bilinear", "bicubic", "nearest"] = "area"
    scale: float | None = None
    mean: Rgb | None = None
    std: Rgb | None = None
    score_output: str | None = None
    score_index: int | None = None
    #: of a map's values, or a row's; 1 is the highest
    score_quantile: float | None = None
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    #: slope and intercept of a logistic function
    calibration: tuple[float, float] | None = None
    mask_output: str | None = None
    mask_kind: Literal["class_scores", "class_ids", "anomaly_map"] | None = None
    pixel_threshold: float | None = None


class Ask(Protocol):
    """Gets a value that neither the file nor the user has given: from a person on a terminal, or not at all."""

    #: whether a person sits there
    is_answered: bool

    def __call__(self, flag: str, question: str, parse: Callable[[str], T], suggestion: str, *, needed: bool) -> T:
        """Return the parsed answer.

        Raises:
            ImportFailed: nobody can be asked and the value is needed; without need, the suggestion is taken.
        """
        ...

    def show(self, lines: Sequence[str]) -> None:
        """Tell whoever will be asked what the model looks like."""
        ...


class Draft(NamedTuple):
    """A model that answers as our manifest says, and what stands in the manifest."""

    model: ModelProto
    image: Size
    input: Input
    score: ScoreOutput
    threshold: float
    mask: MaskOutput | None = None
    labels: tuple[Label, ...] = ()
    calibration: Calibration | None = None
    #: the score is 0 or 1 and nothing between
    is_yes_or_no: bool = False
    #: how pictures are fed stands in DDA's manifest.json, and not in flags
    stage_keys: bool = False
    #: what the user should know
    notes: tuple[str, ...] = ()
    #: what the file was, for people
    origin: Mapping[str, Any] = MappingProxyType({})


def is_label(name: str) -> bool:
    """Tell whether a name can be a label's."""
    return 1 <= len(name) <= LABEL_LENGTH and name.isprintable()


def make_labels(wanted: Wanted, names: Sequence[str], background: str = BACKGROUND) -> tuple[Label, ...]:
    """Give the manifest's labels: the background, then the model's kinds of anomaly.

    Raises:
        ImportFailed: the user gave another number of labels, or there are more than the palette has colours.
    """
    given = wanted.labels
    if given and len(given) != len(names):
        raise ImportFailed(
            f"--label was given for {len(given)} kinds of anomaly, the model tells {len(names)} apart: "
            f"{', '.join(names)}"
        )
    if not given and len(names) > len(PALETTE):
        raise ImportFailed(f"the model tells {len(names)} kinds of anomaly apart; give each its --label NAME=#RRGGBB")
    pairs = given or tuple(zip(names, PALETTE, strict=False))
    return (Label(name=background, color="#FFFFFF"), *(Label(name=name, color=color) for name, color in pairs))


def number_names(count: int) -> list[str]:
    """Name kinds of anomaly that the file does not name."""
    return [ANOMALY] if count == 1 else [f"{ANOMALY}-{number}" for number in range(1, count + 1)]
