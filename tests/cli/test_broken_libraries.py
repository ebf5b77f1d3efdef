"""Commands on a machine whose engine is installed and can't be loaded: one sentence, whatever it dies of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.commands import failed, run
from tests.support.fakes import write_echo
from tests.support.libraries import WAYS, break_library


@pytest.mark.parametrize(
    ("command", "way"),
    [
        *((["evaluate", "{models}/echo/1.0.0", "parts"], way) for way in WAYS),
        (["train", "parts", "-o", "{models}/out"], "illegal instruction"),
        (["import", "{models}/echo/1.0.0/model.onnx", "-o", "{models}/out"], "illegal instruction"),
        (["bench", "{models}/echo/1.0.0"], "illegal instruction"),
    ],
)
def test_commands_that_load_the_engine(tmp_path: Path, command: list[str], way: str) -> None:
    write_echo(tmp_path / "models")
    path = break_library(tmp_path / "broken", "onnxruntime", way)
    line = failed(run(*(word.format(models=tmp_path / "models") for word in command), PYTHONPATH=path))
    assert line.startswith("edge-agent: importing onnxruntime 1.")
    assert "; what may help: " in line
    if way == "illegal instruction":
        assert "is killed by SIGILL (Illegal instruction) on this processor, " in line


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("numpy", ["train", "parts", "-o", "out"]),
        ("numpy", ["detect", "echo", "part.png"]),
        ("cv2", ["evaluate", "component", "parts"]),
    ],
)
def test_commands_that_load_other_libraries(tmp_path: Path, module: str, command: list[str]) -> None:
    path = break_library(tmp_path / "broken", module, "illegal instruction")
    line = failed(run(*command, PYTHONPATH=path))
    cause = r"is killed by SIGILL \(Illegal instruction\) on this processor, .+; what may help: "
    assert re.match(rf"edge-agent: importing \S+ \d+\.\S+ {cause}", line)
    assert {"numpy": "importing numpy ", "cv2": "importing opencv-python"}[module] in line


def test_a_damaged_package_that_nobody_looked_for(tmp_path: Path) -> None:
    path = break_library(tmp_path / "broken", "PIL", "damaged")
    line = failed(run("detect", "echo", "part.png", PYTHONPATH=path))
    assert line == "edge-agent: a package can't be loaded: libonnxruntime.so.1: file too short"


@pytest.mark.parametrize(("module", "check"), [("onnxruntime", "engine onnxruntime-cpu"), ("cv2", "libraries")])
def test_doctor(tmp_path: Path, module: str, check: str) -> None:
    path = break_library(tmp_path / "broken", module, "illegal instruction")
    done = run("doctor", "--socket", f"unix://{tmp_path}/a.sock", "--state-dir", tmp_path, PYTHONPATH=path)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert line.split(None, 1)[1].startswith(check)
    for word in ("importing ", "is killed by SIGILL (Illegal instruction) on this processor, ", "pip install"):
        assert word in line
