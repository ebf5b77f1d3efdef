"""Started in a folder that holds modules of the same names as its own, an installed program imports none of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.client.client import Client
from tests.support.daemon import PATIENCE
from tests.support.fakes import half_bright, write_echo
from tests.support.parts import write_folders
from tests.support.poison import PROGRAM, poison, run_installed


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / "foreign"
    poison(folder)
    write_echo(folder / "models")
    Image.fromarray(half_bright()).save(folder / "part.png")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["doctor", "--model-dir", "models", "--state-dir", "."],
        ["bench", "models/echo/1.0.0", "--seconds", "0.1", "--rounds", "1", "--clients", "2"],
        ["package", "models/echo/1.0.0", "--location", "packages", "--target-platform", "LINUX/X86_64"],
        ["sign", "--new-key", "key.pem"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command(foreign: Path, arguments: list[str]) -> None:
    done = run_installed(foreign, *arguments, EDGE_AGENT_SOCKET=f"unix://{foreign}/none.sock")
    assert done.returncode == 0, done.stderr
    assert not (foreign / "imported").exists()


def test_serve_and_its_workers_and_detect(foreign: Path) -> None:
    socket = f"unix://{foreign}/agent.sock"
    where = {"EDGE_AGENT_SOCKET": socket}
    command = [str(PROGRAM), "serve", "--model-dir", "models", "--state-dir", "state", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=foreign, env={**os.environ, **where}) as daemon:
        try:
            Client(socket, wait=PATIENCE).close()
            done = run_installed(foreign, "detect", "echo", "part.png", "--start", **where)
            assert done.returncode == 0, done.stderr
            assert "normal" in done.stdout
            assert "RUNNING" in run_installed(foreign, "models", "list", **where).stdout
        finally:
            daemon.terminate()
    assert not (foreign / "imported").exists()


def test_evaluate(foreign: Path) -> None:
    parts = write_folders(foreign / "parts", normal=2, anomaly=2)
    for path in parts.glob("*/*.png"):  # of the model's size
        Image.open(path).resize((64, 64)).save(path)
    done = run_installed(foreign, "evaluate", "models/echo/1.0.0", "parts")
    assert done.returncode == 0, done.stderr
    assert not (foreign / "imported").exists()
