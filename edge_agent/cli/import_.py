"""edge-agent import."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edge_agent.building.importing.packages import require_packages
from edge_agent.cli.output import Share, check_output, choose_name, json_option, note, print_json
from edge_agent.component.writing import check_target
from edge_agent.errors import ImportFailed

if TYPE_CHECKING:
    from edge_agent.building.importing.importer import Result

T = TypeVar("T")
_FORMATS = ["auto", "dda", "marketplace", "anomalib", "onnx"]


class _PathType(click.Path):
    """A path; click takes an empty one for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("it is empty, expected a path", param, ctx)
        return super().convert(value, param, ctx)


class _Parsed(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A flag that is read by a function of building/importing/answering.py, which is imported only then."""

    def __init__(self, name: str, function: str, *arguments: object) -> None:
        self.name, self._function, self._arguments = name, function, arguments

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from edge_agent.building.importing import answering

        try:
            return getattr(answering, self._function)(str(value), *self._arguments)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Label(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "NAME=#RRGGBB"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        match = re.fullmatch(r"(.{1,64})=(#[0-9A-Fa-f]{6})", str(value))
        if match is None or not match[1].isprintable():
            self.fail(f"{value!r} is not a name and a colour such as scratch=#23A436", param, ctx)
        return match[1], match[2]


_PATH = _PathType(path_type=Path)
_SIZE = _Parsed("WxH", "parse_size")
_RGB = _Parsed("R,G,B", "parse_rgb")
_DIVISORS = _Parsed("R,G,B", "parse_divisors")
_NUMBER = _Parsed("NUMBER", "parse_number")
_LOGISTIC = _Parsed("SLOPE,INTERCEPT", "parse_numbers", 2, "a slope and an intercept such as 0.8,-3")


@click.command(name="import", epilog="Example: edge-agent import model.tar.gz -o models --name cookies")
@click.argument("source", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, metavar="DIR",
              help="Folder of models; the component is DIR/NAME/VERSION.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the component  [default: that of SOURCE]")
@click.option("--version", default="1.0.0", show_default=True, help="Version of the component.")
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="auto", show_default=True,
              help="auto: told by the content.")  # fmt: skip
@click.option("--image-size", type=_SIZE, help="Size of your pictures  [default: the file's, or the network's input]")
@click.option("--threshold", type=Share(0, 1), help="Anomalous from this score on  [default: the file's]")
@click.option("--label", "labels", type=_Label(), multiple=True,
              help="Name and colour of a kind of anomaly; once for each, in the model's order.")  # fmt: skip
@click.option("--description", default="", help="A sentence for whoever finds the component.")
@click.option("--input-size", type=_SIZE, help="(onnx) Size of the input, where the model leaves it free.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), help="(onnx) Order of the input's dimensions.")
@click.option("--bgr", is_flag=True, help="(onnx) The model wants blue, green, red, as OpenCV reads pictures.")
@click.option("--resize", type=click.Choice(["area", "bilinear", "bicubic", "nearest"]), default="area",
              help="(onnx) Filter that makes a picture the input's size  [default: area]")  # fmt: skip
@click.option("--scale", type=_NUMBER, help="(onnx) Factor for values of 0..255  [default: 1/255]")
@click.option("--mean", type=_RGB, help="(onnx) Taken away after the scale.")
@click.option("--std", type=_DIVISORS, help="(onnx) Divided by after that.")
@click.option("--score-output", metavar="NAME", help="(onnx) The output with the score.")
@click.option("--score-index", type=click.IntRange(0), help="(onnx) Which of its values, from 0.")
@click.option("--score-quantile", type=Share(0, 1), metavar="SHARE",
              help="(onnx) Which of a map's or row's values: 1 is the highest  [default: 1 of a map]")  # fmt: skip
@click.option("--activation", type=click.Choice(["none", "sigmoid", "softmax"]), default="none",
              help="(onnx) What makes its values 0..1  [default: none]")  # fmt: skip
@click.option("--calibration", type=_LOGISTIC,
              help="(onnx) The score becomes 1 / (1 + exp(-(SLOPE * score + INTERCEPT))).")  # fmt: skip
@click.option("--mask-output", metavar="NAME", help="(onnx) The output with the mask.")
@click.option("--mask-kind", type=click.Choice(["class_scores", "class_ids", "anomaly_map"]),
              help="(onnx) What it holds  [default: told by type and shape]")  # fmt: skip
@click.option("--pixel-threshold", type=_NUMBER, help="(onnx) Of an anomaly_map  [default: 0.5]")
@json_option
def command(
    source: Path, output: Path, name: str | None, version: str, kind: str, image_size: tuple[int, int] | None,
    threshold: float | None, labels: tuple[tuple[str, str], ...], description: str, as_json: bool, **onnx: Any,
) -> None:  # fmt: skip
    """Make a model component of SOURCE, a model that someone else made.

    SOURCE is a folder, a .zip or .tar.gz archive, or an .onnx file: a DefectDetectionApplication component in ONNX, the
    model.tar.gz of the AWS Marketplace model "Computer Vision Defect Detection", an anomalib export, or any ONNX file.
    A TorchScript file in it runs code of whoever made it: import only what you trust.
    """
    chosen = choose_name(name, _stem(source), version)
    require_packages()
    check_output(output)
    target = check_target(output / chosen / version)
    replaced = [f"{target} is there and will be replaced; --version makes another"] if target.exists() else []
    for text in replaced:
        note(text)
    from edge_agent.building.importing.component import Identity
    from edge_agent.building.importing.draft import Wanted, WantedOnnx
    from edge_agent.building.importing.importer import import_model

    result = import_model(
        source,
        output,
        Identity(chosen, version, description),
        Wanted(image_size, threshold, labels),
        WantedOnnx(**onnx),
        _Nobody() if as_json or not _is_terminal() else _Terminal(),
        format=None if kind == "auto" else kind,  # type: ignore[arg-type]
    )
    for text in result.notes:
        note(text)
    if as_json:
        print_json(_summary(result._replace(notes=(*replaced, *result.notes))))
    else:
        _print(result)


class _Nobody:
    """Says which flag is missing."""

    is_answered = False

    def __call__(self, flag: str, question: str, parse: Callable[[str], T], suggestion: str, *, needed: bool) -> T:
        if needed:
            example = f", such as {flag} {suggestion}" if suggestion else ""
            raise ImportFailed(f"{flag} is missing: {question}{example}")
        return parse(suggestion)

    def show(self, lines: Sequence[str]) -> None:
        pass


class _Terminal:
    """Asks whoever sits there, again when the answer makes no sense."""

    is_answered = True

    def __init__(self) -> None:
        self._lines: Sequence[str] = ()

    def __call__(self, flag: str, question: str, parse: Callable[[str], T], suggestion: str, *, needed: bool) -> T:
        for line in self._lines:  # once, before the first question
            click.echo(line)
        self._lines = ()

        def read(text: str) -> T:
            try:
                return parse(text)
            except ValueError as error:
                raise click.UsageError(str(error)) from None

        answer: T = click.prompt(f"{question} ({flag})", default=suggestion or None, value_proc=read)
        return answer

    def show(self, lines: Sequence[str]) -> None:
        self._lines = lines


def _is_terminal() -> bool:
    """Tell whether somebody can be asked; a stream that was closed before the start is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _stem(source: Path) -> str:
    """Name what SOURCE is, also when it is "."."""
    with contextlib.suppress(OSError, RuntimeError):  # links in a circle; opening it says so
        source = source.resolve()
    return re.sub(r"(\.tar)?\.[A-Za-z]+$", "", source.name) if source.is_file() else source.name


def _summary(result: Result) -> dict[str, Any]:
    manifest = result.manifest
    return {
        "component": str(result.folder),
        "format": result.format,
        "task": manifest.task,
        "image": {"width": manifest.image.width, "height": manifest.image.height},
        "input": {"width": manifest.input.width, "height": manifest.input.height},
        "threshold": manifest.threshold,
        "labels": [{"name": label.name, "color": label.color} for label in manifest.labels],
        "notes": list(result.notes),
    }


def _print(result: Result) -> None:
    manifest, folder = result.manifest, result.folder
    labels = f", labels {', '.join(label.name for label in manifest.labels[1:])}" if manifest.labels else ""
    how = "but its answers say nothing, see the note" if result.is_doubtful else "and answers"
    click.echo(f"{folder} was imported ({result.format}) {how}")
    click.echo(
        f"{manifest.task} of pictures of {manifest.image.width}x{manifest.image.height}, "
        f"threshold {manifest.threshold:g}{labels}"
    )
    click.echo("Next, to see whether it judges your pictures as it did before:")
    click.echo(f"    edge-agent evaluate {folder} DATASET")
    click.echo("and to run it:")
    click.echo(f"    edge-agent serve --model-dir {folder.parent.parent}")
