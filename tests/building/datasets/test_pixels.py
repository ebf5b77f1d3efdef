"""What a check says of the pixels and files of pictures: depths, turning, shortcuts, copies, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import Reading, read_datasets
from edge_agent.inference.imaging.picture import PixelFormat
from tests.inference.imaging.test_picture import photo


def write(root: Path, save: Callable[[str, int, Path], object], normal: int = 6, anomaly: int = 4) -> Path:
    """Write pictures of both classes; `save` gets the class, a number and the path without suffix."""
    for label, count in (("normal", normal), ("anomaly", anomaly)):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            save(label, number, root / label / f"{label}-{number}")
    return root


def check(root: Path, pixel_format: PixelFormat = PixelFormat()) -> Report:  # noqa: B008
    return check_datasets(read_datasets(root, None, Reading(pixel_format=pixel_format)))


def codes(report: Report) -> dict[str, int]:
    found: Counter[str] = Counter()
    for reason in report.reasons:
        if not reason.code.startswith("advise"):
            found[reason.code] += reason.times
    return dict(found)


def of(label: str, number: int) -> np.ndarray:
    return photo(number + 100 * (label == "anomaly"))


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_sixteen_bits_of_which_fewer_are_used(tmp_path: Path, bits: int) -> None:
    def save(label: str, number: int, path: Path) -> None:
        deep = np.round(of(label, number)[..., 0] / 255 * ((1 << bits) - 1)).astype(np.uint16)
        cv2.imwrite(f"{path}.png", deep)

    root = write(tmp_path / "data", save)
    report = check(root)
    assert codes(report) == {"depth-unused": 10}
    assert any(
        f"stay below {1 << bits} " in warning and f"add: --bits {bits}" in warning for warning in report.warnings
    )
    assert codes(check(root, PixelFormat(bits))) == {}
    if bits > 10:
        assert codes(check(root, PixelFormat(10))) == {"picture-exceeds": 10}


def test_mixed_depths_are_a_problem(tmp_path: Path) -> None:
    def save(label: str, number: int, path: Path) -> None:
        levels = of(label, number)[..., 0]
        cv2.imwrite(f"{path}.png", levels.astype(np.uint16) * 257 if label == "anomaly" else levels)

    (problem,) = check(write(tmp_path / "data", save)).problems
    assert problem.startswith("4 pictures have 16 bits a channel")
    assert "6 have 8" in problem


@pytest.mark.parametrize("mask_too", [True, False])
def test_one_rule_for_the_geometry_of_picture_and_mask(tmp_path: Path, mask_too: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    marked = np.zeros((72, 96), np.uint8)
    marked[5:15, 60:90] = 255

    def save(label: str, number: int, path: Path) -> None:
        Image.fromarray(of(label, number)).save(f"{path}.png", exif=exif)
        if label == "anomaly":
            masks = tmp_path / "data" / "masks"
            masks.mkdir(exist_ok=True)
            seen = marked if mask_too else np.rot90(marked, -1)  # 6: turned by a quarter to the right to be seen
            options: dict[str, Any] = {"exif": exif} if mask_too else {}
            Image.fromarray(np.ascontiguousarray(seen)).save(masks / f"{path.name}.png", **options)

    root = write(tmp_path / "data", save)
    report = check(root)
    assert report.problems == ()
    assert report.size == (72, 96)
    found = codes(report)
    assert found.get("pictures-turned") == 10
    assert found.get("masks-turned-otherwise", 0) == (0 if mask_too else 4)
    (example, *_) = read_datasets(root).train.of("anomaly")
    assert example.mask
    assert (read_mask(example.mask, ("anomaly",)).classes == (np.rot90(marked, -1) > 0)).all()


def test_a_size_is_said_before_turning_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    def save(label: str, number: int, path: Path) -> None:
        options: dict[str, Any] = {"exif": exif} if number == 3 else {}
        Image.fromarray(of(label, number)).save(f"{path}.png", **options)

    problems = check(write(tmp_path / "data", save, anomaly=2)).problems
    assert len(problems) == 1
    assert "is 72x96 (96x72 before turning by its EXIF orientation 6), the other pictures are 96x72" in problems[0]


def test_a_shortcut_in_the_files_is_named_once(tmp_path: Path) -> None:
    def save(label: str, number: int, path: Path) -> None:
        Image.fromarray(of(label, number)).save(f"{path}.{'png' if label == 'normal' else 'jpg'}")

    report = check(write(tmp_path / "data", save))
    (reason,) = [reason for reason in report.reasons if reason.code == "shortcut"]
    assert "the format (PNG of normal, JPEG of anomalous pictures)" in reason.value


@pytest.mark.parametrize("trait", ["camera", "alpha", "quality"])
def test_other_shortcuts(tmp_path: Path, trait: str) -> None:
    def save(label: str, number: int, path: Path) -> None:
        good = label == "normal"
        image = Image.fromarray(of(label, number))
        if trait == "camera":
            exif = Image.Exif()
            exif[0x010F] = "Maker A" if good else "Maker B"
            image.save(f"{path}.png", exif=exif)
        elif trait == "alpha":
            image.convert("RGB" if good else "RGBA").save(f"{path}.png")
        else:
            image.save(f"{path}.jpg", quality=95 if good else 70)

    expected = {"camera": "the camera (Maker A", "alpha": "the kind of pixels (RGB", "quality": "the JPEG quality ("}
    (reason,) = [reason for reason in check(write(tmp_path / "data", save)).reasons if reason.code == "shortcut"]
    assert expected[trait] in reason.value


def test_files_alike_on_both_sides_are_no_shortcut(tmp_path: Path) -> None:
    root = write(tmp_path / "data", lambda label, n, path: Image.fromarray(of(label, n)).save(f"{path}.png"))
    assert codes(check(root)) == {}


def test_transparent_pixels_are_told(tmp_path: Path) -> None:
    def save(label: str, number: int, path: Path) -> None:
        alpha = np.full((72, 96, 1), 0 if number == 1 else 255, np.uint8)
        Image.fromarray(np.concatenate([of(label, number), alpha], axis=2)).save(f"{path}.png")

    assert codes(check(write(tmp_path / "data", save))) == {"transparent": 2}


def test_copies_that_were_encoded_again(tmp_path: Path) -> None:
    size = (256, 192)

    def save(label: str, number: int, path: Path) -> None:
        Image.fromarray(photo(number + 100 * (label == "anomaly"), size)).save(f"{path}.png")

    train = write(tmp_path / "data" / "train", save, normal=12, anomaly=6)
    test = write(
        tmp_path / "data" / "test",
        lambda label, n, path: Image.fromarray(photo(n + 500 + 100 * (label == "anomaly"), size)).save(f"{path}.png"),
    )
    for number in range(3):
        Image.open(train / "normal" / f"normal-{number}.png").save(test / "normal" / f"copy-{number}.jpg", quality=92)
    Image.open(train / "normal" / "normal-9.png").save(train / "anomaly" / "same.jpg", quality=90)
    found = codes(check(tmp_path / "data"))
    assert (found["test-nearly-trained"], found["nearly-same-picture"]) == (3, 1)


def test_a_mosaic_is_recognised(tmp_path: Path) -> None:
    def save(label: str, number: int, path: Path) -> None:
        picture = of(label, number)
        mosaic = picture[..., 1].copy()
        mosaic[::2, ::2], mosaic[1::2, 1::2] = picture[::2, ::2, 0], picture[1::2, 1::2, 2]
        Image.fromarray(mosaic).save(f"{path}.png")

    root = write(tmp_path / "data", save)
    assert codes(check(root)) == {"mosaic": 10}
    assert codes(check(root, PixelFormat(16, "RGGB"))) == {}


def test_limits_come_before_cost(tmp_path: Path) -> None:
    root = write(tmp_path / "data", lambda label, n, path: Image.fromarray(of(label, n)).save(f"{path}.png"))
    Image.new("RGB", (10_000, 10_000)).save(root / "normal" / "large.png", compress_level=1)
    (problem,) = check(root).problems
    assert "large.png is 10000x10000, expected 64x64 to 4096x4096" in problem


def test_broken_files_are_all_named(tmp_path: Path) -> None:
    root = write(tmp_path / "data", lambda label, n, path: Image.fromarray(of(label, n)).save(f"{path}.jpg"))
    whole = (root / "normal" / "normal-0.jpg").read_bytes()
    (root / "normal" / "cut.jpg").write_bytes(whole[: len(whole) * 2 // 3] + b"\xff\xd9")
    (root / "anomaly" / "empty.jpg").write_bytes(b"")
    problems = check(root).problems
    assert len(problems) == 2
    assert any("cut.jpg is damaged" in problem for problem in problems)
    assert any("empty.jpg is empty" in problem for problem in problems)
