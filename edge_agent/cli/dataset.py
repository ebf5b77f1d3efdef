"""edge-agent dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from edge_agent.building.datasets.checks.leaving_out import without_broken
from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.building.datasets.names import names_of
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.datasets.sentences import reason_fields, sentence
from edge_agent.building.datasets.sheet import contact_sheet
from edge_agent.building.datasets.split import split
from edge_agent.building.datasets.tables.conversion import convert_csv
from edge_agent.cli import EXIT_FAILED
from edge_agent.cli.datasets import Given, dataset_options, load, print_notes, print_problems, usable
from edge_agent.cli.output import SEED, Share, json_option, note, print_json, print_table

_PATH = click.Path(path_type=Path, readable=False)


@click.group(epilog="Example: edge-agent dataset check pictures")
def command() -> None:
    """Check, show and convert labelled pictures.

    DATASET is a folder with the folders `normal` and `anomaly` (and `masks`, if there are any), a folder in the layout
    of MVTec AD, VisA or anomalib, a SageMaker Ground Truth manifest, a CSV file, or COCO's or YOLO's file. Other names
    of classes and folders are told with --normal and --anomaly, or in dataset.toml beside the pictures.
    """


@command.command(epilog="Example: edge-agent dataset check train.manifest --test test.manifest --images bucket")
@click.argument("dataset", type=_PATH)
@click.option("--test", type=_PATH, metavar="DATASET", help="Pictures set apart for testing.")
@click.option("--task", type=click.Choice(["auto", "classification", "segmentation"]), default="auto",
              show_default=True, help="classification: masks don't matter.")  # fmt: skip
@dataset_options
@json_option
def check(dataset: Path, test: Path | None, task: str, given: Given, as_json: bool) -> None:
    """Say what is wrong with DATASET before a model is made of it, and what it holds.

    The exit code is 1 when a model can't be made of it.
    """
    datasets, report = load(dataset, test, given, masks=task != "classification", advice=True)
    if as_json:
        print_json(_fields(datasets, report))
    else:
        _print(datasets, report)
    if report.problems:
        sys.exit(EXIT_FAILED)


@command.command(epilog="Example: edge-agent dataset show pictures -o sheet.png")
@click.argument("dataset", type=_PATH)
@click.option("-o", "--output", type=_PATH, default="dataset.png", show_default=True, metavar="FILE",
              help="Where to write it, PNG or JPEG.")  # fmt: skip
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1), help="Most pictures on it.")
@dataset_options
def show(dataset: Path, output: Path, limit: int, given: Given) -> None:
    """Write a contact sheet of DATASET, with masks laid over.

    What can be drawn is drawn; the exit code is 1 when something is wrong with DATASET.
    """
    if output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise click.BadParameter(f"{output} is neither .png nor .jpg", param_hint="--output")
    datasets, report = load(dataset, None, given)
    print_notes(report)
    print_problems(report, datasets.train.source)
    drawn = without_broken(datasets, report).together
    if drawn.examples:
        output.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(drawn, limit=limit).save(output)
        click.echo(f"{min(limit, len(drawn.examples))} pictures on {output}")
    if report.problems:
        sys.exit(EXIT_FAILED)


@command.command(epilog="Example: edge-agent dataset export pictures -o train.manifest --prefix s3://bucket/pictures")
@click.argument("dataset", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, metavar="FILE", help="The manifest to write.")
@click.option("--prefix", default="", metavar="S3-PATH", help="Write s3:// addresses: this and the pictures' names.")
@dataset_options
def export(dataset: Path, output: Path, prefix: str, given: Given) -> None:
    """Write DATASET as a Ground Truth manifest."""
    count = write_manifest(usable(load(dataset, None, given)).together, output, prefix=prefix)
    click.echo(f"{count} lines in {output}")


@command.command("split", epilog="Example: edge-agent dataset split pictures -o parts --share 0.3")
@click.argument("dataset", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, metavar="DIR", help="Folder for the two manifests.")
@click.option("--share", default=1 / 3, show_default="1/3", type=Share(0, 1, min_open=True, max_open=True),
              help="How much goes to the test.")  # fmt: skip
@click.option("--seed", default=0, type=SEED, show_default=True, help="The same seed gives the same parts.")
@dataset_options
def split_(dataset: Path, output: Path, share: float, seed: int, given: Given) -> None:
    """Divide DATASET into DIR/train.manifest and DIR/test.manifest, each with its share of normal and anomalous."""
    together = usable(load(dataset, None, given)).together
    for part, name in zip(split(together, seed=seed, share=share), ("train", "test"), strict=True):
        path = output / f"{name}.manifest"
        write_manifest(part, path, local=True)
        click.echo(f"{path}: {len(part.of(NORMAL))} normal, {len(part.of(ANOMALY))} anomalous")


@command.command("from-csv", epilog="Example: edge-agent dataset from-csv pictures.csv --s3-path s3://bucket/pictures/")
@click.argument("csv_file", type=click.Path(path_type=Path, readable=False, exists=True, dir_okay=False))
@click.option("--s3-path", "--s3_path", default="", metavar="S3-PATH", help="Put before the names in column 1.")
@click.option("-o", "--output", type=_PATH, metavar="FILE", help="The manifest; beside the CSV file otherwise.")
@click.option("--normal", multiple=True, metavar="NAME,…", help="Classes that mean normal.")
@click.option("--anomaly", multiple=True, metavar="NAME,…", help="Classes that mean anomaly.")
def from_csv(
    csv_file: Path, s3_path: str, output: Path | None, normal: tuple[str, ...], anomaly: tuple[str, ...]
) -> None:
    """Make a manifest of CSV_FILE, which has a column of pictures and one of classes: `normal` or `anomaly`.

    Separator, encoding, headings and the order of the columns are found. When pictures are there twice or a class is
    neither, no manifest is made: <name>_errors.csv has the lines that are wrong, <name>_deduplicated.csv the first of
    each picture, and both can be corrected and given to this command again.
    """
    try:
        names = names_of(normal, anomaly)
    except ValueError as error:
        raise click.UsageError(f"--normal and --anomaly: {error}") from None
    done = convert_csv(csv_file, prefix=s3_path, manifest=output, names=names)
    for reason in done.notes:
        note(sentence(reason))
    if done.manifest is None:
        click.echo(
            f"edge-agent: {csv_file} has {done.error_count} errors, listed in {done.errors}; correct them there or in "
            f"{done.deduplicated}, which has each picture once, and run this again with the corrected file"
            + (f"; if that is what the classes mean, add: {done.proposal}" if done.proposal else ""),
            err=True,
        )
        sys.exit(EXIT_FAILED)
    click.echo(f"{done.manifest}: {done.normal} normal, {done.anomalous} anomalous")


def _print(datasets: Datasets, report: Report) -> None:
    parts = [("train", datasets.train), *([("test", datasets.test)] if datasets.test else [])]
    rows = [
        (name if len(parts) > 1 else "all", str(len(part.of(NORMAL))), str(len(part.of(ANOMALY))),
         str(sum(example.mask is not None for example in part.of(ANOMALY))),
         str(len(part.examples) - len(part.labelled)))
        for name, part in parts
    ]  # fmt: skip
    numbers = ("NORMAL", "ANOMALOUS", "WITH MASK", "UNLABELLED")
    print_table(("PICTURES", *numbers), rows, right=numbers)
    if report.size:
        click.echo(f"size {report.size[0]}x{report.size[1]}")
    if datasets.labels:
        click.echo("anomaly labels " + ", ".join(f"{label.name} {label.color}" for label in datasets.labels))
    print_notes(report)
    print_problems(report, datasets.train.source)
    if report.problems:
        count = len(report.problems)
        words = "1 problem has" if count == 1 else f"{count} problems have"
        click.echo(f"edge-agent: {words} to be solved first", err=True)
    else:
        click.echo("a model can be made of it")


def _fields(datasets: Datasets, report: Report) -> dict[str, Any]:
    def part(dataset: Any) -> dict[str, Any] | None:
        return dataset and {
            "normal": len(dataset.of(NORMAL)),
            "anomaly": len(dataset.of(ANOMALY)),
            "unlabelled": len(dataset.examples) - len(dataset.labelled),
        }

    return {
        "train": part(datasets.train),
        "test": part(datasets.test),
        "width": report.size and report.size[0],
        "height": report.size and report.size[1],
        "labels": [{"name": label.name, "hex_color": label.color} for label in datasets.labels],
        "problems": list(report.problems),
        "warnings": list(report.warnings),
        "reasons": [reason_fields(reason) for reason in report.reasons],
        "sha256": report.digest,
    }
