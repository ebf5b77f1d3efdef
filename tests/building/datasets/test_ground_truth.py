from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from PIL import Image

from edge_agent.building.datasets.dataset import Dataset
from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import AS_IT_IS, Reading
from edge_agent.building.datasets.reading import read_dataset as read
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError
from tests.support.parts import draw_part, write_folders


def read_dataset(path: Path, reading: Reading = AS_IT_IS) -> Dataset:
    """Read a dataset, and refuse one of which a line can't be used."""
    dataset = read(path, reading)
    problems = [sentence(reason) for reason in dataset.reasons if reason.stops]
    if problems:
        raise DatasetError("; ".join(problems))
    return dataset


CLASSIFICATION, SEGMENTATION = "groundtruth/image-classification", "groundtruth/semantic-segmentation"
COLOR_MAP = {
    "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
    "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
}


def line(reference: str, label: str = "normal", **more: Any) -> dict[str, Any]:
    metadata = {"class-name": label, "type": CLASSIFICATION, "human-annotated": "yes"}
    return {"source-ref": reference, "verdict": int(label == "anomaly"), "verdict-metadata": metadata, **more}


def masked(reference: str, mask: str, colors: object = COLOR_MAP) -> dict[str, Any]:
    more = {"where-ref": mask, "where-ref-metadata": {"internal-color-map": colors, "type": SEGMENTATION}}
    return line(reference, "anomaly", **more)


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(text if isinstance(text, str) else json.dumps(text) for text in lines) + "\n")
    return path


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A folder `bucket/parts` with a good and a bad picture and a mask."""
    folder = tmp_path / "bucket" / "parts"
    folder.mkdir(parents=True)
    picture, mask = draw_part(1, ("scratch",))
    Image.fromarray(picture).save(folder / "bad.png")
    mask.save(folder / "mask.png")
    Image.fromarray(draw_part(2)[0]).save(folder / "good.png")
    return tmp_path


def test_any_attribute_names_that_follow_the_format(bucket: Path) -> None:
    manifest = write(
        bucket / "a.manifest",
        line("s3://bucket/parts/good.png"),
        masked("s3://bucket/parts/bad.png", "s3://bucket/parts/mask.png"),
        "",
        line("s3://bucket/parts/good.png", "unclear"),
    )
    dataset = read_dataset(manifest)
    assert [example.label for example in dataset.examples] == ["normal", "anomaly", None]
    assert len(dataset.labelled) == 2
    assert [(label.name, label.color) for label in dataset.labels] == [("scratch", "#2CA02C")]
    mask = dataset.examples[1].mask
    assert mask is not None
    assert 50 < read_mask(mask, ("scratch",)).classes.sum() < 200


@pytest.mark.parametrize("root", ["", "bucket", "bucket/parts"], ids=["with bucket", "with key", "name only"])
def test_s3_references_are_looked_for_under_a_local_root(bucket: Path, root: str, tmp_path: Path) -> None:
    manifest = write(tmp_path / "elsewhere.manifest", line("s3://bucket/parts/good.png"))
    assert read_dataset(manifest, Reading(images=bucket / root)).examples[0].path.name == "good.png"


def test_relative_and_absolute_paths(bucket: Path) -> None:
    absolute = str(bucket / "bucket/parts/good.png")
    manifest = write(bucket / "a.manifest", line("bucket/parts/good.png"), line(absolute), line("file://" + absolute))
    assert len({example.path for example in read_dataset(manifest).examples}) == 1


def test_a_mask_without_a_verdict_makes_an_anomaly(bucket: Path) -> None:
    entry = masked("bucket/parts/bad.png", "bucket/parts/mask.png")
    del entry["verdict"], entry["verdict-metadata"]
    assert read_dataset(write(bucket / "a.manifest", entry)).examples[0].label == "anomaly"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 2: this is not JSON"),
        ("[1]", "line 2: this is not a JSON object"),
        ("{}", "line 2: 'source-ref' is missing"),
        (line("s3://bucket/none.png"), "line 2: the picture s3://bucket/none.png can't be found"),
        (line("s3://../../etc/passwd"), "can't be found"),
        (
            masked("bucket/parts/bad.png", "s3://b/none.png"),
            "line 2: the mask s3://b/none.png of .*bad.png can't be found",
        ),
        (
            masked("bucket/parts/bad.png", "bucket/parts/mask.png", None),
            "'internal-color-map' of 'where-ref' is no object",
        ),
        (masked("bucket/parts/bad.png", "bucket/parts/mask.png", {"0": {}}), "without 'class-name'"),
        (
            masked("bucket/parts/bad.png", "bucket/parts/mask.png", {"1": {"class-name": "a", "hex-color": "red"}}),
            "line 2: 'red' is not a colour",
        ),
    ],
)
def test_a_wrong_line_is_named(bucket: Path, text: object, message: str) -> None:
    manifest = write(bucket / "a.manifest", line("bucket/parts/good.png"), text)
    with pytest.raises(DatasetError, match=message):
        read_dataset(manifest)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.manifest").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="begins as UTF-16 text, but byte 2 is none"):
        read_dataset(tmp_path / "a.manifest")


def test_more_labels_than_a_model_can_have(bucket: Path) -> None:
    colors = {str(i): {"class-name": f"kind{i}", "hex-color": f"#0000{i:02x}"} for i in range(21)}
    manifest = write(bucket / "a.manifest", masked("bucket/parts/bad.png", "bucket/parts/mask.png", colors))
    with pytest.raises(DatasetError, match="21 anomaly labels, expected at most 20"):
        read_dataset(manifest)


def test_what_is_exported_is_read_again(tmp_path: Path) -> None:
    dataset = read_dataset(write_folders(tmp_path / "data", normal=2, anomaly=3, masks=True))
    write_manifest(dataset, tmp_path / "out" / "data.manifest")
    again = read_dataset(tmp_path / "out" / "data.manifest")
    assert [example.label for example in again.examples] == [example.label for example in dataset.examples]
    assert [example.path.resolve() for example in again.examples] == [example.path for example in dataset.examples]
    assert again.labels == dataset.labels
    first = json.loads((tmp_path / "out" / "data.manifest").read_text().splitlines()[2])
    assert first["anomaly-label-metadata"]["class-name"] == "anomaly"
    assert first["anomaly-label-metadata"]["type"] == CLASSIFICATION
    assert first["anomaly-mask-ref-metadata"]["internal-color-map"]["0"]["class-name"] == "BACKGROUND"


def test_an_exported_prefix_keeps_files_of_one_name_apart(tmp_path: Path) -> None:
    dataset = read_dataset(write_folders(tmp_path / "data", normal=1, anomaly=1, masks=True))
    write_manifest(dataset, tmp_path / "a.manifest", prefix="s3://bucket/line-3/")
    lines = [json.loads(text) for text in (tmp_path / "a.manifest").read_text().splitlines()]
    assert [entry["source-ref"] for entry in lines] == [
        "s3://bucket/line-3/normal/good-0.png", "s3://bucket/line-3/anomaly/bad-0.png",
    ]  # fmt: skip
    assert lines[1]["anomaly-mask-ref"] == "s3://bucket/line-3/masks/bad-0.png"


def test_a_line_that_came_from_a_manifest_stays_as_it_is(bucket: Path) -> None:
    original = masked("s3://bucket/parts/bad.png", "s3://bucket/parts/mask.png")
    write_manifest(read_dataset(write(bucket / "a.manifest", original)), bucket / "b.manifest")
    assert json.loads((bucket / "b.manifest").read_text()) == original


@pytest.fixture
def s3(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="remote")
        client.upload_file(str(bucket / "bucket/parts/good.png"), "remote", "line/good.png")
        yield client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_missing_is_fetched(s3: Any, tmp_path: Path) -> None:
    manifest = write(tmp_path / "a.manifest", line("s3://remote/line/good.png"))
    images = tmp_path / "images"
    with pytest.raises(DatasetError, match="can't be found"):
        read_dataset(manifest, Reading(images=images))
    dataset = read_dataset(manifest, Reading(images=images, fetch=True))
    assert dataset.examples[0].path == images / "remote" / "line" / "good.png"
    s3.delete_object(Bucket="remote", Key="line/good.png")
    assert read_dataset(manifest, Reading(images=images, fetch=True)).examples == dataset.examples, "it is kept"
    with pytest.raises(DatasetError, match="can't be found"):
        read_dataset(write(tmp_path / "b.manifest", line("s3://remote/none.png")), Reading(images=images, fetch=True))


def test_the_reference_pictures_as_they_are(cookies: Path) -> None:
    folder = cookies / "data" / "cookies"
    classes = read_dataset(folder / "train_class.manifest")
    assert (len(classes.of("normal")), len(classes.of("anomaly")), classes.labels) == (31, 32, ())
    dataset = read_dataset(folder / "train_segmentation.manifest")
    assert (len(dataset.of("normal")), len(dataset.of("anomaly"))) == (31, 32)
    assert [(label.name, label.color) for label in dataset.labels] == [("cracked", "#23A436")]
    assert [(reason.code, reason.times) for reason in dataset.reasons] == [("masks-of-normal-missing", 31)]
    for example in dataset.of("anomaly"):
        assert example.mask is not None
        mask = read_mask(example.mask, ("cracked",))
        assert mask.undeclared == ()
        assert 0.005 < mask.classes.mean() < 0.08, example.path


def test_what_a_model_said_is_no_label(bucket: Path) -> None:
    """An evaluation manifest is a dataset again: the ground truth counts."""
    said = {"class-name": "anomaly", "type": CLASSIFICATION, "human-annotated": "no"}
    detected = line("bucket/parts/good.png") | {"anomaly-label-detected": 1, "anomaly-label-detected-metadata": said}
    proposed = line("bucket/parts/good.png") | {"a": 1, "a-metadata": said}
    alone = {"source-ref": "bucket/parts/good.png", "a": 1, "a-metadata": said}
    dataset = read_dataset(write(bucket / "a.manifest", detected, proposed, alone))
    assert [example.label for example in dataset.examples] == ["normal", "normal", "anomaly"]
    contradiction = line("bucket/parts/good.png") | {"b": 1, "b-metadata": said | {"human-annotated": "yes"}}
    with pytest.raises(
        DatasetError,
        match=r"line 1: 'verdict' says 'normal'.* and 'b' says 'anomaly'.*--attribute b",
    ):
        read_dataset(write(bucket / "b.manifest", contradiction))


def test_every_missing_picture_is_named(bucket: Path) -> None:
    with pytest.raises(DatasetError, match=r"line 1: .*one\.png.*line 3: .*two\.png"):
        read_dataset(write(bucket / "a.manifest", line("one.png"), line("bucket/parts/good.png"), line("two.png")))


def test_relative_paths_are_seen_from_the_new_manifest(bucket: Path) -> None:
    dataset = read_dataset(write(bucket / "a.manifest", masked("bucket/parts/bad.png", "bucket/parts/mask.png")))
    write_manifest(dataset, bucket / "deep" / "b.manifest")
    again = read_dataset(bucket / "deep" / "b.manifest")
    assert again.examples[0].path.resolve() == dataset.examples[0].path.resolve()
    assert again.examples[0].mask is not None


def test_a_name_that_is_not_text_can_be_exported(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "data", normal=2, anomaly=1)
    (root / "normal" / "good-0.png").rename(os.fsdecode(os.fsencode(root / "normal") + b"/gr\xfcn.png"))
    write_manifest(read_dataset(root), tmp_path / "a.manifest")
    assert len(read_dataset(tmp_path / "a.manifest").examples) == 3
