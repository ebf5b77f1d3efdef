from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.checks.report import Report, require
from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.datasets.sheet import contact_sheet
from edge_agent.building.datasets.split import folds, split
from edge_agent.errors import DatasetError
from tests.support.parts import draw_part, write_folders


def check(root: Path, test: Path | None = None) -> Report:
    return check_datasets(read_datasets(root, test))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "data", normal=4, anomaly=2, masks=True)


def test_good_pictures(data: Path) -> None:
    done: list[tuple[int, int]] = []
    report = check_datasets(read_datasets(data), lambda *at: done.append(at))
    assert report.problems == ()
    assert report.size == (128, 96)
    assert done == [(number, 6) for number in range(1, 7)]
    assert report.digest == check(data).digest
    (data / "normal" / "good-0.png").unlink()
    assert report.digest != check(data).digest


def test_every_offending_picture_is_named(data: Path) -> None:
    Image.new("RGB", (63, 96)).save(data / "normal" / "small.png")
    Image.new("RGB", (64, 96)).save(data / "normal" / "other.png")
    Image.new("RGB", (128, 96)).save(data / "normal" / "gif.png", "GIF")
    whole = (data / "normal" / "good-0.png").read_bytes()
    (data / "normal" / "cut.png").write_bytes(whole[: len(whole) // 2])
    shutil.copy(data / "normal" / "good-1.png", data / "anomaly" / "same.png")
    Image.new("RGB", (100, 96), "#2ca02c").save(data / "masks" / "bad-0.png")
    Image.new("RGB", (128, 96), "#123456").save(data / "masks" / "bad-1.png")
    shutil.copy(
        write_folders(data.parent / "x", normal=0, anomaly=1, masks=True) / "masks/bad-0.png", data / "masks/good-2.png"
    )
    report = check(data)
    expected = [
        "small.png is 63x96, expected 64x64 to 4096x4096",
        "other.png is 64x96, the other pictures are 128x96",
        "gif.png is not a PNG, JPEG, BMP, TIFF or WebP picture",
        "cut.png can't be read",
        "are the same picture",
        "bad-0.png is 100x96, its picture bad-0.png is 128x96",
        "bad-1.png has the colours #123456, declared are scratch #2ca02c, dent #1f77b4",
        "good-2.png is labelled normal but its mask shows scratch",
    ]
    for text in expected:
        assert sum(text in problem for problem in report.problems) == 1, (text, report.problems)
    assert len(report.problems) == len(expected)
    with pytest.raises(DatasetError, match=f"{len(expected)} problems with the pictures:\n  "):
        require(report)


def test_test_pictures_must_not_be_training_pictures(data: Path, tmp_path: Path) -> None:
    other = write_folders(tmp_path / "other", normal=1, anomaly=1, first=50)
    with Image.open(data / "normal" / "good-1.png") as picture:
        picture.save(other / "normal" / "renamed.png", compress_level=0)
    report = check(data, other)
    assert len(report.problems) == 1
    assert "renamed.png is also a training picture" in report.problems[0]


def test_normal_pictures_are_needed(tmp_path: Path) -> None:
    report = check(write_folders(tmp_path, normal=1, anomaly=3))
    assert "has 1 normal picture, expected 2 or more" in report.problems[-1]


def test_copies_of_one_normal_picture_are_not_enough(tmp_path: Path) -> None:
    """They would make a model that calls every other part anomalous."""
    write_folders(tmp_path, normal=1, anomaly=3)
    with Image.open(tmp_path / "normal" / "good-0.png") as picture:
        for number in range(1, 6):
            picture.save(tmp_path / "normal" / f"copy-{number}.png", compress_level=number)
    said = "all 6 normal pictures of .* are the same picture, expected 2 or more different ones"
    assert re.search(said, check(tmp_path).problems[-1])
    Image.new("RGB", picture.size, (40, 90, 40)).save(tmp_path / "normal" / "other.png")
    assert not check(tmp_path).problems


@pytest.mark.parametrize(
    ("normal", "anomaly", "masks", "expected"),
    [
        (20, 10, False, []),
        (19, 10, False, ["19 normal pictures, 20 or more are advised: what varies among good parts"]),
        (20, 9, False, ["9 anomalous pictures, 10 or more are advised: the threshold and the confidence"]),
        (
            20,
            0,
            False,
            ["0 anomalous pictures, 10 or more are advised: the threshold comes from normal pictures alone"],
        ),
        (20, 12, True, ["label 'scratch' is alone on 6 pictures, 20 or more", "label 'dent' is alone on 6 pictures"]),
    ],
)
def test_few_pictures_are_a_warning_that_says_what_to_expect(
    tmp_path: Path, normal: int, anomaly: int, masks: bool, expected: list[str]
) -> None:
    report = check(write_folders(tmp_path, normal=normal, anomaly=anomaly, masks=masks))
    assert report.problems == ()
    assert len(report.warnings) == len(expected), report.warnings
    for text, warning in zip(expected, report.warnings, strict=True):
        assert text in warning


def test_separate_datasets_have_their_own_minimum_counts(tmp_path: Path) -> None:
    train = write_folders(tmp_path / "train", normal=10, anomaly=1)
    report = check(train, write_folders(tmp_path / "test", normal=10, anomaly=9, first=500))
    assert report.warnings == ("9 anomalous test pictures, 10 or more are advised: the figures will be coarse",)


def test_repeated_pictures_and_empty_masks_are_noticed(data: Path) -> None:
    shutil.copy(data / "normal" / "good-0.png", data / "normal" / "again.png")
    Image.new("RGB", (128, 96), "white").save(data / "masks" / "bad-0.png")
    text = "\n".join(check(data).warnings)
    assert "1 picture is there twice, such as" in text
    assert "1 picture is labelled anomaly but no pixel is marked, such as" in text
    assert "bad-0.png: it is white everywhere; it counts for the verdict" in text


def test_a_split_keeps_shares_and_is_the_same_for_a_seed(tmp_path: Path) -> None:
    dataset = read_datasets(write_folders(tmp_path, normal=30, anomaly=15)).train
    train, test = split(dataset, seed=3, share=0.2)
    assert (len(train.of("normal")), len(test.of("normal"))) == (24, 6)
    assert (len(train.of("anomaly")), len(test.of("anomaly"))) == (12, 3)
    assert not set(train.examples) & set(test.examples)
    assert split(dataset, seed=3, share=0.2) == (train, test)
    assert split(dataset, seed=4, share=0.2) != (train, test)


def test_folds_have_their_share_of_every_group() -> None:
    groups = [0] * 20 + [1] * 10
    fold = folds(groups, 5, seed=1)
    assert all(((fold == number)[:20].sum(), (fold == number)[20:].sum()) == (4, 2) for number in range(5))


def test_the_contact_sheet_shows_every_picture_and_the_masks(data: Path) -> None:
    sheet = contact_sheet(read_datasets(data).train)
    colors = {color for _, color in sheet.getcolors(1 << 24) or []}
    assert {(22, 120, 56), (190, 30, 30)} <= colors, "the edges of normal and anomalous pictures"
    reddest = Image.fromarray(draw_part(10_000, ("scratch",))[0])
    assert sheet.width > 4 * reddest.width
    first, all_ = contact_sheet(read_datasets(data).train, limit=1), sheet
    assert first.width < all_.width


def test_masks_that_mark_nothing_are_noticed(data: Path) -> None:
    (data / "masks" / "labels.json").unlink()
    for path in (data / "masks").glob("*.png"):
        Image.new("L", (128, 96), 1).save(path)
    text = "\n".join(check(data).warnings)
    assert "there are 2 masks of anomalous pictures, but none marks a pixel" in text
    assert "it holds the values 1 of 255, and BACKGROUND #000000, anomaly #ffffff is expected" in text
    for path in (data / "masks").glob("*.png"):
        Image.new("L", (128, 96)).save(path.with_suffix(".jpg"))
        path.unlink()
    assert sum("is a JPEG file, expected PNG" in problem for problem in check(data).problems) == 2


def test_a_test_dataset_needs_labels(data: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "test.manifest"
    kind = {"class-name": "unclear", "type": "groundtruth/image-classification"}
    manifest.write_text(json.dumps({"source-ref": str(data / "normal/good-0.png"), "x": 1, "x-metadata": kind}))
    assert "1 picture has the class 'unclear' in 'x'" in check(data, manifest).problems[0]
    manifest.write_text(json.dumps({"source-ref": str(data / "normal/good-0.png")}))
    assert f"test dataset {manifest} has no labelled picture" in check(data, manifest).problems


def test_a_small_share_is_one_picture_of_each_and_copies_stay_together(tmp_path: Path) -> None:
    root = write_folders(tmp_path, normal=5, anomaly=3)
    for number in range(1, 5):
        shutil.copy(root / "normal" / "good-0.png", root / "normal" / f"copy-{number}.png")
    dataset = read_datasets(root).train
    for seed in range(6):
        train, test = split(dataset, seed=seed, share=0.01)
        assert len(test.of("anomaly")) == 1
        assert len(test.of("normal")) in (1, 5)
        copies = [e for e in test.of("normal") if e.path.stem.startswith("copy") or e.path.stem == "good-0"]
        assert len(copies) in (0, 5)
        assert len(train.examples) + len(test.examples) == len(dataset.examples)
    fold = folds([0] * 6, 3, seed=0, same=["a", "b", "a", "c", "a", "d"])
    assert fold[0] == fold[2] == fold[4]


def test_advice_is_given_for_each_part_by_itself(tmp_path: Path) -> None:
    train = write_folders(tmp_path / "train", normal=10, anomaly=8, masks=True)
    report = check(train, write_folders(tmp_path / "test", normal=3, anomaly=2, masks=True, first=500))
    assert [warning.split(" or more")[0] for warning in report.warnings] == [
        "3 normal test pictures, 10",
        "2 anomalous test pictures, 10",
        "anomaly label 'scratch' is alone on 4 training pictures, 10",
        "anomaly label 'dent' is alone on 4 training pictures, 10",
        "anomaly label 'scratch' is alone on 1 test pictures, 10",
        "anomaly label 'dent' is alone on 1 test pictures, 10",
    ]
