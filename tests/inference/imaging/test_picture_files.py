"""Reading pictures as cameras, phones, converters and exporters write them: the right pixels, or one sentence."""

from __future__ import annotations

import io
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.picture import PixelFormat, read_picture
from edge_agent.inference.imaging.picture_file import examine

U8 = npt.NDArray[np.uint8]
_EOI = b"\xff\xd9"
_LOSSLESS: dict[str, dict[str, Any]] = {"ebp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}


def part(seed: int = 0, height: int = 80, width: int = 96) -> U8:
    """A picture with smooth areas, an edge and noise, that differs in every corner and channel."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([60 + rows, 40 + columns, 120 + (rows + columns) // 4], axis=2).astype(np.float32)
    picture[10:30, 50:80] += (70, -30, 20)
    picture += rng.normal(0, 3, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def encoded(picture: U8, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("b.tif", {"compression": "tiff_adobe_deflate"}),
        ("a.webp", {"lossless": True}),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_other_formats_give_the_pixels_of_their_png(
    tmp_path: Path, name: str, options: dict[str, Any], mode: str
) -> None:
    image = Image.fromarray(part()).convert(mode)
    image.save(tmp_path / "a.png")
    if name.endswith("webp"):
        image = image.convert("RGB")  # it has no other
    image.save(tmp_path / name, **options)
    assert (read_picture(tmp_path / name) == read_picture(tmp_path / "a.png")).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "grey.jpg", "grey.png"])
def test_every_format_is_turned_by_its_exif_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    picture = part()
    image = Image.fromarray(picture[..., 1] if "grey" in name else picture)
    options = _LOSSLESS.get(name[-3:], {})
    image.save(tmp_path / name, exif=exif(orientation), **options)
    upright = Image.new(image.mode, image.size)
    upright.paste(image)
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright).convert("RGB"))
    read = read_picture(tmp_path / name)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= (12 if name.endswith("jpg") else 0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_pixels_are_scaled_by_what_their_bits_can_hold(tmp_path: Path, suffix: str, bits: int) -> None:
    full = (1 << bits) - 1
    grey = np.linspace(0, full, 64 * 64).astype(np.uint16).reshape(64, 64)
    color = np.stack([grey, grey // 2, grey[::-1]], axis=2)
    for name, values in (("grey", grey), ("color", color)):
        path = tmp_path / f"{name}.{suffix}"
        assert cv2.imwrite(str(path), values if values.ndim == 2 else values[..., ::-1])
        expected = np.rint(values * (255 / full)).astype(int)
        read = read_picture(path, PixelFormat(bits)).astype(int)
        assert np.abs(read - (expected if values.ndim == 3 else expected[..., None])).max() <= 1
        assert len(np.unique(read[..., 0])) == 256


def test_a_deep_picture_is_turned_too(tmp_path: Path) -> None:
    values = np.arange(64 * 80, dtype=np.uint16).reshape(64, 80) * 12
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif(6))
    expected = np.rot90(np.rint(values / 257), -1)
    assert (read_picture(tmp_path / "a.png")[..., 0] == expected).all()


def test_no_picture_is_scaled_by_its_own_values(tmp_path: Path) -> None:
    for name, value in (("dark", 500), ("bright", 4000)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((64, 64), value, np.uint16))
    assert read_picture(tmp_path / "dark.png", PixelFormat(12)).max() == round(500 / 4095 * 255)
    assert read_picture(tmp_path / "bright.png", PixelFormat(12)).max() == round(4000 / 4095 * 255)


# Damaged JPEGs


def test_a_jpeg_that_ends_early_is_refused_though_it_has_an_end_marker(tmp_path: Path) -> None:
    whole = encoded(part(), quality=90)
    for share in (0.4, 0.7, 0.9, 0.97):
        path = tmp_path / f"{share}.jpg"
        path.write_bytes(whole[: int(len(whole) * share)] + _EOI)
        with pytest.raises(InvalidRequest, match=f"{share}.jpg is damaged"):
            read_picture(path)
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InvalidRequest, match=f"{share}.jpg is damaged"):
            read_picture(path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_a_whole_jpeg_without_an_end_marker_is_read(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = encoded(part(), quality=90, **options)
    (tmp_path / "whole.jpg").write_bytes(whole)
    (tmp_path / "open.jpg").write_bytes(whole.removesuffix(_EOI))
    (tmp_path / "padded.jpg").write_bytes(whole + bytes(512))
    read = read_picture(tmp_path / "whole.jpg")
    assert (read_picture(tmp_path / "open.jpg") == read).all()
    assert (read_picture(tmp_path / "padded.jpg") == read).all()
    with Image.open(tmp_path / "whole.jpg") as image:
        assert np.abs(read.astype(int) - np.asarray(image)).max() <= 1


def test_a_jpeg_with_a_hole_is_refused(tmp_path: Path) -> None:
    refused = 0
    whole = encoded(part(height=240, width=320), quality=90)
    begin = whole.index(b"\xff\xda")
    for seed in range(10):
        where = begin + 200 + int((len(whole) - begin - 1600) * seed / 10)
        path = tmp_path / f"{seed}.jpg"
        path.write_bytes(whole[:where] + bytes(600) + whole[where + 600 :])
        try:
            read_picture(path)
        except InvalidRequest as error:
            assert f"{seed}.jpg is damaged" in str(error)
            refused += 1
    assert refused == 10


def test_a_progressive_jpeg_without_its_last_scans_is_refused(tmp_path: Path) -> None:
    whole = encoded(part(), quality=90, progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for number in range(1, len(scans)):
        # tables stand before their scan: what is cut lies behind the scan before
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(whole[: scans[number]] + _EOI)
        with pytest.raises(InvalidRequest, match=f"{number}.jpg is damaged"):
            read_picture(path)


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"restart_marker_blocks": 4}])
def test_whole_jpegs_of_all_kinds_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    for mode in ("RGB", "L", "CMYK"):
        path = tmp_path / f"{mode}.jpg"
        Image.fromarray(part()).convert(mode).save(path, quality=92, **options)
        with Image.open(path) as image:
            expected = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(read_picture(path) - expected).max() <= 2


# What is no picture, or none that is taken


def test_a_size_is_refused_by_the_head_of_the_file_before_anything_is_decoded(tmp_path: Path) -> None:
    """The rest of the file isn't there at all."""
    side = 10_000
    head = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    path = tmp_path / "large.png"
    chunk = (13).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + (8).to_bytes(4, "big") + b"IDAT")
    begun = time.process_time()
    with pytest.raises(InvalidRequest, match=r"large.png is 10000x10000, expected 4096x4096 at most"):
        read_picture(path)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.png", b"", "a.png is empty"),
        ("a.png", b"no picture", "a.png is not a PNG, JPEG, BMP, TIFF or WebP picture"),
        ("a.gif", encoded(part(), "GIF"), "a.gif is not a PNG, JPEG, BMP, TIFF or WebP picture"),
        ("a.png", encoded(part(), "PNG")[:-4000], "a.png can't be read"),
        ("a.bmp", encoded(part(), "BMP")[:-4000], "a.bmp can't be read"),
        ("a.tif", encoded(part(), "TIFF")[:4000], "a.tif can't be read"),
        ("a.webp", encoded(part(), "WEBP", lossless=True)[:-1000], "a.webp can't be read"),
    ],
)
def test_what_is_no_whole_picture_is_named(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidRequest) as error:
        read_picture(tmp_path / name)
    assert sentence in str(error.value)


