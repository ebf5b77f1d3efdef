"""edge-agent train."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_agent.building.datasets.checks.checking import divide
from edge_agent.building.datasets.checks.numbers import LEAST_NORMAL
from edge_agent.building.datasets.dataset import NORMAL
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.datasets.split import split
from edge_agent.building.evaluation.packages import require_packages
from edge_agent.cli.datasets import Given, dataset_options, load, refuse
from edge_agent.cli.output import SEED, Share, check_output, choose_name, json_option, note, print_json, progress_bar
from edge_agent.errors import DatasetError
from edge_agent.hardware.heap import keep_freed_memory

if TYPE_CHECKING:
    from edge_agent.building.training.outlook import Outlook

_PATH = click.Path(path_type=Path, readable=False)


class _Size(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "WxH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        match = re.fullmatch(r"(\d+)x(\d+)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a width and a height such as 320x320", param, ctx)
        width, height = int(match[1]), int(match[2])
        if width % 32 or height % 32 or not (64 <= width <= 1024 and 64 <= height <= 1024):
            self.fail(f"{value} has to be of multiples of 32 from 64 to 1024", param, ctx)
        return width, height


@click.command(epilog="Example: edge-agent train pictures -o models --name cookies")
@click.argument("dataset", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, metavar="DIR",
              help="Folder of models; the component is DIR/NAME/VERSION.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the component  [default: that of the dataset]")
@click.option("--version", default="1.0.0", show_default=True, help="Version of the component.")
@click.option(
    "--test", type=_PATH, metavar="DATASET", help="Pictures set apart: the finished model is measured on them."
)
@click.option(
    "--holdout",
    type=Share(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Set this share of DATASET apart for that, instead of --test.",
)
@click.option("--task", type=click.Choice(["auto", "classification", "segmentation"]), default="auto",
              show_default=True, help="auto: segmentation where there are masks.")  # fmt: skip
@click.option(
    "--locate",
    is_flag=True,
    help="Also mark, coarsely, where a part differs; needs no masks, and knows one label, 'anomaly'.",
)
@click.option("--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True,
              help="int8: smaller and about twice as fast on a processor.")  # fmt: skip
@click.option("--recall", type=Share(0, 1, min_open=True), help="Choose the threshold for at least this recall.")
@click.option("--target-precision", "precision_wanted", type=Share(0, 1, min_open=True),
              help="Choose the threshold for at least this precision.")  # fmt: skip
@click.option("--quality", type=click.Choice(["auto", "normal", "best"]), default="auto", show_default=True,
              help="auto: normal, but four times the pixels and five times the time where pictures are large "
              "and the data show that it helps; best: where pictures are too small for "
              "that, tries twice the pixels (up to 150 pictures); with masks takes them.")  # fmt: skip
@click.option("--speed", is_flag=True, help="Takes about a quarter of the time, and misses small defects.")
@click.option("--input-size", type=_Size(),
              help="Size of the model's input  [default: about 320x320, or more: see --quality]")  # fmt: skip
@click.option("--seed", default=0, type=SEED, show_default=True, help="The same seed and pictures give the same model.")
@click.option("--description", default="", help="A sentence for whoever finds the component.")
@dataset_options
@json_option
def command(
    dataset: Path, output: Path, name: str | None, version: str, test: Path | None, holdout: float | None,
    task: str, locate: bool, precision: str,
    recall: float | None, precision_wanted: float | None, quality: str, speed: bool,
    input_size: tuple[int, int] | None, seed: int,
    description: str, given: Given, as_json: bool,
) -> None:  # fmt: skip
    """Build a model component of DATASET.

    DATASET is what `edge-agent dataset` takes: a folder with `normal` and `anomaly`, or a manifest. The figures that
    are printed come from pictures that were held out in turn.
    """
    if recall is not None and precision_wanted is not None:
        raise click.UsageError("--recall and --target-precision exclude each other")
    _refuse_contradictions(quality, input_size, speed=speed)
    if locate and task == "segmentation":
        raise click.UsageError("--locate and --task segmentation exclude each other: masks are learned, or not needed")
    if holdout is not None and test is not None:
        raise click.UsageError("--holdout and --test exclude each other")
    chosen = choose_name(name, dataset.resolve().stem, version)
    require_packages()
    keep_freed_memory()
    check_output(output)
    if (output / chosen / version).exists():
        note(f"{output / chosen / version} is there and will be replaced; --version makes another")
    from edge_agent.building.training.component import Identity
    from edge_agent.building.training.head import Wanted
    from edge_agent.building.training.options import Options, Steps
    from edge_agent.building.training.pictures import TrainingPictures
    from edge_agent.building.training.trainer import train

    begun = time.monotonic()
    masks = task != "classification" and not locate
    options = Options(
        task, precision, seed, input_size, Wanted(recall, precision_wanted), locate,  # type: ignore[arg-type]
        quality="speed" if speed else quality,  # type: ignore[arg-type]
    )  # fmt: skip
    pictures = TrainingPictures(options)
    loaded = load(dataset, test, given, masks=masks, advice=True, on_picture=pictures.see)
    refuse(loaded.report, dataset)
    datasets, report = loaded
    if holdout is not None:
        whole = len(datasets.train.of(NORMAL))
        datasets = Datasets(*split(datasets.train, seed=seed, share=holdout))
        if (left := len(datasets.train.of(NORMAL))) < LEAST_NORMAL:
            raise DatasetError(
                f"--holdout {holdout:g} leaves {left} of {whole} normal pictures for the training, expected "
                f"{LEAST_NORMAL} or more"
            )
        report = divide(report, datasets, masks=masks)
    trained = train(
        datasets,
        output,
        Identity(chosen, version, description),
        options,
        Steps(progress_bar, note),
        report,
        pictures,
    )
    if as_json:
        print_json({
            "component": str(trained.folder),
            "figures": trained.figures,
            "outlook": trained.outlook.named(),
            "resolution": trained.resolution and trained.resolution.named(),
            "registration": trained.registration and trained.registration.named(),
            "sha256": trained.report.digest,
        })  # fmt: skip
        return
    _print(trained.folder, trained.figures, time.monotonic() - begun)
    for sentence in (trained.registration, trained.resolution):
        if sentence:
            click.echo(sentence.text)
    _print_outlook(trained.outlook)
    _print_next(trained.folder)


def _refuse_contradictions(quality: str, input_size: tuple[int, int] | None, *, speed: bool) -> None:
    """Quality and speed are a size of the input; only one of the three can say it, and `normal` is none of its own."""
    if speed and quality != "auto":
        raise click.UsageError(f"--speed and --quality {quality} exclude each other")
    if input_size and (speed or quality == "best"):
        raise click.UsageError(f"--input-size and {'--speed' if speed else f'--quality {quality}'} exclude each other")


def _print(folder: Path, figures: Mapping[str, Mapping[str, float]], seconds: float) -> None:
    click.echo(f"{folder} was built in {seconds:.0f} s")
    if "f1" in figures["out_of_fold"]:
        click.echo("each training picture, by a model that had not seen it: " + _in_words(figures["out_of_fold"]))
    if "test" in figures:
        click.echo("the test pictures: " + _in_words(figures["test"]))


def _print_outlook(outlook: Outlook) -> None:
    if outlook.f1:
        low, high = outlook.f1
        click.echo(
            f"expect an F1 between {low:.2f} and {high:.2f} on other pictures of the same kind, where as large a share "
            "is anomalous (95 % interval)"
        )
    if outlook.false_alarms:
        low, high = outlook.false_alarms
        click.echo(f"expect {low:.0%} to {high:.0%} of good parts to be called anomalous (95 % interval)")
    if outlook.hardest:
        click.echo("hardest, each by a model that had not seen it:")
    for hard in outlook.hardest:
        called = "" if hard.right else ", wrong"
        click.echo(f"    {hard.picture}: {hard.label}, confidence {hard.confidence:.2f}{called}")
    if outlook.advice:
        click.echo("What would help most:")
    for sentence in outlook.advice:
        click.echo(f"    {sentence.text}")


def _print_next(folder: Path) -> None:
    click.echo("Next, to see its mistakes and its masks, with pictures that it has not seen:")
    click.echo(f"    edge-agent evaluate {folder} DATASET")
    click.echo("and to run it:")
    click.echo(f"    edge-agent serve --model-dir {folder.parent.parent}")


def _in_words(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{word} {figures[key]:.3f}" for key, word in _WORDS.items() if key in figures)


_WORDS = {"f1": "F1", "precision": "precision", "recall": "recall", "roc_auc": "ROC AUC"}
