"""Pictures become files a few rows at a time: what is read again is what was there, in files that any program reads."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_agent.inference.imaging.resize import U8
from edge_agent.records.pictures.deflating import ZLIB, Deflating, best_deflating
from edge_agent.records.pictures.encoding import encode_jpeg, encode_png, read_strips

HEAD = 7
STRIP = 12 << 10


def _drawn(width: int, height: int) -> U8:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    noise = np.random.default_rng(3).integers(0, 8, (height, width, 3))
    return (np.stack([across, down, across + down], axis=2) + noise).astype(np.uint8)


@pytest.fixture(params=[(1, 1), (1, 700), (5, 3), (64, 64), (1279, 33), (4099, 5)], ids=str)
def drawn(request: pytest.FixtureRequest) -> U8:
    return _drawn(*request.param)


@pytest.fixture
def memory(drawn: U8) -> Iterator[int]:
    descriptor = os.memfd_create("picture")
    os.pwrite(descriptor, bytes(HEAD) + drawn.tobytes(), 0)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=["isal", "zlib"])
def deflating(request: pytest.FixtureRequest) -> Deflating:
    if request.param == "isal":
        pytest.importorskip("isal", reason="the package isal is not installed: there are no wheels for this machine")
        return best_deflating()
    return ZLIB


def _png(descriptor: int, start: int, width: int, height: int, deflating: Deflating) -> bytes:
    strips = read_strips(descriptor, start, width, height, lambda: None, strip_bytes=deflating.strip_bytes)
    return b"".join(encode_png(strips, width, height, deflating))


def _assert_others_read(file: bytes, drawn: U8) -> None:
    image = Image.open(io.BytesIO(file))
    assert (image.mode, image.size) == ("RGB", drawn.shape[1::-1])
    assert np.array_equal(np.asarray(image), drawn)
    read = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None and np.array_equal(read[:, :, ::-1], drawn)


def test_a_png_is_without_loss_and_read_by_others(drawn: U8, memory: int, deflating: Deflating) -> None:
    height, width, _ = drawn.shape
    _assert_others_read(_png(memory, HEAD, width, height, deflating), drawn)


@pytest.mark.parametrize("kind", ["grey", "noise", "flat", "mask"])
def test_a_large_picture_of_any_kind_comes_back_as_it_was(kind: str, deflating: Deflating) -> None:
    side = 4096 if kind in ("grey", "mask") else 1021
    drawn = np.zeros((side, side, 3), np.uint8)
    if kind == "grey":
        drawn[:] = (np.arange(side) // 16).astype(np.uint8)[:, None]
    elif kind == "noise":  # which no compression makes smaller
        drawn = np.random.default_rng(5).integers(0, 256, drawn.shape, np.uint8)
    elif kind == "mask":
        drawn[700:1900, 300:] = (0x23, 0xA4, 0x36)
    descriptor = os.memfd_create("picture")
    try:
        os.pwrite(descriptor, drawn.tobytes(), 0)
        file = _png(descriptor, 0, side, side, deflating)
    finally:
        os.close(descriptor)
    _assert_others_read(file, drawn)
    assert len(file) < drawn.size * (1.01 if kind == "noise" else 0.02) + 4096


def test_without_isal_zlib_compresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    best_deflating.cache_clear()
    try:
        assert best_deflating() is ZLIB
    finally:
        best_deflating.cache_clear()


def test_a_jpeg_looks_alike_also_when_another_went_before(drawn: U8, memory: int) -> None:
    height, width, _ = drawn.shape
    for _ in range(2):
        strips = read_strips(memory, HEAD, width, height, lambda: None, strip_bytes=STRIP)
        pieces = encode_jpeg(strips, width, height, lambda: None)
        seen = np.asarray(Image.open(io.BytesIO(b"".join(pieces))).convert("L"), np.float32)
        wanted = np.asarray(Image.fromarray(drawn).convert("L"), np.float32)
        assert seen.shape == wanted.shape
        assert np.abs(seen - wanted).mean() < 8


def test_there_is_a_rest_every_few_rows() -> None:
    drawn = _drawn(1280, 96)
    descriptor = os.memfd_create("picture")
    rests: list[None] = []

    def rest() -> None:
        rests.append(None)

    try:
        os.pwrite(descriptor, drawn.tobytes(), 0)
        strips = read_strips(descriptor, 0, 1280, 96, rest, strip_bytes=STRIP)
        list(encode_png(strips, 1280, 96, ZLIB))
        assert len(rests) == 32
        strips = read_strips(descriptor, 0, 1280, 96, lambda: None, strip_bytes=STRIP)
        encode_jpeg(strips, 1280, 96, rest)
        assert len(rests) > 36
    finally:
        os.close(descriptor)
