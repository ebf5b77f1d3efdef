"""A device with a GPU: stand-ins for NVIDIA's libraries, and a daemon that finds them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand_ins import python_path
from tests.support.daemon import Daemon, running_daemon


@pytest.fixture(scope="module")
def with_a_gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put a GPU into the device of these tests, and give the file in which its builds are counted."""
    builds = tmp_path_factory.mktemp("gpu") / "builds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", python_path())
        patch.setenv("STAND_IN_BUILDS", str(builds))
        yield builds


@pytest.fixture
def builds(with_a_gpu: Path) -> Path:
    """Give the file in which the builds of this test are counted."""
    with_a_gpu.write_text("")
    return with_a_gpu


@pytest.fixture(scope="module")
def shared_device(with_a_gpu: Path) -> Iterator[Daemon]:
    with running_daemon(with_a_gpu.parent) as daemon:
        yield daemon


@pytest.fixture
def device(shared_device: Daemon, builds: Path) -> Iterator[Daemon]:
    """A daemon with no models and no plans: what the test before has left is removed."""
    assert not shared_device.stub.listed()
    yield shared_device
    shared_device.empty()
    for folder in ("made", "state/plans"):
        shutil.rmtree(shared_device.folder / folder, ignore_errors=True)
