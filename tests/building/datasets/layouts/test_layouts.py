"""Folders as shops and public datasets have them: read as they are, and what is not used is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.building.datasets.reading import Datasets, Reading, read_dataset, read_datasets
from edge_agent.building.datasets.sentences import sentence

SIDE = 64


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(90, 160, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def mark(path: Path, width: int, value: int = 255) -> None:
    """Draw a mask of `width` times 10 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(image).rectangle((5, 5, 4 + width, 14), fill=value)
    image.save(path)


def fill(root: Path, folder: str, count: int, seed: int, suffix: str = ".png") -> None:
    for number in range(count):
        draw(root / folder / f"{number:03d}{suffix}", seed + number)


def read(root: Path, **reading: Any) -> Datasets:
    return read_datasets(root, None, Reading(**reading))


def numbers(datasets: Datasets) -> list[tuple[int, int]]:
    parts = [part for part in (datasets.train, datasets.test) if part]
    return [(len(part.of("normal")), len(part.of("anomaly"))) for part in parts]


def said(datasets: Datasets) -> str:
    parts = [part for part in (datasets.train, datasets.test) if part]
    return "\n".join(f"{reason.weight}: {sentence(reason)}" for part in parts for reason in part.reasons)


def areas(report: Report) -> dict[str, dict[str, int]]:
    return {"/".join(seen.example.path.parts[-2:]): seen.areas for seen in report.seen if seen.areas}


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    """A dataset in MVTec AD's layout; the same names in each kind of defect, masks of other sizes."""
    fill(tmp_path, "train/good", 4, 0)
    fill(tmp_path, "test/good", 2, 50)
    for at, kind in enumerate(("cut", "scratch")):
        fill(tmp_path, f"test/{kind}", 2, 100 + 10 * at)
        for number in range(2):
            mark(tmp_path / "ground_truth" / kind / f"{number:03d}_mask.png", 1 + number + 2 * at)
    (tmp_path / "license.txt").write_text("")
    return tmp_path


def test_mvtec_is_read_as_it_is_and_masks_are_never_exchanged(mvtec: Path) -> None:
    datasets = read(mvtec)
    assert numbers(datasets) == [(4, 0), (2, 4)]
    report = check_datasets(datasets)
    assert report.problems == ()
    assert areas(report) == {
        "cut/000.png": {"anomaly": 10}, "cut/001.png": {"anomaly": 20},
        "scratch/000.png": {"anomaly": 30}, "scratch/001.png": {"anomaly": 40},
    }  # fmt: skip
    text = said(datasets)
    assert "read in the layout of MVTec AD: normal is what lies in train/good, test/good, anomaly" in text
    assert "1 file is no picture and will not be used: license.txt" in text


def test_folders_of_defects_become_labels_if_asked(mvtec: Path) -> None:
    report = check_datasets(read(mvtec, kinds=True))
    assert areas(report)["cut/001.png"] == {"cut": 20}
    assert areas(report)["scratch/000.png"] == {"scratch": 30}
    assert [label.name for label in read(mvtec, kinds=True).labels] == ["cut", "scratch"]


def test_a_mask_that_is_not_there_is_not_that_of_another_kind(mvtec: Path) -> None:
    (mvtec / "ground_truth" / "cut" / "000_mask.png").unlink()
    mark(mvtec / "ground_truth" / "dent" / "000_mask.png", 9)
    datasets = read(mvtec)
    assert areas(check_datasets(datasets)).keys() == {"cut/001.png", "scratch/000.png", "scratch/001.png"}
    assert "1 mask belongs to no picture: 000_mask.png" in said(datasets)


@pytest.mark.parametrize("value", [1, 128, 240])
def test_loco_has_any_values_several_masks_a_picture_and_a_folder_for_validation(tmp_path: Path, value: int) -> None:
    fill(tmp_path, "train/good", 3, 0)
    fill(tmp_path, "validation/good", 2, 30)
    fill(tmp_path, "test/good", 1, 50)
    fill(tmp_path, "test/logical_anomalies", 1, 60)
    truth = tmp_path / "ground_truth" / "logical_anomalies" / "000"
    mark(truth / "000.png", 2, value)
    mark(truth / "001.png", 5, value)
    datasets = read(tmp_path)
    assert numbers(datasets) == [(5, 0), (1, 1)]
    report = check_datasets(datasets)
    assert report.problems == ()
    assert areas(report) == {"logical_anomalies/000.png": {"anomaly": 50}}
    # What a manifest can't say is written as it can.
    write_manifest(datasets.together, tmp_path / "out" / "all.manifest")
    again = check_datasets(Datasets(read_dataset(tmp_path / "out" / "all.manifest"), None))
    assert areas(again) == areas(report)


