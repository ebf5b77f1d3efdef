"""Fixtures: daemons, segments, and the data that only some checkouts have beside them."""

from __future__ import annotations

import gc
import os

# Before numpy is loaded, here and in what the tests start: OpenBLAS' threads spin while they wait for each other; two
# processes of tests that train took twice as long for it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Else each of some hundred processes would compile the package anew, where that variable is set, as in many containers.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import posix_ipc
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.cost import Cost
from tests.support.daemon import Daemon, running_daemon
from tests.support.fakes import U8, write_echo
from tests.support.order import starts_processes

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def cookies() -> Path:
    """The folder of the reference model and pictures, for the tests that need real ones."""
    if not (SHARED / "models" / "cookies" / "model.onnx").exists():
        pytest.skip("the reference model and pictures are not beside this checkout (../shared)")
    return SHARED


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of this test's own, with no models yet."""
    with running_daemon(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for the tests of a module; `emptied` is what they use of it."""
    with running_daemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture
def emptied(shared: Daemon) -> Iterator[Daemon]:
    """One for all tests of a module that don't hurt it, with no models yet."""
    yield shared
    shared.empty()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for the tests of a module, which leave it as they find it.

    RUNNING: `echo` (segmentation), `plain` (classification) and `fragile`, all for 64x64. STOPPED: `resting`.
    FAILED: `broken`, whose file does not match its digest.
    """
    folder = tmp_path_factory.mktemp("serving")
    models = folder / "models"
    write_echo(models, "echo", model_arn="arn:aws:lookoutvision:eu-west-1:123456789012:model/echo/1")
    write_echo(models, "plain", segmentation=False)
    write_echo(models, "fragile", fragile=True)
    write_echo(models, "resting")
    (write_echo(models, "broken") / "model.onnx").write_bytes(b"not what it was")
    with running_daemon(folder, models=models) as running:
        for name in ("echo", "plain", "fragile"):
            running.stub.start(name)
        yield running


class Segments:
    """POSIX shared memory as public clients use it, through posix_ipc; everything is unlinked afterwards."""

    def __init__(self) -> None:
        self._made: list[str] = []

    def name(self) -> str:
        """Give a name that is not in use, with shm_open's leading slash."""
        name = f"/edge-agent-test-{os.getpid()}-{len(self._made)}-{os.urandom(4).hex()}"
        self._made.append(name)
        return name

    def make(self, data: bytes | U8, *, name: str | None = None, mode: int = 0o600) -> pb2.SharedMemoryHandle:
        """Create a segment that holds `data`, and give the handle of all of it."""
        raw = data if isinstance(data, bytes) else data.tobytes()
        name = name or self.name()
        segment = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=mode, size=len(raw))
        os.pwrite(segment.fd, raw, 0)
        segment.close_fd()
        return pb2.SharedMemoryHandle(name=name, size=len(raw), offset=0)

    @staticmethod
    def read(handle: pb2.SharedMemoryHandle) -> bytes:
        """Read what lies at a handle."""
        return Segments.path(handle.name).read_bytes()[handle.offset : handle.offset + handle.size]

    @staticmethod
    def path(name: str) -> Path:
        return Path("/dev/shm") / name.lstrip("/")

    def close(self) -> None:
        for name in self._made:
            self.path(name).unlink(missing_ok=True)


@pytest.fixture
def segments() -> Iterator[Segments]:
    """A maker of segments."""
    made = Segments()
    yield made
    made.close()


@pytest.fixture
def mask_of() -> Callable[[bytes, int, int], U8]:
    """Read a mask's bytes as an array [height, width, 3]."""

    def read(data: bytes, width: int, height: int) -> U8:
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    return read


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among what stays to the end: hundreds of modules, and thousands of tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cost",
        type=int,
        default=0,
        metavar="N",
        help="end with the N files and tests that cost the most processor time",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not starts_processes(item.path))


def pytest_configure(config: pytest.Config) -> None:
    if lines := config.getoption("--cost"):
        config.pluginmanager.register(Cost(lines))
