"""What is seen of moved copies is what the network sees of each by itself, bit for bit.

So it is with all of ONNX Runtime's kernels for x86 (SSE, AVX, AVX2, AVX-512), each run by one thread: how a place is
calculated does not depend on where in the picture it lies.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge_agent.building.training.copies import CopyExtractor, look_at_copies
from edge_agent.building.training.features import Extractor, Features, source_model
from edge_agent.building.training.place_bank import COPIES, lean, move
from edge_agent.building.training.quantization import quantize


def picture_of(size: tuple[int, int], number: int = 0) -> np.ndarray:
    """Noise, so that no place is like another, and a side that goes on is not like one that ends."""
    return np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)


def assert_same(found: Features, expected: Features) -> None:
    assert found.grid == expected.grid
    for seen, by_itself in zip(found[:4], expected[:4], strict=True):
        assert seen.shape == by_itself.shape
        np.testing.assert_array_equal(seen, by_itself)


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (320, 256), (576, 160)])
def test_copies_are_seen_as_each_by_itself(size: tuple[int, int]) -> None:
    source, picture = source_model(*size), picture_of(size)
    extract = Extractor(*size, source)
    see = look_at_copies(extract, source)
    assert isinstance(see, CopyExtractor)
    found = see(picture)
    assert len(found.fine) == COPIES
    assert_same(found, lean(extract(move(picture))))
    assert np.abs(found.fine[0] - found.fine[1]).max() > 0.1, "each is another"


@pytest.mark.long
@pytest.mark.parametrize("processor", ["Haswell", "SandyBridge", "Nehalem"])
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-user: older processors are emulated")
def test_older_processors_see_them_so_too(processor: str) -> None:
    command = ["qemu-x86_64", "-cpu", processor, sys.executable, "-W", "ignore", "-c", _EMULATED]
    subprocess.run(command, check=True)


_EMULATED = """
from tests.building.training.test_copies import test_copies_are_seen_as_each_by_itself as same
same((96, 160))
"""


def test_several_threads_see_the_same_copies() -> None:
    size = (96, 64)
    see = CopyExtractor(*size, source_model(*size))
    pictures = [picture_of(size, number) for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        several = list(pool.map(see, pictures))
    for found, picture in zip(several, pictures, strict=True):
        assert_same(found, see(picture))


def test_copies_are_seen_by_a_quantised_network_as_it_sees_all() -> None:
    size = (64, 96)
    pictures = [picture_of(size, number) for number in range(2)]
    source = quantize(source_model(*size), pictures, progress=lambda done, total: None)
    extract = Extractor(*size, source)
    assert_same(look_at_copies(extract, source)(pictures[0]), lean(extract(move(pictures[0]))))
