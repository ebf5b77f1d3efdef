"""Pixels of another format are recognised by their number, whatever the picture's size."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import check_byte_count
from edge_agent.inference.imaging.pixel_formats import recognise

SIZES = [(640, 480), (1281, 957), (322, 240), (4096, 3072), (65, 64)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    ("each", "said"),
    [
        (4, "4 bytes a pixel are RGBA, BGRA, RGBX or BGRX: leave the fourth byte out"),
        (1, "1 byte a pixel are grey, or a Bayer mosaic: give every pixel three times (cv2.COLOR_GRAY2RGB)"),
        (2, "2 bytes a pixel are YUY2 or UYVY, or 16-bit grey: convert the one (cv2.COLOR_YUV2RGB_YUY2"),
        (6, "6 bytes a pixel are RGB of 16 bits a channel: bring it to 8 bits"),
        (12, "12 bytes a pixel are RGB as float32: bring it to 0..255 and convert it to uint8"),
    ],
)
def test_other_formats(width: int, height: int, each: int, said: str) -> None:
    assert recognise(width * height * each, width, height).startswith(said)
    with pytest.raises(InvalidRequest) as refused:
        check_byte_count(width * height * each, width, height, what="byte_data has")
    assert f"byte_data has {width * height * each} bytes, expected {width * height * 3} (" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("width", "alignment", "step"), [(321, 4, 964), (322, 16, 976), (322, 32, 992), (322, 64, 1024), (1281, 64, 3904)]
)
def test_rows_that_begin_at_round_addresses(width: int, alignment: int, step: int) -> None:
    for count in (step * 240, step * 239 + width * 3):  # what follows the last row may be left out
        said = recognise(count, width, 240)
        assert said.startswith(f"rows of {width * 3} bytes that begin every {step} bytes, a multiple of")
        assert said.endswith("copy the rows without what follows each of them")


def test_grey_with_padded_rows() -> None:
    assert "its pixels are grey" in recognise(324 * 240, 321, 240)


def test_what_fits_nothing_is_not_explained() -> None:
    assert [recognise(count, 640, 480) for count in (0, 5, 640 * 480 * 3 + 54, 640 * 480 * 5)] == [""] * 4
    assert recognise(100, 0, 64) == ""


@pytest.mark.parametrize("form", ["BMP", "PNG", "JPEG", "TIFF"])
def test_a_file_is_recognised_by_how_it_begins(form: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (640, 480)).save(file, form)
    with pytest.raises(InvalidRequest, match=f"they are a {form} file: decode it, and send its pixels"):
        check_byte_count(file.tell(), 640, 480, what="byte_data has", head=file.getvalue()[:3])
