from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.building.datasets.csv_manifest import convert_csv
from edge_agent.errors import DatasetError


def write(folder: Path, text: str) -> Path:
    path = folder / "parts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_manifest_is_made(tmp_path: Path) -> None:
    for kind in ("errors", "deduplicated"):
        (tmp_path / f"parts_{kind}.csv").write_text("of an earlier run")
    done = convert_csv(write(tmp_path, "a.jpg,normal\n\nb.jpg,Anomaly\n"), prefix="s3://bucket/line")
    assert (done.normal, done.anomalous, done.manifest) == (1, 1, tmp_path / "parts.manifest")
    lines = [json.loads(line) for line in (tmp_path / "parts.manifest").read_text().splitlines()]
    assert [line["source-ref"] for line in lines] == ["s3://bucket/line/a.jpg", "s3://bucket/line/b.jpg"]
    assert [line["anomaly-label-metadata"]["class-name"] for line in lines] == ["normal", "anomaly"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.csv", "parts.manifest"]


def test_duplicates_and_wrong_classes_are_listed_with_their_lines_and_no_manifest_is_made(tmp_path: Path) -> None:
    done = convert_csv(write(tmp_path, "a.jpg,normal\nb.jpg,broken\n\na.jpg,anomaly\nc.jpg,anomaly\n"))
    assert done.manifest is None
    assert done.error_count == 2
    assert (
        tmp_path / "parts_errors.csv"
    ).read_text() == "2,b.jpg,broken,INVALID_CLASSIFICATION\n4,a.jpg,anomaly,DUPLICATE\n"
    assert (tmp_path / "parts_deduplicated.csv").read_text() == "a.jpg,normal\nb.jpg,broken\nc.jpg,anomaly\n"
    assert not (tmp_path / "parts.manifest").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a.jpg,normal\nb.jpg\n", "line 2 has 1 columns, expected 2"),
        ("a.jpg,normal,x\n", "line 1 has 3 columns"),
        (",normal\n", "line 1 names no picture"),
        ("s3://b/a.jpg,normal\nb.jpg,normal\n", "line 2: pictures with and without an s3:// address"),
    ],
)
def test_what_is_no_such_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        convert_csv(write(tmp_path, text))


def test_addresses_are_not_put_before_addresses(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="have s3:// addresses already"):
        convert_csv(write(tmp_path, "s3://b/a.jpg,normal\n"), prefix="s3://c/")


def test_the_manifest_does_not_replace_the_csv(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg,normal\n")
    with pytest.raises(DatasetError, match="would replace the CSV file"):
        convert_csv(path, manifest=path)
    assert path.read_text() == "a.jpg,normal\n"
