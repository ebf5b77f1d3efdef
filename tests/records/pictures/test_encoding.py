"""Pictures become files a few rows at a time: what is read again is what was there, in files that any program reads."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_agent.inference.imaging.resize import U8
from edge_agent.records.pictures.encoding import encode_jpeg, encode_png, read_strips

HEAD = 7


def _drawn(width: int, height: int) -> U8:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    noise = np.random.default_rng(3).integers(0, 8, (height, width, 3))
    return (np.stack([across, down, across + down], axis=2) + noise).astype(np.uint8)


@pytest.fixture(params=[(1, 1), (5, 3), (64, 64), (1280, 33), (4099, 5)], ids=str)
def drawn(request: pytest.FixtureRequest) -> U8:
    return _drawn(*request.param)


@pytest.fixture
def memory(drawn: U8) -> Iterator[int]:
    descriptor = os.memfd_create("picture")
    os.pwrite(descriptor, bytes(HEAD) + drawn.tobytes(), 0)
    yield descriptor
    os.close(descriptor)


def test_a_png_is_without_loss_and_read_by_others(drawn: U8, memory: int) -> None:
    height, width, _ = drawn.shape
    file = b"".join(encode_png(read_strips(memory, HEAD, width, height, lambda: None), width, height))
    image = Image.open(io.BytesIO(file))
    assert (image.mode, image.size) == ("RGB", (width, height))
    assert np.array_equal(np.asarray(image), drawn)
    read = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None and np.array_equal(read[:, :, ::-1], drawn)


def test_a_jpeg_looks_alike_also_when_another_went_before(drawn: U8, memory: int) -> None:
    height, width, _ = drawn.shape
    for _ in range(2):
        pieces = encode_jpeg(read_strips(memory, HEAD, width, height, lambda: None), width, height, lambda: None)
        seen = np.asarray(Image.open(io.BytesIO(b"".join(pieces))).convert("L"), np.float32)
        wanted = np.asarray(Image.fromarray(drawn).convert("L"), np.float32)
        assert seen.shape == wanted.shape
        assert np.abs(seen - wanted).mean() < 8


def test_there_is_a_rest_every_few_rows() -> None:
    drawn = _drawn(1280, 96)
    descriptor = os.memfd_create("picture")
    rests: list[None] = []
    try:
        os.pwrite(descriptor, drawn.tobytes(), 0)
        list(encode_png(read_strips(descriptor, 0, 1280, 96, lambda: rests.append(None)), 1280, 96))
        assert len(rests) == 32
        encode_jpeg(read_strips(descriptor, 0, 1280, 96, lambda: None), 1280, 96, lambda: rests.append(None))
        assert len(rests) > 36
    finally:
        os.close(descriptor)