def test_btad_calls_them_ok_and_ko(tmp_path: Path) -> None:
    fill(tmp_path, "train/ok", 3, 0)
    fill(tmp_path, "test/ok", 2, 20)
    fill(tmp_path, "test/ko", 2, 40)
    mark(tmp_path / "ground_truth" / "ko" / "001.png", 3)
    datasets = read(tmp_path)
    assert numbers(datasets) == [(3, 0), (2, 2)]
    assert areas(check_datasets(datasets)) == {"ko/001.png": {"anomaly": 30}}


def test_visa_has_small_values_in_masks(tmp_path: Path) -> None:
    root = tmp_path / "candle"
    fill(root, "Data/Images/Normal", 3, 0, ".JPG")
    fill(root, "Data/Images/Anomaly", 2, 20, ".JPG")
    mark(root / "Data" / "Masks" / "Anomaly" / "000.png", 4, 1)
    mark(root / "Data" / "Masks" / "Anomaly" / "001.png", 5, 3)
    (root / "image_anno.csv").write_text("image,label,mask\n")
    datasets = read(root)
    assert numbers(datasets) == [(3, 2)]
    assert areas(check_datasets(datasets)) == {"Anomaly/000.JPG": {"anomaly": 40}, "Anomaly/001.JPG": {"anomaly": 50}}
    assert f"{root} is a dataset: name one" in said(read(tmp_path))


def test_anomalib(tmp_path: Path) -> None:
    for root, good, bad in ((tmp_path / "a", "normal", "abnormal"), (tmp_path / "b", "good", "crack")):
        fill(root, good, 3, 0)
        fill(root, bad, 2, 20)
        mark(root / "mask" / bad / "001.png", 3, 255)
        datasets = read(root)
        assert numbers(datasets) == [(3, 2)]
        assert areas(check_datasets(datasets)) == {f"{bad}/001.png": {"anomaly": 30}}


@pytest.mark.parametrize(("good", "bad"), [("Normal", "ANOMALY"), ("normal", "Anomaly"), ("NORMAL", "anomaly")])
def test_case_does_not_matter(tmp_path: Path, good: str, bad: str) -> None:
    fill(tmp_path, good, 3, 0)
    fill(tmp_path, bad, 2, 20)
    mark(tmp_path / "Masks" / "Anomaly" / "000.png", 1)
    mark(tmp_path / "Masks" / "001_MASK.png", 2)
    report = check_datasets(read(tmp_path))
    assert report.problems == ()
    assert areas(report) == {f"{bad}/000.png": {"anomaly": 10}, f"{bad}/001.png": {"anomaly": 20}}


@pytest.mark.parametrize(
    ("folders", "options"),
    [
        (("OK", "NG"), "--normal OK --anomaly NG"),
        (("good", "bad"), "--normal good --anomaly bad"),
        (("gut", "schlecht"), "--normal gut --anomaly schlecht"),
        (("合格", "不合格"), "--normal 合格 --anomaly 不合格"),
        (("ok", "deep scratch"), "--normal ok --anomaly 'deep scratch'"),
    ],
)
@pytest.mark.parametrize("inside", ["", "train"])
def test_other_names_are_proposed_and_never_taken(
    tmp_path: Path, folders: tuple[str, str], options: str, inside: str
) -> None:
    fill(tmp_path / inside, folders[0], 3, 0)
    fill(tmp_path / inside, folders[1], 2, 20)
    assert numbers(read(tmp_path)) == [(0, 0)]
    assert f"has no folder 'normal' or 'anomaly'; '{min(folders)}', '{max(folders)}' lie in" in said(read(tmp_path))
    assert f"add {options}" in said(read(tmp_path))
    assert numbers(read(tmp_path, normal=folders[:1], anomaly=folders[1:])) == [(3, 2)]
    text = said(read(tmp_path, normal=folders[:1], anomaly=(folders[1], "other")))
    assert text == "note: the name 'other' was given a meaning, and no folder has it"


def test_what_lies_beside_is_named_and_may_be_the_side_that_is_missing(tmp_path: Path) -> None:
    fill(tmp_path, "normal", 3, 0)
    fill(tmp_path, "scratch", 2, 20)
    fill(tmp_path, "NG", 1, 30)
    fill(tmp_path, "archive", 4, 40)
    draw(tmp_path / "loose.png", 60)
    text = said(read(tmp_path))
    assert f"problem: 2 pictures in the folder {tmp_path}/scratch will not be used" in text
    assert "problem: if that is what these folders hold, add: --anomaly NG,scratch" in text
    assert f"note: 4 pictures in the folder {tmp_path}/archive will not be used" in text
    assert f"note: 1 picture lies in {tmp_path} itself" in text
    assert numbers(read(tmp_path, anomaly=("NG,scratch",))) == [(3, 3)]
    fill(tmp_path, "anomaly", 2, 70)
    assert "problem" not in said(read(tmp_path)), "both sides are there"


