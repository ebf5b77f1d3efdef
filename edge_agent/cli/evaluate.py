"""edge-agent evaluate."""

from __future__ import annotations

from pathlib import Path

import click

from edge_agent.building.evaluation.circumstances import circumstances
from edge_agent.building.evaluation.inspection import inspect, load_component
from edge_agent.building.evaluation.packages import require_packages
from edge_agent.building.evaluation.page import Gallery, write_page
from edge_agent.building.evaluation.results import Evaluation, evaluate, evaluation_result, write_results
from edge_agent.cli.datasets import Given, dataset_options, load, usable
from edge_agent.cli.output import check_output, json_option, print_json, print_table, progress_bar
from edge_agent.component.manifest import Manifest
from edge_agent.errors import EdgeAgentError
from edge_agent.inference.imaging.picture import AS_STORED, pixel_format_of

_PATH = click.Path(path_type=Path, readable=False)


@click.command(epilog="Example: edge-agent evaluate models/cookies/1.0.0 test.manifest -o results")
@click.argument("component", type=_PATH)
@click.argument("dataset", type=_PATH)
@click.option("-o", "--output", type=_PATH, default="evaluation", show_default=True, metavar="DIR",
              help="Folder for the result, the manifest and the page.")  # fmt: skip
@dataset_options
@json_option
def command(component: Path, dataset: Path, output: Path, given: Given, as_json: bool) -> None:
    """Measure COMPONENT, the folder of one version, on the labelled pictures of DATASET.

    DIR/evaluation.html is a page to look at; EvaluationResult-NAME.json and EvaluationManifest-NAME.json are what the
    service's users know. Of a dataset with a part `test`, that part is taken. Pictures are read as the model's
    training pictures were (--bits, --bayer). When some are in none of the figures, because nobody says what they are or
    they can't be read, the exit code is 1, unless --skip-broken asked for it.
    """
    require_packages()
    check_output(output)
    loaded = load_component(component)
    masks = len(loaded.manifest.labels) > 1
    given = _as_trained(given, loaded.manifest)
    found = load(dataset, None, given, masks=masks, only_test=True)
    pictures = usable(found).train
    gallery = Gallery([label.color for label in loaded.manifest.labels[1:]])
    with progress_bar("inspecting") as progress:
        evaluation = evaluate(inspect(loaded, pictures, gallery.add, progress))
    beside = circumstances(loaded.manifest, pictures, found.report, evaluation.inspections.items)
    evaluation = evaluation._replace(circumstances=beside)
    written = write_results(evaluation, pictures, output)
    page = output / "evaluation.html"
    write_page(evaluation, gallery, page)
    if as_json:
        print_json(evaluation_result(evaluation))
    else:
        print_evaluation(evaluation)
        click.echo(f"\nresult {written[0]}\nmanifest {written[1]}\npage {page}")
    if beside.left_out and not given.skip_broken:
        raise EdgeAgentError(f"{beside.left_out} of the pictures are in none of these figures; the notes say why")


def _as_trained(given: Given, manifest: Manifest) -> Given:
    """Read files as those that the model was trained on were meant, unless the user says otherwise."""
    if given.reading.pixel_format != AS_STORED:
        return given
    return given._replace(reading=given.reading._replace(pixel_format=pixel_format_of(manifest.training)))


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the figures as a table, with their intervals."""
    figures, intervals = evaluation.classification._asdict(), evaluation.intervals._asdict()
    rows = []
    for key, word in _WORDS:
        value, interval = figures[key], intervals.get(key)
        if value is not None:
            rows.append((word, f"{value:.3f}", f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "-"))
    print_table(("FIGURE", "VALUE", "95 %"), rows, right=("VALUE",))
    counts = evaluation.confusion
    click.echo(
        f"{counts.true_positives} anomalous pictures found, {counts.false_negatives} missed; "
        f"{counts.true_negatives} normal pictures passed, {counts.false_positives} false alarms"
    )
    for sentence in evaluation.circumstances.sentences:
        click.echo(f"note: {sentence}")
    if evaluation.pixels:
        click.echo()
        numbers = ("PICTURES", "PRECISION", "RECALL", "F1", "IOU", "AVERAGE IOU")
        print_table(
            ("LABEL", *numbers),
            [
                (p.label, str(p.pictures), *(f"{v:.3f}" for v in (p.precision, p.recall, p.f1, p.iou, p.average_iou)))
                for p in evaluation.pixels
            ],
            right=numbers,
        )


_WORDS = (
    ("f1", "F1"), ("precision", "precision"), ("recall", "recall"), ("roc_auc", "ROC AUC"),
    ("average_precision", "average precision"),
)  # fmt: skip
