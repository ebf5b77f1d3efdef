"""edge-agent detect."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import click

from edge_agent.cli import EXIT_FAILED
from edge_agent.cli.output import json_option, note, print_json, print_table, socket_option
from edge_agent.cli.pictures import overlay
from edge_agent.client.client import Client
from edge_agent.client.detection import Detection
from edge_agent.component.pixel_options import read_pixel_options
from edge_agent.errors import CallFailed, InvalidRequest
from edge_agent.inference.imaging.bayer import PATTERNS
from edge_agent.inference.imaging.deep_pixels import USED_BITS, read_deep, used_bits
from edge_agent.inference.imaging.picture import AS_STORED, PixelFormat, read_picture
from edge_agent.inference.imaging.picture_file import examine

_ABOUT_ONE_PICTURE = ("INVALID_ARGUMENT", "INTERNAL", "DEADLINE_EXCEEDED")


class Sent(NamedTuple):
    """A picture, what came back, and how long that took, in seconds."""

    path: Path
    detection: Detection
    seconds: float


@click.command(epilog="Example: edge-agent detect cookies pictures/*.jpg --overlay marked")
@click.argument("model")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False), metavar="IMAGE...")
@click.option("--start", is_flag=True, help="Start the model first if it is not running.")
@click.option("--overlay", "overlay_dir", type=click.Path(path_type=Path, readable=False), metavar="DIR",
              help="Write each picture with its mask and verdict to DIR, as PNG.")  # fmt: skip
@click.option(
    "--bits",
    type=click.Choice([str(bits) for bits in USED_BITS]),
    metavar="N",
    help="How many bits of 16-bit files are used: 10, 12, 14 or 16  [default: as for the training pictures]",
)
@click.option("--bayer", type=click.Choice(list(PATTERNS)), metavar="PATTERN",
              help="Grey pictures are mosaics of a colour filter: RGGB, BGGR, GRBG or GBRG.")  # fmt: skip
@socket_option
@json_option
def command(
    model: str, images: tuple[Path, ...], start: bool, overlay_dir: Path | None, bits: str | None, bayer: str | None,
    socket: str, as_json: bool,
) -> None:  # fmt: skip
    """Send pictures (PNG, JPEG, BMP, TIFF, WebP) to the running model MODEL and print its verdicts.

    They are turned as their EXIF orientation says, as those that the model was trained on were.

    The exit code is 0 whatever the verdicts are, and 1 when a picture could not be inspected; the others are.
    """
    with Client(socket) as client:
        if start:
            client.start(model)
        pixel_format = _pixel_format(client.describe(model).message, bits, bayer)
        sent, problems = send(client, model, list(images), overlay_dir, pixel_format)
        about = client.describe(model)
    if about.status == "RUNNING" and about.message:  # such as that these pictures are unlike the training pictures
        note(f"model '{model}': {about.message}")
    if as_json:
        print_json([_fields(item) for item in sent])
    elif sent:
        print_verdicts(sent)
    _say_unused_bits([item.path for item in sent], pixel_format)
    for problem in problems:
        click.echo(f"edge-agent: {problem}", err=True)
    if problems:
        sys.exit(EXIT_FAILED)


def _pixel_format(message: str, bits: str | None, bayer: str | None) -> PixelFormat:
    """Read files as those of the training were, which the model's status message tells, unless the user says more."""
    trained = read_pixel_options(message)
    for option, value in (("bits", bits), ("bayer", bayer)):
        if value is not None and value != trained.get(option, value):
            note(f"--{option} {value} is taken, the training pictures were read with --{option} {trained[option]}")
    return PixelFormat(int(bits or trained.get("bits") or AS_STORED.bits), bayer or trained.get("bayer", ""))


def send(
    client: Client, model: str, images: list[Path], overlay_dir: Path | None, pixel_format: PixelFormat = AS_STORED
) -> tuple[list[Sent], list[str]]:
    """Send pictures one after the other, and write each with its mask to `overlay_dir`.

    Returns what came back, and a sentence for each picture that could not be inspected; what would be wrong with every
    picture is raised.
    """
    sent: list[Sent] = []
    problems: list[str] = []
    written: set[str] = set()
    if overlay_dir is not None:
        overlay_dir.mkdir(parents=True, exist_ok=True)
    for path in images:
        try:
            picture = read_picture(path, pixel_format)
            begun = time.perf_counter()
            detection = client.detect(model, picture)
        except InvalidRequest as error:
            problems.append(str(error))
            continue
        except CallFailed as error:
            if error.code not in _ABOUT_ONE_PICTURE:
                raise
            problems.append(f"{path}: {error}")
            continue
        sent.append(Sent(path, detection, time.perf_counter() - begun))
        if overlay_dir is not None:
            name, number = path.stem, 1
            while name in written:  # two pictures of the same name in different folders
                number += 1
                name = f"{path.stem}-{number}"
            written.add(name)
            overlay(picture, detection).save(overlay_dir / f"{name}.png", compress_level=1)
    return sent, problems


def _say_unused_bits(paths: list[Path], pixel_format: PixelFormat) -> None:
    """Say when files of 16 bits use fewer: taken for full ones, they are nearly black."""
    deep = [path for path in paths if examine(path).depth == 16]
    if not deep or pixel_format.bits != AS_STORED.bits:
        return
    peak = max(int(read_deep(path).max()) for path in deep)
    bits = used_bits(peak)
    if bits < AS_STORED.bits:
        count = "1 picture" if len(deep) == 1 else f"{len(deep)} pictures"
        note(
            f"the values of {count} of 16 bits stay below {1 << bits}, and were taken for full ones; if the model was "
            f"trained with --bits {bits}, say it here too"
        )


def print_verdicts(sent: list[Sent]) -> None:
    """Print a table of verdicts; areas are those of the kinds of anomaly."""
    rows = [
        (
            str(item.path),
            "anomalous" if item.detection.is_anomalous else "normal",
            f"{item.detection.confidence:.3f}",
            f"{item.detection.score:.4f}",
            ", ".join(f"{area.label} {area.fraction:.2%}" for area in item.detection.areas[1:])
            or ("nothing marked" if item.detection.is_unmarked else "-"),
            f"{item.seconds * 1000:.1f}",
        )
        for item in sent
    ]
    print_table(("PICTURE", "VERDICT", "CONFIDENCE", "SCORE", "AREAS", "MS"), rows, right=("CONFIDENCE", "SCORE", "MS"))


def _fields(item: Sent) -> dict[str, Any]:
    detection = item.detection
    return {
        "picture": str(item.path),
        "is_anomalous": detection.is_anomalous,
        "confidence": detection.confidence,
        "anomaly_score": detection.score,
        "anomaly_threshold": detection.threshold,
        "areas": [
            {"name": area.label, "hex_color": area.color, "total_percentage_area": area.fraction}
            for area in detection.areas
        ],
        "milliseconds": round(item.seconds * 1000, 3),
    }