def test_masks_of_mapped_folders_are_not_exchanged(tmp_path: Path) -> None:
    fill(tmp_path, "OK", 3, 0)
    for at, kind in enumerate(("dent", "scratch")):
        fill(tmp_path, kind, 1, 20 + at)
        mark(tmp_path / "masks" / kind / "000.png", 3 + at)
    reading = {"normal": ("ok",), "anomaly": ("dent", "scratch")}
    assert areas(check_datasets(read(tmp_path, **reading))) == {
        "dent/000.png": {"anomaly": 30}, "scratch/000.png": {"anomaly": 40},
    }  # fmt: skip
    (tmp_path / "masks" / "dent" / "000.png").rename(tmp_path / "masks" / "000.png")
    assert list(areas(check_datasets(read(tmp_path, **reading)))) == ["scratch/000.png"], "whose is masks/000.png?"


def test_what_is_hidden_is_no_data_and_told_once(tmp_path: Path) -> None:
    root = tmp_path / ".hidden root"
    fill(root, "normal", 3, 0)
    fill(root, "anomaly", 2, 20)
    fill(root, "normal/.ipynb_checkpoints", 2, 30)
    fill(root, "__MACOSX/normal", 1, 40)
    for name in ("normal/._000.png", "anomaly/.DS_Store", "anomaly/Thumbs.db", ".gitignore"):
        (root / name).write_bytes(b"x")
    datasets = read(root)
    assert numbers(datasets) == [(3, 2)]
    hidden = [reason for reason in check_datasets(datasets).reasons if reason.code == "hidden"]
    assert [(reason.times, len(reason.places)) for reason in hidden] == [(6, 6)]


def test_a_side_of_pictures_that_can_not_be_read_is_lost(tmp_path: Path) -> None:
    fill(tmp_path, "normal", 3, 0)
    (tmp_path / "anomaly").mkdir()
    for number in range(2):
        (tmp_path / "anomaly" / f"{number}.heic").write_bytes(b"x")
    text = said(read(tmp_path))
    assert (
        "problem: 2 pictures of the kind .heic can't be read, such as 0.heic; convert them, such as with: magi" in text
    )


def test_masks_that_lie_beside_their_pictures_are_no_pictures(tmp_path: Path) -> None:
    fill(tmp_path, "normal", 3, 0)
    fill(tmp_path, "anomaly", 2, 20)
    mark(tmp_path / "anomaly" / "001_mask.png", 6)
    datasets = read(tmp_path)
    assert numbers(datasets) == [(3, 2)]
    assert areas(check_datasets(datasets)) == {"anomaly/001.png": {"anomaly": 60}}
    assert "1 file that lies beside a picture of that name will be its mask: 001_mask.png" in said(datasets)


def test_small_values_are_described_and_can_be_declared(tmp_path: Path) -> None:
    fill(tmp_path, "normal", 3, 0)
    fill(tmp_path, "anomaly", 2, 20)
    for number in range(2):
        mark(tmp_path / "masks" / f"{number:03d}.png", 6, 1)
    text = "\n".join(check_datasets(read(tmp_path)).warnings)
    assert "it holds the values 0, 1 of 255" in text
    assert 'masks/labels.json with {"anomaly": "#010101"} makes 1 the label' in text
    (tmp_path / "masks" / "labels.json").write_text(json.dumps({"anomaly": "#010101"}))
    assert areas(check_datasets(read(tmp_path))) == {f"anomaly/00{n}.png": {"anomaly": 60} for n in range(2)}


def test_folders_without_a_name_that_is_known(tmp_path: Path) -> None:
    for category in ("bottle", "cable"):
        fill(tmp_path / "mvtec", f"{category}/train/good", 1, 0)
        fill(tmp_path / "mvtec", f"{category}/test/bad", 1, 0)
    assert "bottle, " in said(read(tmp_path / "mvtec"))
    assert "are datasets of their own: name one" in said(read(tmp_path / "mvtec"))
    fill(tmp_path, "loose", 3, 0)
    (tmp_path / "loose" / "train.manifest").write_text("")
    assert "train.manifest lies there: name it instead of the folder" in said(read(tmp_path / "loose"))