def test_a_file_of_several_pictures_or_of_no_grey_levels_is_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(part(seed)) for seed in range(3)]
    for name in ("a.tif", "a.webp"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        with pytest.raises(InvalidRequest, match="has 3 pages or frames, expected one picture"):
            read_picture(tmp_path / name)
    Image.fromarray(part()[..., 0].astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(InvalidRequest, match="expected 8 or 16 bits a channel"):
        read_picture(tmp_path / "f.tif")


def test_the_head_of_a_png_says_how_it_is_turned_wherever_the_tag_stands(tmp_path: Path) -> None:
    """Pillow decodes all pixels to look behind them for the tag."""
    image = Image.fromarray(part())
    image.save(tmp_path / "before.png", exif=exif(6))
    data = (tmp_path / "before.png").read_bytes()
    begin = data.index(b"eXIf") - 4
    end = begin + 12 + int.from_bytes(data[begin : begin + 4], "big")
    last = data.index(b"IEND") - 4
    (tmp_path / "behind.png").write_bytes(data[:begin] + data[end:last] + data[begin:end] + data[last:])
    image.save(tmp_path / "without.png")
    assert examine(tmp_path / "before.png").orientation == 6
    assert examine(tmp_path / "behind.png").orientation == 6
    assert examine(tmp_path / "without.png").orientation == 1
    assert (read_picture(tmp_path / "behind.png") == read_picture(tmp_path / "before.png")).all()
