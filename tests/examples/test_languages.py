"""The examples in other languages, built with their own tools, against a real agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_agent.client.client import Client
from tests.support.daemon import Daemon, alive, running_daemon, wait_until
from tests.support.fakes import write_echo

# compilers take ten seconds alone, and minutes where others compute too
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WIDTH, HEIGHT = 80, 64
_NODE_MODULES = Path(sys.prefix) / "node" / "node_modules"
_GRPC_GO = Path("/usr/share/gocode/src/google.golang.org/grpc")

Command = list[str]


def _cpp(folder: Path) -> Command:
    if not all(map(shutil.which, ("cmake", "g++", "protoc", "grpc_cpp_plugin"))):
        pytest.skip("needs apt install cmake g++ pkg-config libgrpc++-dev protobuf-compiler-grpc")
    _run("cmake", "-S", EXAMPLES / "cpp", "-B", folder / "build", "-DCMAKE_CXX_FLAGS=-Wall -Wextra")
    _run("cmake", "--build", folder / "build")
    return [str(folder / "build" / "inspect")]


def _go(folder: Path) -> Command:
    if not all(map(shutil.which, ("go", "protoc", "protoc-gen-go"))) or not _GRPC_GO.exists():
        pytest.skip("needs apt install golang-go golang-google-grpc-dev golang-goprotobuf-dev protobuf-compiler")
    _run(EXAMPLES / "go" / "build.sh", folder / "inspect")
    return [str(folder / "inspect")]


def _node(folder: Path) -> Command:
    if shutil.which("node") is None or not _NODE_MODULES.exists():
        pytest.skip(f"needs Node.js with @grpc/grpc-js and @grpc/proto-loader in {_NODE_MODULES}")
    return ["node", str(EXAMPLES / "node" / "inspect.js")]


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("agent")
    write_echo(folder / "models", width=WIDTH, height=HEIGHT)
    with running_daemon(folder) as daemon:
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        yield daemon


@pytest.mark.parametrize("build", [_cpp, _go, _node])
def test_a_picture_through_shared_memory(build: Callable[[Path], Command], agent: Daemon, tmp_path: Path) -> None:
    command = build(tmp_path)
    environment = os.environ | {"NODE_PATH": str(_NODE_MODULES)}

    def inspect(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [*command, *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)

    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 4] = 255
    path = tmp_path / "picture.rgb"
    path.write_bytes(pixels.tobytes())
    done = inspect(agent.socket, "echo", WIDTH, HEIGHT, path)
    with Client(agent.socket) as client:
        expected = client.detect("echo", pixels)
    assert expected.mask is not None
    marked = float((expected.mask != 255).any(axis=2).mean())
    assert marked == 0.25
    verdict = "anomalous" if expected.is_anomalous else "normal"
    said = f"{verdict}, confidence {expected.confidence:.4f}, {100 * marked:.2f} % marked\n"
    assert done.stdout == said, done.stderr
    # The names end with the number of the process that made them; those of others are alive.
    left = [path.name for path in Path("/dev/shm").glob("example-*")]
    assert not [name for name in left if not alive(int(name.rpartition("-")[2]))]
    refused = inspect(agent.socket, "none", WIDTH, HEIGHT, path)
    assert refused.returncode == 1
    assert "none" in refused.stderr
    refused = inspect(agent.socket, "echo", WIDTH, HEIGHT * 2, path)
    assert refused.returncode == 1
    assert inspect().returncode == 2
