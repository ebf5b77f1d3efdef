"""Pictures as cameras, phones and converters write them: the pixels that are read, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bayer import looks_like_mosaic
from edge_agent.inference.imaging.fingerprint import fingerprint, most_differing, nearest
from edge_agent.inference.imaging.picture import PixelFormat, read_picture
from edge_agent.inference.imaging.picture_file import examine

U8 = npt.NDArray[np.uint8]
ORIENTATION = 0x0112
#: what each orientation makes of a picture, as TIFF 6.0 describes them
TURNS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: a[::-1].swapaxes(0, 1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}  # fmt: skip


def photo(seed: int = 0, size: tuple[int, int] = (96, 72)) -> U8:
    """Draw something smooth with noise, uint8 [height, width, 3]."""
    width, height = size
    rng = np.random.default_rng(seed)
    blobs = cv2.resize(rng.normal(size=(7, 9)), size, interpolation=cv2.INTER_CUBIC)
    smooth = 120 + 35 * blobs + rng.normal(size=(height, width)) * 6
    return np.stack([smooth, smooth * 0.8, smooth * 0.6], axis=2).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", TURNS)
def test_every_orientation_in_every_format(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"p.{suffix}"
    plain, tagged = tmp_path / f"plain.{suffix}", path
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(photo()).save(plain, **options)
    Image.fromarray(photo()).save(tagged, exif=exif, **options)
    expected = TURNS[orientation](read_picture(plain))
    found = read_picture(tagged)
    assert found.shape == expected.shape
    assert (found == expected).all()
    assert examine(tagged).shown == (found.shape[1], found.shape[0])


@pytest.mark.parametrize("suffix", ["bmp", "tif", "webp", "png"])
def test_the_same_pixels_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(photo()).save(tmp_path / f"p.{suffix}", **options)
    assert (read_picture(tmp_path / f"p.{suffix}") == photo()).all()


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("grey", [True, False])
def test_deep_pixels_are_scaled_by_what_the_set_uses(tmp_path: Path, bits: int, suffix: str, grey: bool) -> None:
    levels = photo()[..., 0] if grey else photo()
    deep = np.round(levels / 255 * ((1 << bits) - 1)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / f"p.{suffix}"), deep if grey else deep[..., ::-1])
    found = read_picture(tmp_path / f"p.{suffix}", PixelFormat(bits))
    assert (found == (np.repeat(levels[..., None], 3, axis=2) if grey else levels)).all()


def jpeg(**options: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo(size=(320, 240))).save(content, "JPEG", quality=90, **options)
    return content.getvalue()


def scans(data: bytes) -> list[int]:
    return [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]


WHOLE = {
    "baseline": jpeg(),
    "progressive": jpeg(progressive=True),
    "restart markers": jpeg(restart_marker_rows=1),
    "without the end marker": jpeg()[:-2],
    "progressive without the end marker": jpeg(progressive=True)[:-2],
    "something behind the end": jpeg() + b"\0\0maker's note",
    "padded": jpeg() + bytes(512),
}
DAMAGED = {
    "cut off": jpeg()[:-2000],
    "cut off, with an end marker": jpeg()[:-2000] + b"\xff\xd9",
    "hole": jpeg()[:4000] + bytes(1500) + jpeg()[5500:],
    "bytes that are missing": jpeg()[:4000] + jpeg()[5500:],
    "restart hole": WHOLE["restart markers"][:6000] + b"\x55" * 900 + WHOLE["restart markers"][6900:],
    "two scans": WHOLE["progressive"][: scans(WHOLE["progressive"])[2]] + b"\xff\xd9",
    "all scans but one": WHOLE["progressive"][: scans(WHOLE["progressive"])[-1]] + b"\xff\xd9",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_jpegs_are_read_as_pillow_reads_them(tmp_path: Path, kind: str) -> None:
    (tmp_path / "p.jpg").write_bytes(WHOLE[kind])
    sound = WHOLE[kind] if "without" not in kind else WHOLE[kind] + b"\xff\xd9"
    expected = np.asarray(Image.open(io.BytesIO(sound)).convert("RGB"))
    assert (read_picture(tmp_path / "p.jpg") == expected).all()


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_jpegs_are_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "p.jpg").write_bytes(DAMAGED[kind])
    with pytest.raises(InvalidRequest, match=r"p\.jpg is damaged"):
        read_picture(tmp_path / "p.jpg")


def test_cmyk_and_grey_jpegs(tmp_path: Path) -> None:
    for mode in ("CMYK", "L"):
        Image.fromarray(photo()).convert(mode).save(tmp_path / "p.jpg")
        expected = np.asarray(Image.open(tmp_path / "p.jpg").convert("RGB"))
        assert (read_picture(tmp_path / "p.jpg") == expected).all()


def test_the_reference_pictures_are_whole(cookies: Path) -> None:
    for path in sorted((cookies / "training-images").glob("*.jpg")):
        assert read_picture(path).shape[2] == 3


def test_what_is_no_picture_for_us(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cases = {
        "empty.png": "is empty",
        "text.png": "is not a PNG, JPEG, BMP, TIFF or WebP picture",
        "large.png": "is 10000x9000, expected 4096x4096 at most",
        "pages.tif": "has 2 pages or frames, expected one picture",
        "moving.webp": "has 2 pages or frames, expected one picture",
        "none.png": "can't be read: No such file or directory",
    }
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    pages = [Image.new("RGB", (70, 70), (n, 0, 0)) for n in (1, 200)]
    for name in ("pages.tif", "moving.webp"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    for name, message in cases.items():
        with pytest.raises(InvalidRequest, match=message):
            read_picture(tmp_path / name)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("bits", [8, 12])
def test_mosaics_become_colours(tmp_path: Path, pattern: str, bits: int) -> None:
    color = np.array([200, 120, 40])
    mosaic = np.zeros((72, 96), np.uint16)
    for place, letter in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = color["RGB".index(letter)]
    assert looks_like_mosaic(mosaic.astype(np.uint8))
    assert not looks_like_mosaic(photo()[..., 0])
    values = mosaic.astype(np.uint8) if bits == 8 else np.round(mosaic / 255 * 4095).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "p.png"), values)
    found = read_picture(tmp_path / "p.png", PixelFormat(bits if bits != 8 else 16, pattern))
    assert np.abs(found[4:-4, 4:-4].astype(int) - color).max() <= 1
    Image.fromarray(photo()).save(tmp_path / "colors.png")
    with pytest.raises(InvalidRequest, match="has colours already"):
        read_picture(tmp_path / "colors.png", PixelFormat(16, pattern))


def test_a_fingerprint_knows_a_copy_and_no_other_picture() -> None:
    pictures = [photo(seed, (256, 192)) for seed in range(12)]
    prints = [fingerprint(picture) for picture in pictures]
    most = most_differing(prints)
    for number, picture in enumerate(pictures):
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "JPEG", quality=85)
        copy = fingerprint(np.asarray(Image.open(content)))
        ((place, bits),) = nearest([copy], prints)
        assert (place, bits <= most) == (number, True)
    ((_, bits),) = nearest([fingerprint(photo(99, (256, 192)))], prints)
    assert bits > most
    assert most_differing(prints[:1]) == 0
