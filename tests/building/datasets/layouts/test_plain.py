from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_agent.building.datasets.reading import read_dataset, read_datasets
from edge_agent.building.datasets.reading import read_dataset as read_folders
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError
from tests.support.parts import write_folders


def test_the_folder_is_the_label_however_deep_the_picture_lies(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=2, anomaly=1)
    deeper = root / "normal" / "anomaly" / "monday"
    deeper.mkdir(parents=True)
    shutil.move(root / "normal" / "good-0.png", deeper / "GOOD.PNG")
    (root / "normal" / "notes.txt").write_text("not a picture")
    dataset = read_folders(root)
    assert [(reason.code, sentence(reason)) for reason in dataset.reasons] == [
        ("file-no-picture", "1 file is no picture and will not be used: notes.txt")
    ]
    assert [(example.path.name, example.label) for example in dataset.examples] == [
        ("GOOD.PNG", "normal"), ("good-1.png", "normal"), ("bad-0.png", "anomaly"),
    ]  # fmt: skip
    assert dataset.labels == ()


def test_masks_are_found_by_name(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=1, anomaly=3, masks=True)
    (root / "masks" / "anomaly").mkdir()
    shutil.move(root / "masks" / "bad-1.png", root / "masks" / "anomaly" / "bad-1.png")
    shutil.move(root / "masks" / "bad-2.png", root / "masks" / "bad-2_mask.png")
    shutil.copy(root / "masks" / "bad-0.png", root / "masks" / "nobody.png")
    dataset = read_folders(root)
    assert [example.mask is not None for example in dataset.examples] == [False, True, True, True]
    assert [(label.name, label.color) for label in dataset.labels] == [("scratch", "#2CA02C"), ("dent", "#1F77B4")]
    (reason,) = dataset.reasons
    assert sentence(reason) == "1 mask belongs to no picture: nobody.png"


def test_without_labels_json_white_is_the_anomaly_and_is_painted_otherwise(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=1, anomaly=1, masks=True)
    (root / "masks" / "labels.json").unlink()
    dataset = read_folders(root)
    assert [label.name for label in dataset.labels] == ["anomaly"]
    assert dataset.labels[0].color != "#FFFFFF"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scratch": "green"}', '{"scratch": "#zzzzzz"}'])
def test_a_wrong_labels_json_is_named(tmp_path: Path, text: str) -> None:
    root = write_folders(tmp_path, normal=1, anomaly=1, masks=True)
    (root / "masks" / "labels.json").write_text(text)
    with pytest.raises(DatasetError, match=r"labels\.json"):
        read_folders(root)


def test_train_and_test_side_by_side(tmp_path: Path) -> None:
    write_folders(tmp_path / "train", normal=3, anomaly=2)
    write_folders(tmp_path / "test", normal=1, anomaly=1, first=100)
    datasets = read_datasets(tmp_path)
    assert len(datasets.train.examples) == 5
    assert datasets.test is not None
    assert len(datasets.test.examples) == 2
    assert len(datasets.together.examples) == 7
    assert datasets.together.source == tmp_path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: (path / "normal").mkdir(parents=True), "holds no PNG, JPEG, BMP, TIFF or WebP picture"),
    ],
)
def test_what_is_no_dataset_is_refused(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    make(tmp_path / "data")
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / "data")


def test_files_of_one_name_in_both_folders(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=1, anomaly=1, masks=True)
    shutil.move(root / "normal" / "good-0.png", root / "normal" / "bad-0.png")
    assert [example.mask is not None for example in read_folders(root).examples] == [False, True]
    for day in ("a", "b"):
        (root / "anomaly" / day).mkdir()
        shutil.copy(root / "anomaly" / "bad-0.png", root / "anomaly" / day / "bad-0.png")
    (root / "masks" / "a").mkdir()
    shutil.copy(root / "masks" / "bad-0.png", root / "masks" / "a" / "bad-0.png")
    masks = {example.path.parent.name: example.mask for example in read_folders(root).of("anomaly")}
    assert masks["a"] is not None
    assert masks["a"].path == root / "masks" / "a" / "bad-0.png"
    assert masks["b"] is None, "not somebody else's of the same name"


def test_a_declared_background(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=1, anomaly=1, masks=True)
    (root / "masks" / "labels.json").write_text('{"Background": "#ffffff", "scratch": "#2ca02c", "dent": "#1f77b4"}')
    assert [label.name for label in read_folders(root).labels] == ["scratch", "dent"]


def test_two_labels_of_one_colour_are_refused(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=1, anomaly=1, masks=True)
    (root / "masks" / "labels.json").write_text('{"scratch": "#2ca02c", "dent": "#2CA02C"}')
    with pytest.raises(DatasetError, match="labels 'scratch' and 'dent' have the same colour"):
        read_folders(root)


def test_other_formats_are_counted_and_links_are_followed(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "data", normal=1, anomaly=1)
    (root / "normal" / "old.gif").write_bytes(b"GIF89a")
    other = write_folders(tmp_path / "other", normal=2, anomaly=0)
    (root / "normal" / "monday").symlink_to(other / "normal")
    (root / "normal" / "loop").symlink_to(root / "normal")
    dataset = read_folders(root)
    assert len(dataset.of("normal")) == 3
    (reason,) = dataset.reasons
    assert (reason.code, reason.weight, reason.times, reason.value) == ("files-unreadable", "note", 1, ".gif")
    assert "such as old.gif; convert them, such as with: magick mogrify -format png '*.gif'" in sentence(reason)
