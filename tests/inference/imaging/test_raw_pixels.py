"""Raw pixels of cameras: the values that come out are exactly those that a camera has put in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bayer import demosaic
from edge_agent.inference.imaging.deep_pixels import to_grey_levels
from edge_agent.inference.imaging.raw_format import FORMATS, RawFormat, check_format
from edge_agent.inference.imaging.raw_pixels import read_raw, to_levels

WIDTH, HEIGHT = 8, 6
RANDOM = np.random.default_rng(7)


def _values(bits: int) -> npt.NDArray[np.uint16]:
    values = RANDOM.integers(0, 1 << bits, (HEIGHT, WIDTH)).astype(np.uint16)
    values[0, :2] = 0, (1 << bits) - 1
    return values


def _grey(levels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.repeat(levels[..., None], 3, axis=2)


def _raw(name: str, **more: int) -> RawFormat:
    return RawFormat(name, WIDTH, HEIGHT, **more)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_values_in_sixteen_bits(bits: int) -> None:
    values = _values(bits)
    expected = _grey(to_grey_levels(values, bits))
    assert expected[0, 1, 0] == 255, "the largest value of these bits is white"
    assert (read_raw(values.astype("<u2").tobytes(), _raw(f"Mono{bits}")) == expected).all()
    assert (read_raw(values.astype("<u2").tobytes(), _raw("Mono16", bits=bits)) == expected).all()


def _packed_lowest_first(values: npt.NDArray[np.uint16], bits: int) -> bytes:
    """Pack as the convention says: a stream of bits, the lowest of the first value first."""
    stream = 0
    for place, value in enumerate(values.ravel().tolist()):
        stream |= value << (bits * place)
    return stream.to_bytes(values.size * bits // 8, "little")


@pytest.mark.parametrize("bits", [10, 12])
def test_packed_values(bits: int) -> None:
    values = _values(bits)
    packed = _packed_lowest_first(values, bits)
    assert (read_raw(packed, _raw(f"Mono{bits}p")) == _grey(to_grey_levels(values, bits))).all()
    colours = to_grey_levels(demosaic(values, "GRBG"), bits)
    assert (read_raw(packed, _raw(f"BayerGR{bits}p")) == colours).all()


def test_gige_vision_s_packing() -> None:
    """Two values, 0xABC and 0xDEF, are the bytes AB, FC, DE: the high bits, both low ones, the high bits."""
    data = bytes([0xAB, 0xFC, 0xDE])
    expected = to_grey_levels(np.array([[0xABC, 0xDEF]], np.uint16), 12)
    assert (read_raw(data, RawFormat("Mono12Packed", 2, 1))[..., 0] == expected).all()


@pytest.mark.parametrize(("name", "pattern"), [("RG", "RGGB"), ("BG", "BGGR"), ("GR", "GRBG"), ("GB", "GBRG")])
def test_mosaics(name: str, pattern: str) -> None:
    """A picture of one colour comes out as that colour, whatever the pattern."""
    colour = {"R": 200, "G": 120, "B": 40}
    row = [[colour[pattern[0]], colour[pattern[1]]], [colour[pattern[2]], colour[pattern[3]]]]
    mosaic = np.tile(np.array(row, np.uint8), (HEIGHT // 2, WIDTH // 2))
    seen = read_raw(mosaic.tobytes(), _raw(f"Bayer{name}8"))
    assert (seen == [200, 120, 40]).all()
    deep = (mosaic.astype(np.uint16) << 4).astype(np.uint16)
    seen = read_raw(deep.astype("<u2").tobytes(), _raw(f"Bayer{name}12"))
    assert (seen == to_grey_levels(np.array([200 << 4, 120 << 4, 40 << 4], np.uint16), 12)).all()


def test_colours_and_their_order() -> None:
    pixels = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert (read_raw(pixels.tobytes(), _raw("RGB8")) == pixels).all()
    assert (read_raw(pixels.tobytes(), _raw("BGR8")) == pixels[..., ::-1]).all()


@pytest.mark.parametrize("name", FORMATS)
def test_rows_with_padding(name: str) -> None:
    raw = _raw(name)
    rows = RANDOM.integers(0, 256, (HEIGHT, raw.row_bytes)).astype(np.uint8)
    padded = np.full((HEIGHT, raw.row_bytes + 5), 0xEE, np.uint8)
    padded[:, : raw.row_bytes] = rows
    without_last = padded.tobytes()[:-5]
    expected = read_raw(rows.tobytes(), raw)
    assert expected.shape == (HEIGHT, WIDTH, 3)
    assert (read_raw(without_last, _raw(name, stride=raw.row_bytes + 5)) == expected).all()


def test_the_table_is_the_formula() -> None:
    values = np.arange(1 << 16, dtype=np.uint16)
    assert all((to_levels(values, bits) == to_grey_levels(values, bits)).all() for bits in (10, 12, 14, 16))


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(InvalidRequest, match="47 bytes, expected at least 48 for 8x6 Mono8"):
        read_raw(bytes(47), _raw("Mono8"))
    with pytest.raises(InvalidRequest, match="with rows of 10 bytes"):
        read_raw(bytes(48), _raw("Mono8", stride=10))
    for raw, said in (
        (RawFormat("Mono9", 8, 8), "format is 'Mono9', expected one of Mono8, Mono10"),
        (RawFormat("Mono12p", 7, 8), "width is 7, expected a multiple of 2"),
        (RawFormat("Mono16", 8, 8, 15), "stride is 15, expected at least 16"),
        (RawFormat("RGB8", 8, 8, 0, 12), "bits is 12, expected none"),
        (RawFormat("BayerRG8", 1, 8), "size is 1x8, expected at least 2x2"),
    ):
        with pytest.raises(ValueError, match=said):
            check_format(raw)
