"""What jobs there are: which command each runs, and what becomes of its result."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from PIL import Image

from edge_agent.building.datasets.references.s3 import require_boto3
from edge_agent.children.command import child_command
from edge_agent.errors import StudioError
from edge_agent.hardware.processor import architecture
from edge_agent.studio.jobs.fetching import is_in_s3
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.layout import PROPOSALS, TEST, TRAIN, shortened
from edge_agent.studio.store.masks import encode_mask
from edge_agent.studio.store.pictures import Filter
from edge_agent.studio.store.projects import Label
from edge_agent.studio.store.store import Store
from edge_agent.studio.store.writing import write_file
from edge_agent.studio.watching.records import RecordFilter

TRAINING, EVALUATION, TRIAL, PACKAGE, IMPORT = "train", "evaluate", "try", "package", "import"
EVALUATION_FOLDER = "evaluation"


def _program() -> list[str]:
    return child_command("edge_agent.cli")


class TrainOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `edge-agent train` can be told; the defaults are meant to be right."""

    task: str = "auto"
    locate: bool = False
    precision: str = "fp32"
    recall: float | None = None
    target_precision: float | None = None
    #: auto: normal, and four times the pixels and five times the time where pictures are large and the data ask for it;
    #: best: where pictures are too small for that, tries twice the pixels (up to 150 pictures), with masks takes them;
    #: speed: a quarter of the time, and misses small defects
    quality: Literal["auto", "normal", "speed", "best"] = "auto"
    #: of the model, such as 448x320; "" for what the quality and the pictures give
    input_size: str = ""
    seed: int = 0
    version: str = ""
    description: str = ""


def train(store: Store, jobs: Jobs, project: str, options: TrainOptions, around: Sequence[str] = ()) -> int:
    """Put a training into the list; return its number.

    The job trains with the manifests as they are now: what people say meanwhile counts for the next model. `around` is
    a command that is given the training's own as its arguments.

    Raises:
        StudioError: there is too little to train with.
    """
    if options.input_size and options.quality not in ("auto", "normal"):
        raise StudioError(f"the input's size is {options.input_size} and the quality '{options.quality}': expected one")
    if options.input_size and not _is_size(options.input_size):
        raise StudioError(
            f"the input's size is '{options.input_size}', expected multiples of 32 from 64 to 1024: 320x320"
        )
    found = store.projects.get(project)
    if not found.normal + found.anomaly:
        raise StudioError(f"project '{project}' has no picture with a class; say of some that they are normal")
    store.manifests.write(project)
    version = options.version or store.models.next_version(project)
    number = jobs.prepare(
        project, TRAINING, f"{project} {version}", version=version, options=msgspec.to_builtins(options)
    )
    train_manifest, test_manifest = _snapshot(store, jobs, project, number)
    if train_manifest is None:
        jobs.set(number, "failed", problem="no picture is in the part `train`")
        raise StudioError("all pictures with a class are in the part 'test', expected some in 'train'")
    command = [*_program(), "train", str(train_manifest), "-o", str(store.layout.models), "--name",
               shortened(project), "--version", version, "--images", str(store.layout.project(project)), "--seed",
               str(options.seed), "--task", options.task, "--precision", options.precision, "--json"]  # fmt: skip
    command += ["--test", str(test_manifest)] if test_manifest else []
    command += ["--input-size", options.input_size] if options.input_size else _quality(options.quality)
    command += ["--locate"] if options.locate else []
    command += ["--recall", str(options.recall)] if options.recall is not None else []
    command += ["--target-precision", str(options.target_precision)] if options.target_precision is not None else []
    command += ["--description", options.description] if options.description else []
    jobs.queue(number, [*around, *command])
    return number


def _quality(chosen: str) -> list[str]:
    return ["--speed"] if chosen == "speed" else ["--quality", chosen]


def _is_size(text: str) -> bool:
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text, re.ASCII)
    return match is not None and all(int(side) % 32 == 0 and 64 <= int(side) <= 1024 for side in match.groups())


def evaluate(store: Store, jobs: Jobs, project: str, version: str, part: str) -> int:
    """Put the measuring of a model on the labelled pictures of a part ("" for all) into the list."""
    folder = store.models.folder(project, version)
    store.manifests.write(project)
    number = jobs.prepare(project, EVALUATION, f"{project} {version}", version=version, part=part)
    train_manifest, test_manifest = _snapshot(store, jobs, project, number)
    chosen = {TRAIN: train_manifest, TEST: test_manifest}.get(part, test_manifest or train_manifest)
    if chosen is None:
        jobs.set(number, "failed", problem="there is no labelled picture to measure with")
        raise StudioError(f"project '{project}' has no labelled picture in the part '{part or TRAIN}'")
    command = [*_program(), "evaluate", str(folder), str(chosen), "--images", str(store.layout.project(project)),
               "-o", str(jobs.folder(number) / EVALUATION_FOLDER), "--json"]  # fmt: skip
    jobs.queue(number, command)
    return number


def try_model(store: Store, jobs: Jobs, project: str, version: str, pictures: list[int]) -> int:
    """Put a trial into the list: a model's verdicts on pictures, those that nobody labelled if none are named."""
    folder = store.models.folder(project, version)
    chosen = pictures or store.pictures.ids(project, Filter(class_="none"))
    if not chosen:
        raise StudioError(f"project '{project}' has no picture without a class to try the model on")
    number = jobs.prepare(project, TRIAL, f"{project} {version}", version=version)
    paths = {str(picture): str(store.pictures.path(project, picture)) for picture in chosen}
    listed = jobs.folder(number) / "pictures.json"
    listed.write_text(json.dumps(paths))
    command = child_command(
        "edge_agent.studio.jobs.trial", str(folder), str(listed), str(jobs.folder(number) / PROPOSALS)
    )
    jobs.queue(number, command)
    return number


