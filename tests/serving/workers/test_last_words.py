"""A worker that ends before it is ready: which library it was at, on which processor, and its last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.hardware.library import describe_library, describe_processor
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import running_daemon
from tests.support.fakes import write_echo

ABORTING = """
import os, sys
print("a line of its own\\nterminate called after throwing 'no such device'", file=sys.stderr, flush=True)
os.abort()
"""


def test_a_library_that_aborts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_echo(tmp_path / "models")
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text(ABORTING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with running_daemon(tmp_path, "--first-restart", "1000", "--longest-restart", "1000") as daemon:
        daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
        message = daemon.stub.wait_for("echo", "FAILED").status_message
        assert message == (
            "a worker of model 'echo' was lost while loading: killed by SIGABRT while loading the engine "
            f"onnxruntime-cpu ({describe_library('onnxruntime')}, on {describe_processor()}): terminate called after "
            "throwing 'no such device'; it is started again in 1000.0 s"
        )
        assert "a line of its own" in daemon.log.read_text()
