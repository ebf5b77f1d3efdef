"""What commands that take a DATASET have in common: how it is read, what is said of it, and going on without faults."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.building.datasets.checks.checking import judge, look_at
from edge_agent.building.datasets.checks.leaving_out import without_broken
from edge_agent.building.datasets.checks.report import Report, Seen
from edge_agent.building.datasets.dataset import Example
from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.building.datasets.reading import Datasets, Reading, read_datasets
from edge_agent.building.datasets.sentences import sentence
from edge_agent.cli.output import note, progress_bar
from edge_agent.errors import DatasetError
from edge_agent.inference.imaging.bayer import PATTERNS
from edge_agent.inference.imaging.deep_pixels import USED_BITS
from edge_agent.inference.imaging.picture import PixelFormat
from edge_agent.inference.imaging.resize import U8

_F = TypeVar("_F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path, readable=False)
_MOST_SHOWN = 20  # problems on the terminal


class Given(NamedTuple):
    """What a user said of how a dataset is to be read."""

    reading: Reading
    skip_broken: bool = False


class Loaded(NamedTuple):
    """A dataset and what was found in it."""

    datasets: Datasets
    report: Report


def dataset_options(function: _F) -> _F:
    """Add what says how a dataset is read; the function takes it as `given`."""

    @functools.wraps(function)
    def with_given(*args: Any, **values: Any) -> Any:
        names = {side: values.pop(side) for side in ("normal", "anomaly")}
        reading = Reading(
            values.pop("images"), values.pop("fetch"), **names,
            attributes=tuple(part.strip() for text in values.pop("attribute") for part in text.split(",")),
            kinds=values.pop("kinds"),
            pixel_format=PixelFormat(int(values.pop("bits")), values.pop("bayer") or ""),
        )  # fmt: skip
        try:
            _ = reading.names
        except ValueError as error:
            raise click.UsageError(f"--normal and --anomaly: {error}") from None
        return function(*args, given=Given(reading, values.pop("skip_broken")), **values)

    wrapped: Any = with_given
    for option in (
        click.option("--skip-broken", is_flag=True,
                     help="Go on without lines and pictures that are broken; NAME-left.manifest has the others."),
        click.option("--fetch", is_flag=True, help="Download s3:// files that are not there (needs the extra [s3])."),
        click.option("--images", type=_PATH, metavar="DIR",
                     help="Where the files of a manifest's s3:// and relative references lie  [default: its folder]"),
        click.option("--bayer", type=click.Choice(list(PATTERNS)), metavar="PATTERN",
                     help="Grey pictures are mosaics of a colour filter: RGGB, BGGR, GRBG or GBRG."),
        click.option("--bits", type=click.Choice([str(bits) for bits in USED_BITS]), default="16", metavar="N",
                     help="How many bits of 16-bit files are used: 10, 12, 14 or 16  [default: 16]"),
        click.option("--kinds", is_flag=True, help="Make each folder of a kind of defect a label of its own."),
        click.option("--attribute", multiple=True, metavar="NAME,…",
                     help="Attributes of a manifest that count where several contradict each other."),
        click.option("--anomaly", multiple=True, metavar="NAME,…", help="Classes or folders that mean anomaly."),
        click.option("--normal", multiple=True, metavar="NAME,…", help="Classes or folders that mean normal."),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def load(
    dataset: Path, test: Path | None, given: Given, *, masks: bool = True, advice: bool = False,
    only_test: bool = False, on_picture: Callable[[Example, U8], None] | None = None,
) -> Loaded:  # fmt: skip
    """Read a dataset and all of its pictures; with --skip-broken, what is left of it. Nothing is printed of it yet.
    `on_picture` is given those for training.

    Of one with a part for testing `only_test` takes that part.
    """
    datasets = read_datasets(dataset, test, given.reading)
    if only_test and datasets.test:
        datasets = Datasets(datasets.test, None)
    with progress_bar("reading pictures") as progress:
        seen = look_at(datasets, progress, masks=masks, on_picture=on_picture)
    report = judge(datasets, seen, masks=masks, advice=advice)
    if given.skip_broken and any(reason.weight == "broken" for reason in report.reasons):
        listed = _write_problems(report.problems, dataset)
        left = without_broken(datasets, report)
        kept = [_kept(part, rest) for part, rest in zip(seen, _parts(left), strict=True)]
        report = judge(left, kept, masks=masks, advice=advice)
        note(f"{listed} lists what is left out")
        _write_left(left)
        datasets = left
    return Loaded(datasets, report)


def usable(loaded: Loaded) -> Datasets:
    """Say what is to be known of a dataset, and refuse one with problems.

    Raises:
        DatasetError: the text names the problems.
    """
    for warning in loaded.report.warnings:
        note(warning)
    refuse(loaded.report, loaded.datasets.train.source)
    return loaded.datasets


def refuse(report: Report, source: Path) -> None:
    """Refuse a dataset with problems; more than a screen of them are written to a file.

    Raises:
        DatasetError: the text names them.
    """
    problems = report.problems
    if not problems:
        return
    if len(problems) == 1:
        raise DatasetError(*problems, *_way_on(report))
    shown = [f"  {problem}" for problem in problems[:_MOST_SHOWN]]
    raise DatasetError(
        f"{len(problems)} problems with the pictures:", *shown, *_rest(problems, source), *_way_on(report)
    )


def print_problems(report: Report, source: Path) -> None:
    """Name the problems on the error output, each on a line; more than a screen of them are written to a file."""
    problems = report.problems
    for problem in problems[:_MOST_SHOWN]:
        click.echo(f"problem: {problem}", err=True)
    for line in (*_rest(problems, source), *_way_on(report)):
        click.echo(line, err=True)


def _rest(problems: Sequence[str], source: Path) -> list[str]:
    """Write the problems to a file when there are too many to show."""
    if len(problems) <= _MOST_SHOWN:
        return []
    more = f"and {len(problems) - _MOST_SHOWN} more"
    try:
        return [f"{more}; {_write_problems(problems, source)} lists all {len(problems)}"]
    except OSError as error:
        return [f"{more}; the list of all can't be written here: {describe_refusal(error)}"]


def _write_problems(problems: Sequence[str], source: Path) -> Path:
    path = Path(f"{_stem(source)}-problems.txt")
    path.write_text("".join(f"{problem}\n" for problem in problems), encoding="utf-8")
    return path


def _way_on(report: Report) -> list[str]:
    """--skip-broken is of use where something is left without what is broken."""
    broken = [reason for reason in report.reasons if reason.weight == "broken"]
    if not broken:
        return []
    return ["--skip-broken goes on without the lines and pictures that are broken"]


def _write_left(datasets: Datasets) -> None:
    for part in _parts(datasets):
        path = Path(f"{_stem(part.source)}-left.manifest")
        count = write_manifest(part, path, unlabelled=True)
        note(f"{path} has the {count} lines that are left")


def _kept(seen: Sequence[Seen], rest: Any) -> list[Seen]:
    left = {(example.path, example.number) for example in rest.labelled}
    return [item for item in seen if (item.example.path, item.example.number) in left]


def _parts(datasets: Datasets) -> list[Any]:
    return [datasets.train, *([datasets.test] if datasets.test else [])]


def _stem(source: Path) -> str:
    name = source.resolve().name
    return name.split(".")[0] or "dataset" if source.is_file() else name or "dataset"


def print_notes(report: Report) -> None:
    """Say what to expect, to the error output."""
    for reason in report.reasons:
        if not reason.stops:
            note(sentence(reason))
