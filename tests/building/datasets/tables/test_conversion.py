from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.building.datasets.sentences import sentence
from edge_agent.building.datasets.tables.conversion import convert_csv
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
        (
            "a.jpg,b,c\n",
            "which column has the classes can't be told .separator comma, encoding utf-8, line 1 has",
        ),
        ("x y z\n", "which column has the pictures can't be told"),
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


def test_what_is_missing_in_a_line_is_an_error_of_that_line(tmp_path: Path) -> None:
    done = convert_csv(write(tmp_path, "a.jpg,normal\nb.jpg\n,anomaly\nb.jpg,anomaly\n"))
    assert done.errors is not None
    assert done.errors.read_text() == "2,b.jpg,,NO_CLASS\n3,,anomaly,NO_PICTURE\n4,b.jpg,anomaly,DUPLICATE\n"


def test_a_refused_run_leaves_no_old_result_behind(tmp_path: Path) -> None:
    convert_csv(write(tmp_path, "a.jpg,normal\nb.jpg,anomaly\n"))
    done = convert_csv(write(tmp_path, "a.jpg,normal\nb.jpg,NG\n"))
    assert (done.manifest, done.proposal) == (None, "--anomaly NG")
    assert not (tmp_path / "parts.manifest").exists()
    assert (tmp_path / "parts.manifest.old").is_file()
    (text,) = map(sentence, done.notes)
    assert text == f"{tmp_path}/parts.manifest was of an earlier run and is now parts.manifest.old"
    convert_csv(write(tmp_path, "a.jpg,normal\n"))
    with pytest.raises(DatasetError, match="is empty"):
        convert_csv(write(tmp_path, ""))
    assert not (tmp_path / "parts.manifest").exists()


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ("a.jpg,normal\nb.jpg,broken\n", "anomaly"),
        ("Bild;Klasse;Charge\na.jpg;normal;7\nb.jpg;kaputt;7\n", "Anomaly"),
        ("object,split,label,image,mask\nx,train,normal,a.jpg,\nx,test,odd,b.jpg,m.png\n", "anomaly"),
    ],
)
def test_what_is_written_for_correction_is_read_again_as_it_is(tmp_path: Path, text: str, corrected: str) -> None:
    done = convert_csv(write(tmp_path, text))
    assert done.errors is not None
    assert done.deduplicated is not None
    wrong = text.splitlines()[-1].split(";" if ";" in text else ",")
    word = next(cell for cell in wrong if cell in ("broken", "kaputt", "odd"))
    for path, counts in ((done.deduplicated, (1, 1)), (done.errors, (0, 1))):
        again = convert_csv(path)
        assert (again.manifest, again.error_count) == (None, 1), "as it stands it is as wrong as before"
        path.write_text(path.read_text().replace(word, corrected))
        again = convert_csv(path)
        assert again.manifest is not None
        assert (again.normal, again.anomalous) == counts