class Packaging(NamedTuple):
    """What a Greengrass component is made for ("": this machine's platform), called and signed with ("": not)."""

    platform: str = ""
    component: str = ""
    sign_key: str = ""


def package(store: Store, jobs: Jobs, project: str, version: str, order: Packaging) -> int:
    """Put the making of a Greengrass component of a model into the list."""
    folder = store.models.folder(project, version)
    number = jobs.prepare(project, PACKAGE, f"{project} {version}", version=version)
    place = jobs.folder(number)
    command = [*_program(), "package", str(folder), "--location", str(place / "package"), "--jobs-dir",
               str(place / "records"), "--json"]  # fmt: skip
    command += ["--target-platform", order.platform or f"LINUX/{architecture()}"]
    command += ["--component-name", order.component] if order.component else []
    command += ["--sign-key", order.sign_key] if order.sign_key else []
    jobs.queue(number, command)
    return number


def finish(store: Store, jobs: Jobs, number: int) -> None:
    """Take a job's result into the index."""
    job = jobs.get(number)
    if job.kind != TRIAL:
        return
    by = f"{job.project} {jobs.about(number)['version']}"
    result = jobs.result(number)
    places = add_labels(store, job.project, [Label(**label) for label in result["labels"]])
    numbers = np.array([0, *places], np.uint8)
    labels = store.projects.get(job.project).labels
    for entry in result["verdicts"]:
        picture = int(entry["id"])
        if entry["problem"]:
            continue
        target = store.pictures.proposal(job.project, picture)
        target.unlink(missing_ok=True)
        proposal = jobs.folder(number) / PROPOSALS / f"{picture}.png"
        if proposal.is_file():  # in the model's labels, which need not stand in the project's order
            with Image.open(proposal) as image:
                write_file(target, encode_mask(numbers[np.asarray(image)], labels))
        store.pictures.judge(job.project, picture, score=entry["score"], anomalous=entry["anomalous"], by=by)


def add_labels(store: Store, project: str, found: list[Label]) -> list[int]:
    """Give a project the labels that it lacks; return the place of each in the project's masks."""
    labels = store.projects.get(project).labels
    for label in found:
        if label.name not in {known.name for known in labels}:
            used = {known.color.upper() for known in labels}
            color = label.color if label.color.upper() not in used else store.projects.next_color(project)
            labels = store.projects.change(project, labels=[*labels, Label(label.name, color)]).labels
    names = [label.name for label in labels]
    return [names.index(label.name) + 1 for label in found]


def _snapshot(store: Store, jobs: Jobs, project: str, number: int) -> tuple[Path | None, Path | None]:
    """Copy the manifests to a job's folder: it says for ever what the model was made of."""
    found: list[Path | None] = []
    for part in (TRAIN, TEST):
        source = store.manifests.path(project, part)
        target = jobs.folder(number) / f"{part}.manifest"
        if source.is_file():
            shutil.copyfile(source, target)
        found.append(target if source.is_file() else None)
    return found[0], found[1]


def take_in(store: Store, jobs: Jobs, project: str, path: str, images: str = "") -> int:
    """Put the taking in of a dataset (a folder, manifest or CSV file, on this machine or in S3) into the list."""
    store.projects.number(project)
    if is_in_s3(path):
        require_boto3(StudioError)
        if images:
            raise StudioError(
                f"'{path}' is in S3, and its pictures too: expected no folder of pictures on this machine"
            )
    elif not Path(path).is_absolute():
        raise StudioError(f"'{path}' is not a whole path, expected one such as /data/pictures or s3://bucket/pictures")
    elif not Path(path).exists():
        raise StudioError(f"'{path}' does not exist on this machine")
    number = jobs.prepare(project, IMPORT, path)
    command = child_command("edge_agent.studio.jobs.importing", str(store.layout.root), project, path)
    jobs.queue(number, [*command, *([images] if images else [])])
    return number


class WantedRecords(msgspec.Struct, frozen=True):
    """The records whose kept pictures are taken in: these, or those that a filter lets pass, `most` at the most."""

    records: list[str]
    filter: RecordFilter | None
    most: int


def take_records(
    store: Store, jobs: Jobs, project: str, state: Path, records: list[str], wanted: RecordFilter | None, most: int
) -> int:
    """Put the taking in of kept pictures of an agent's records into the list."""
    store.projects.number(project)
    if any(not number.isdecimal() or len(number) > 18 for number in records):
        raise StudioError("a record's number is expected to have only digits")
    number = jobs.prepare(project, IMPORT, project)
    listed = jobs.folder(number) / "records.json"
    listed.write_bytes(msgspec.json.encode(WantedRecords(records, wanted, max(1, most))))
    command = child_command("edge_agent.studio.jobs.taking", str(store.layout.root), project, str(state), str(listed))
    jobs.queue(number, command)
    return number


def demo(store: Store, jobs: Jobs, project: str) -> int:
    """Draw the demo's part, add some pictures without a class, and put the taking in of the others into the list."""
    from edge_agent.building.demo.model import BAD, GOOD, draw_pictures

    number = jobs.prepare(project, IMPORT, project)
    folder = jobs.folder(number) / "drawn"
    draw_pictures(folder, normal=GOOD, anomaly=BAD, seed=1)
    drawn = draw_pictures(jobs.folder(number) / "line", normal=4, anomaly=4, seed=2)
    for place, path in enumerate(sorted(drawn, key=lambda path: path.stem[-1] + path.stem), start=1):
        store.pictures.add(project, f"line-{place}.png", path, by="demo")
    command = child_command("edge_agent.studio.jobs.importing", str(store.layout.root), project, str(folder))
    jobs.queue(number, command)
    return number
