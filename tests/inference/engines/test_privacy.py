"""Nothing about a device's work leaves it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import write_echo

LOADS_AN_ENGINE = [
    "from edge_agent.inference.engines.engine import load_on_processor; "
    "from pathlib import Path; load_on_processor(Path(r'{model}'))",
    "import edge_agent.building.training.features, onnxruntime; onnxruntime.InferenceSession(r'{model}')",
    "import edge_agent.building.training.quantization, onnxruntime; onnxruntime.InferenceSession(r'{model}')",
]


@pytest.mark.parametrize("program", LOADS_AN_ENGINE, ids=["serving", "training", "quantization"])
def test_onnx_runtime_keeps_no_usage_data(tmp_path: Path, program: str) -> None:
    """It keeps what it is going to send in a database in the user's cache."""
    model = write_echo(tmp_path / "models") / "model.onnx"
    home = tmp_path / "home"
    home.mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environ |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "TMPDIR": str(home)}
    command = [sys.executable, "-c", program.format(model=model)]
    subprocess.run(command, env=environ, check=True, cwd=Path(__file__).parents[3])
    assert list(home.rglob("*")) == []


def test_a_worker_has_been_told(daemon: Daemon) -> None:
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("echo")
    (worker,) = daemon.workers()
    assert psutil.Process(worker.pid).environ()["ORT_DISABLE_TELEMETRY"] == "1"
