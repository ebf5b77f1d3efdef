"""Two references never become one file, and what is nearly there is found."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from edge_agent.building.datasets.dataset import Dataset
from edge_agent.building.datasets.reading import Reading, read_dataset
from edge_agent.building.datasets.references.address import parse_address
from edge_agent.building.datasets.references.resolver import Resolver
from edge_agent.building.datasets.sentences import sentence
from tests.support.manifests import classified, labelled, masked, write_lines, write_pictures


@pytest.mark.parametrize(
    "reference",
    [
        "s3://bucket/a b/c.png",
        "S3://bucket/a b/c.png",
        "s3n://bucket/a b/c.png",
        "s3a://bucket/a b/c.png",
        "https://bucket.s3.amazonaws.com/a%20b/c.png",
        "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c.png?versionId=7",
        "https://bucket.s3-eu-west-1.amazonaws.com/a%20b/c.png",
        "https://bucket.s3.dualstack.us-east-1.amazonaws.com/a%20b/c.png",
        "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b/c.png",
        "https://s3.eu-west-1.amazonaws.com/bucket/a%20b/c.png",
        "http://s3.amazonaws.com/bucket/a%20b/c.png",
    ],
)
def test_addresses_of_an_object(reference: str) -> None:
    assert parse_address(reference) == ("object", ("bucket", "a b", "c.png"))


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("C:\\bilder\\a.png", ("bilder", "a.png")),
        ("C:/bilder/a.png", ("bilder", "a.png")),
        ("file:///C:/bilder/a.png", ("bilder", "a.png")),
        ("\\\\server\\share\\a.png", ("server", "share", "a.png")),
        ("/home/ec2-user/a.png", ("home", "ec2-user", "a.png")),
    ],
)
def test_paths_of_other_machines(tmp_path: Path, reference: str, parts: tuple[str, ...]) -> None:
    assert parse_address(reference) == ("absolute", parts)
    (tmp_path / "a.png").touch()
    found = Resolver([tmp_path]).find(reference)
    assert found is not None
    assert (found.path, found.dropped) == (tmp_path / "a.png", len(parts) - 1)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("a b.png", "s3://b/x/a%20b.png"),
        ("a b.png", "s3://b/x/a+b.png"),
        ("a%20b.png", "s3://b/x/a b.png"),
        (unicodedata.normalize("NFD", "tür.png"), "s3://b/x/" + unicodedata.normalize("NFC", "tür.png")),
        (unicodedata.normalize("NFC", "tür.png"), "x/" + unicodedata.normalize("NFD", "tür.png")),
        ("IMG_1.PNG", "s3://b/x/img_1.png"),
        ("0_2021-11-23T20_31_57.758889.png", "s3://b/x/0_2021-11-23T20:31:57.758889.png"),
        ("0_2021-11-23T20-31-57.png", "s3://b/x/0_2021-11-23T20:31:57.png"),
        ("0_2021-11-23T20\uf03a31\uf03a57.png", "s3://b/x/0_2021-11-23T20:31:57.png"),
        ("0_2021-11-23T20%3A31%3A57.png", "s3://b/x/0_2021-11-23T20:31:57.png"),
    ],
)
def test_what_is_nearly_there_is_found(tmp_path: Path, name: str, reference: str) -> None:
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / name).touch()
    found = Resolver([tmp_path]).find(reference)
    assert found is not None
    assert (found.path, found.nearly) == (tmp_path / "X" / name, True)
    (tmp_path / "X" / (name.swapcase() + ".png")).touch()
    assert Resolver([tmp_path]).find(reference) == found


def test_what_is_nearly_two_files_is_neither(tmp_path: Path) -> None:
    for name in ("A.png", "a.PNG"):
        (tmp_path / name).touch()
    assert Resolver([tmp_path]).find("s3://b/a.png") is None
    exact = Resolver([tmp_path]).find("s3://b/A.png")
    assert exact is not None
    assert not exact.nearly


def test_a_longer_path_that_is_nearly_right_goes_before_a_name_alone(tmp_path: Path) -> None:
    (tmp_path / "Normal").mkdir()
    for name in ("Normal/x.png", "x.png"):
        (tmp_path / name).touch()
    found = Resolver([tmp_path]).find("s3://b/normal/x.png")
    assert found is not None
    assert found.path == tmp_path / "Normal" / "x.png"


def _problems(dataset: Dataset) -> list[str]:
    return [sentence(reason) for reason in dataset.reasons if reason.stops]


def test_two_references_never_become_one_file(tmp_path: Path) -> None:
    write_pictures(tmp_path, normal=3, anomaly=1)
    flat = tmp_path / "normal"
    lines = [
        classified("s3://b/normal/n0.png", "normal"),
        classified("s3://b/anomaly/n0.png", "anomaly"),
        classified("s3://b/normal/n1.png", "normal"),
        classified("s3://b/normal/n1.png", "normal"),
    ]
    dataset = read_dataset(write_lines(tmp_path / "a.manifest", *lines), Reading(images=flat))
    (found,) = [reason for reason in dataset.reasons if reason.stops]
    assert [place.line for place in found.places] == [1, 2]
    assert sentence(found) == (
        f"{tmp_path}/a.manifest, line 1: s3://b/normal/n0.png and s3://b/anomaly/n0.png (line 2) would both be the "
        f"file {flat}/n0.png; give them their folders under --images"
    )


@pytest.mark.parametrize(
    "pair",
    [
        ("s3://one/normal/n0.png", "s3://two/normal/n0.png"),
        ("s3://one/normal/n0.png", "s3://one/Normal/n0.png"),
        ("normal/n0.png", "NORMAL/n0.png"),
        ("C:\\a\\n0.png", "D:\\b\\n0.png"),
    ],
)
def test_however_they_differ(tmp_path: Path, pair: tuple[str, str]) -> None:
    write_pictures(tmp_path, normal=1, anomaly=1)
    (tmp_path / "n0.png").write_bytes((tmp_path / "normal" / "n0.png").read_bytes())
    lines = write_lines(tmp_path / "a.manifest", *(classified(name, "normal") for name in pair))
    (problem,) = _problems(read_dataset(lines))
    assert pair[0] in problem
    assert pair[1] in problem


def test_one_reference_in_several_forms_is_one(tmp_path: Path) -> None:
    write_pictures(tmp_path, normal=1, anomaly=1)
    forms = ("s3://b/normal/n0.png", "https://b.s3.amazonaws.com/normal/n0.png", "normal/n0.png")
    dataset = read_dataset(write_lines(tmp_path / "a.manifest", *(classified(name, "normal") for name in forms)))
    assert _problems(dataset) == []


def test_a_mask_is_never_its_own_picture_nor_another_one(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, normal=1, anomaly=2)
    images = tmp_path / "anomaly"
    lines = [{**labelled(name), **masked(name), "source-ref": f"s3://b/{name}"} for name in names[1:]]
    for line in lines:
        line["m-ref"] = f"s3://b/masks/{Path(str(line['m-ref'])).name}"
    manifest = tmp_path / "x" / "a.manifest"
    manifest.parent.mkdir()
    write_lines(manifest, *lines)
    problems = _problems(read_dataset(manifest, Reading(images=images)))
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        f"the mask s3://b/masks/a{number}.png of {images}/a{number}.png can't be found" for number in range(2)
    ]
    lines[0]["m-ref"] = "s3://b/masks/a1.png"
    write_lines(manifest, *lines)
    assert "the mask that was found" in _problems(read_dataset(manifest, Reading(images=images)))[0]


def test_masks_of_one_name_in_two_folders_are_not_exchanged(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, normal=1, anomaly=2)
    lines = [{**labelled(name), **masked(name)} for name in names[1:]]
    for line, kind in zip(lines, ("dent", "scratch"), strict=True):
        line["m-ref"] = f"s3://b/masks/{kind}/a0.png"
    (problem,) = _problems(
        read_dataset(write_lines(tmp_path / "a.manifest", *lines), Reading(images=tmp_path / "masks"))
    )
    assert "the masks s3://b/masks/dent/a0.png and s3://b/masks/scratch/a0.png (line 2) would both be" in problem


def test_what_was_found_nearly_is_told_once(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, normal=3, anomaly=1)
    lines = [classified(f"s3://b/{name.upper()}", "normal") for name in names[:3]]
    (reason,) = read_dataset(write_lines(tmp_path / "a.manifest", *lines)).reasons
    assert (reason.code, reason.times) == ("found-nearly", 3)
    assert f"such as s3://b/NORMAL/N0.PNG as {tmp_path}/normal/n0.png" in sentence(reason)
