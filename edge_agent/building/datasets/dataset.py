"""What a dataset is: labelled pictures in files, wherever their labels came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from edge_agent.building.datasets.reasons import Reason
from edge_agent.errors import DatasetError

NORMAL: Literal["normal"] = "normal"
ANOMALY: Literal["anomaly"] = "anomaly"
#: most kinds of anomaly that one model tells apart, as in the guide's quotas
MAX_LABELS = 20
_COLOR = re.compile("#[0-9A-Fa-f]{6}")
_NAME_MAX = 64  # of a label's name, as in the component's manifest
#: colours for labels that have none that can be drawn on white
PALETTE = (
    "#E8540C", "#2CA02C", "#1F77B4", "#9467BD", "#D62728", "#17BECF", "#BCBD22", "#8C564B", "#E377C2", "#7F7F7F",
    "#FF9F40", "#0B6E4F", "#3A0CA3", "#B5179E", "#6A040F", "#006D77", "#606C38", "#7F5539", "#FF70A6", "#495057",
)  # fmt: skip

Rgb = tuple[int, int, int]


class MaskFile(NamedTuple):
    """A mask in a file: which colour stands for which label there; None as the key is the background's."""

    path: Path
    colors: Mapping[str | None, Rgb]
    #: the one label is wherever a pixel is not 0, whatever its value
    any_value: bool = False
    #: other files of the same picture, of which each shows a part
    more: tuple[Path, ...] = ()
    #: the attribute of the manifest's line that names it
    attribute: str = ""

    @property
    def declared(self) -> str:
        """The labels and their colours, in words."""
        return ", ".join(f"{name or 'BACKGROUND'} {write_color(color)}" for name, color in self.colors.items())


class Example(NamedTuple):
    """One picture. `label` is None for a picture that nobody labelled."""

    path: Path
    #: how the dataset calls the picture: an s3:// address or a path
    reference: str
    label: Literal["normal", "anomaly"] | None
    mask: MaskFile | None = None
    #: the line of the manifest that it came from
    line: Mapping[str, Any] | None = None
    #: the file that names it, and the number of the line there
    source: Path | None = None
    number: int | None = None


class LabelColor(NamedTuple):
    """A kind of anomaly and the colour, #RRGGBB, in which a model will paint it."""

    name: str
    color: str


class Dataset(NamedTuple):
    """Pictures and the kinds of anomaly that their masks show."""

    source: Path
    examples: tuple[Example, ...]
    labels: tuple[LabelColor, ...] = ()
    #: what was noticed while reading
    reasons: tuple[Reason, ...] = ()

    @property
    def labelled(self) -> tuple[Example, ...]:
        """The pictures that have a label."""
        return tuple(example for example in self.examples if example.label is not None)

    def of(self, label: str) -> tuple[Example, ...]:
        """The pictures of a label."""
        return tuple(example for example in self.examples if example.label == label)


def parse_color(text: str) -> Rgb:
    """Read #RRGGBB.

    Raises:
        ValueError: it is something else.
    """
    if _COLOR.fullmatch(text) is None:  # int() would take "-1" and " 1"
        raise ValueError(f"{text[:_NAME_MAX]!r} is not a colour such as #2ca02c")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def write_color(color: Rgb) -> str:
    """Write #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def check_distinct(colors: Mapping[str | None, Rgb]) -> None:
    """Check that labels can be told apart, and that their names can be written.

    Raises:
        ValueError: two have the same colour, or a name is empty or too long.
    """
    seen: dict[Rgb, str] = {}
    for name, color in colors.items():
        shown = "BACKGROUND" if name is None else name
        if not 1 <= len(shown) <= _NAME_MAX or not shown.isprintable():
            raise ValueError(f"the label name {shown[:_NAME_MAX]!r} is not of 1 to {_NAME_MAX} printable characters")
        if color in seen:
            raise ValueError(f"labels {seen[color]!r} and {shown!r} have the same colour")
        seen[color] = shown


def label_colors(found: Mapping[str, Rgb], *, source: Path) -> tuple[LabelColor, ...]:
    """Give each label, in this order, a colour of its own that is not the background's white.

    Raises:
        DatasetError: there are more labels than a model can have.
    """
    if len(found) > MAX_LABELS:
        raise DatasetError(
            f"{source} has {len(found)} anomaly labels, expected at most {MAX_LABELS}: {', '.join(found)}"
        )
    used: set[str] = {"#FFFFFF"}
    labels = []
    for name, rgb in found.items():
        color = "#{:02X}{:02X}{:02X}".format(*rgb)
        if color in used:
            color = next(spare for spare in PALETTE if spare not in used)
        used.add(color)
        labels.append(LabelColor(name, color))
    return tuple(labels)
