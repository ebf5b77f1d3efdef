from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edge_agent.building.datasets.dataset import MaskFile, Rgb
from edge_agent.building.datasets.masks import read_mask
from edge_agent.errors import DatasetError

GREEN: Rgb = (0x2C, 0xA0, 0x2C)
BLUE: Rgb = (0x1F, 0x77, 0xB4)
LABELS = ("scratch", "dent")
COLORS: dict[str | None, Rgb] = {None: (255, 255, 255), "scratch": GREEN, "dent": BLUE}


def drawn(mode: str = "RGB", background: object = (255, 255, 255), scale: int = 1) -> Image.Image:
    """A green and a blue square of 20x20 each on 80x60."""
    image = Image.new("RGBA", (80 * scale, 60 * scale), background)  # type: ignore[arg-type]
    draw = ImageDraw.Draw(image)
    for x, color in ((10, GREEN), (50, BLUE)):
        draw.rectangle((x * scale, 10 * scale, (x + 20) * scale - 1, 30 * scale - 1), fill=(*color, 255))
    return image.convert(mode)


def read(image: Image.Image, folder: Path, colors: dict[str | None, Rgb] = COLORS) -> tuple[list[int], tuple[str, ...]]:
    image.save(folder / "mask.png")
    mask = read_mask(MaskFile(folder / "mask.png", colors), LABELS)
    return np.bincount(mask.classes.reshape(-1), minlength=3).tolist(), mask.undeclared


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_every_kind_of_png(tmp_path: Path, mode: str) -> None:
    assert read(drawn(mode), tmp_path) == ([4000, 400, 400], ())


@pytest.mark.parametrize("background", [(0, 0, 0, 0), (255, 255, 255, 0), (44, 160, 44, 100)])
def test_what_is_less_than_half_opaque_is_background(tmp_path: Path, background: object) -> None:
    colors: dict[str | None, Rgb] = {key: value for key, value in COLORS.items() if key is not None}
    assert read(drawn("RGBA", background), tmp_path, colors) == ([4000, 400, 400], ())


def test_soft_edges_are_neither_labels_nor_undeclared(tmp_path: Path) -> None:
    soft = drawn(scale=4).resize((80, 60), Image.Resampling.BICUBIC)
    counts, undeclared = read(soft, tmp_path)
    assert undeclared == ()
    assert counts[1:] == pytest.approx([400, 400], abs=45)


def test_nearly_the_right_colour(tmp_path: Path) -> None:
    image = np.asarray(drawn()).astype(int)
    image[image != 255] += 12
    assert read(Image.fromarray(image.astype(np.uint8)), tmp_path) == ([4000, 400, 400], ())


def test_an_undeclared_colour_is_named_most_frequent_first(tmp_path: Path) -> None:
    image = drawn()
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 40, 29, 54), fill="#d62728")
    draw.rectangle((50, 40, 59, 49), fill="#ff7f0e")
    counts, undeclared = read(image, tmp_path)
    assert undeclared == ("#d62728", "#ff7f0e")
    assert counts == [4000, 400, 400]


def test_white_can_be_a_label(tmp_path: Path) -> None:
    image = Image.new("L", (80, 60), 0)
    ImageDraw.Draw(image).rectangle((0, 0, 9, 9), fill=255)
    assert read(image, tmp_path, {None: (0, 0, 0), "scratch": (255, 255, 255)}) == ([4700, 100, 0], ())


def test_a_mask_has_to_be_a_png(tmp_path: Path) -> None:
    drawn().save(tmp_path / "mask.png", "JPEG")
    with pytest.raises(DatasetError, match="is a JPEG file, expected PNG"):
        read_mask(MaskFile(tmp_path / "mask.png", COLORS), LABELS)
    (tmp_path / "mask.png").write_text("no picture")
    with pytest.raises(DatasetError, match="is not a PNG file"):
        read_mask(MaskFile(tmp_path / "mask.png", COLORS), LABELS)
    drawn().save(tmp_path / "mask.png")
    (tmp_path / "mask.png").write_bytes((tmp_path / "mask.png").read_bytes()[:90])
    with pytest.raises(DatasetError, match="can't be read"):
        read_mask(MaskFile(tmp_path / "mask.png", COLORS), LABELS)
