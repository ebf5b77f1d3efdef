"""The files in which manifests come: compressed, in UTF-16, pretty-printed, as arrays, broken; COCO and YOLO."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.building.datasets.dataset import Dataset
from edge_agent.building.datasets.reading import Reading, read_dataset
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError
from tests.support.manifests import is_bad, labelled, write_pictures


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return write_pictures(tmp_path)


def _forms(lines: list[dict[str, Any]]) -> dict[str, bytes]:
    text = "\n".join(map(json.dumps, lines))
    pretty = "\n".join(json.dumps(line, indent=2) for line in lines)
    return {
        "gzip": gzip.compress(text.encode(), mtime=0),
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without a mark": text.encode("utf-16-le"),
        "UTF-8 with a mark": text.encode("utf-8-sig"),
        "UTF-32": text.encode("utf-32"),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "array": json.dumps(lines).encode(),
        "pretty array": json.dumps(lines, indent=4).encode(),
        "pretty": pretty.encode(),
        "pretty with commas": pretty.replace("}\n{", "},\n{").encode(),
        "gzip of pretty UTF-16": gzip.compress(pretty.encode("utf-16"), mtime=0),
    }


@pytest.mark.parametrize("form", list(_forms([])))
def test_every_form_is_the_same_manifest(tmp_path: Path, names: list[str], form: str) -> None:
    path = tmp_path / "a.manifest"
    path.write_bytes(_forms([labelled(name) for name in names])[form])
    dataset = read_dataset(path)
    assert [example.reference for example in dataset.examples] == names
    assert (len(dataset.of("normal")), len(dataset.of("anomaly")), dataset.reasons) == (4, 3, ())


def test_lines_are_counted_in_pretty_files_too(tmp_path: Path, names: list[str]) -> None:
    lines = [labelled(name) for name in names]
    lines[2]["source-ref"] = "gone.png"
    pretty = [json.dumps(line, indent=2) for line in lines]
    for text in ("\n".join(pretty), "[\n" + ",\n".join(pretty) + "\n]"):
        (tmp_path / "a.manifest").write_text(text)
        (reason,) = [reason for reason in read_dataset(tmp_path / "a.manifest").reasons if reason.stops]
        number = reason.places[0].line
        assert number is not None
        assert text.split("\n")[number - 1] == "{"
        assert "gone.png" in text.split("\n")[number]


def test_one_broken_object_costs_one_error(tmp_path: Path, names: list[str]) -> None:
    pretty = [json.dumps(labelled(name), indent=2) for name in names]
    pretty[1] = pretty[1].replace(":", "", 1)
    (tmp_path / "a.manifest").write_text("\n".join(pretty))
    dataset = read_dataset(tmp_path / "a.manifest")
    assert [reason.code for reason in dataset.reasons if reason.stops] == ["not-json"]
    assert len(dataset.examples) == 6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04....", "is a zip archive or a workbook"),
        (gzip.compress(b"{}" * 100, mtime=0)[:-12], "is a damaged gzip file"),
        (b"\x1f\x8bxx", "is a damaged gzip file"),
        (b'{"source-ref": "\xff"}', "is neither UTF-8 nor UTF-16 text .byte 16 is 0xff"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.manifest").write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / "a.manifest")


def _counts(dataset: Dataset) -> tuple[int, int]:
    return len(dataset.of("normal")), len(dataset.of("anomaly"))


def _told(dataset: Dataset) -> str:
    return "\n".join(map(sentence, dataset.reasons))


@pytest.mark.parametrize("folder", ["", "annotations"])
def test_coco(tmp_path: Path, names: list[str], folder: str) -> None:
    path = tmp_path / folder / "instances.json"
    path.parent.mkdir(exist_ok=True)
    bad = [number for number, name in enumerate(names) if is_bad(name)]
    coco = {
        "images": [{"id": number, "file_name": name, "width": 96} for number, name in enumerate(names)],
        "annotations": [{"id": number, "image_id": number, "category_id": 7, "bbox": [1, 1, 5, 5]} for number in bad],
        "categories": [{"id": 7, "name": "deep scratch"}],
    }
    path.write_text(json.dumps(coco, indent=1))
    dataset = read_dataset(path)
    assert _counts(dataset) == (0, 0)
    assert "was read as COCO's" in _told(dataset)
    assert "add: --normal 'no box' --anomaly 'deep scratch'" in _told(dataset)
    assert _counts(read_dataset(path, Reading(normal=("no box",), anomaly=("deep scratch",)))) == (4, 3)


@pytest.mark.parametrize(
    "classes", ["names: ['dent', scratch]", "names:\n  - dent\n  - scratch", "names:\n  0: dent\n  1: scratch\nnc: 2"]
)
def test_yolo(tmp_path: Path, classes: str) -> None:
    write_pictures(tmp_path / "images")
    (tmp_path / "labels" / "anomaly").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "labels" / "anomaly" / f"a{number}.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    (tmp_path / "images" / "masks").rename(tmp_path / "elsewhere")
    (tmp_path / "data.yaml").write_text(f"train: images\n{classes}\n")
    dataset = read_dataset(tmp_path / "data.yaml")
    assert "add: --normal 'no box' --anomaly scratch" in _told(dataset)
    mapped = read_dataset(tmp_path / "data.yaml", Reading(normal=("no box",), anomaly=("scratch",)))
    assert _counts(mapped) == (4, 3)


def test_a_folder_for_yolo_is_recognised(tmp_path: Path) -> None:
    write_pictures(tmp_path / "yolo" / "images" / "train")
    (tmp_path / "yolo" / "labels" / "train").mkdir(parents=True)
    (tmp_path / "yolo" / "labels" / "train" / "n0.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert "it looks like YOLO's: name its data.yaml instead" in _told(read_dataset(tmp_path / "yolo"))
