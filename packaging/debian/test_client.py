"""What test.sh does as a client, with the package's own Python: test_client.py add | listed | verdict | …"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import grpc
import numpy as np

import edge_agent
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from edge_agent.settings import DEFAULT_SOCKET

_SIDE = 64
_PATIENCE = 30.0


def add() -> None:
    """Put a model into the model folder: the score is the picture's brightness."""
    graph = Path("/test/model.onnx").read_bytes()
    folder = Path("/var/lib/edge-agent/models/echo/1.0.0")
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph)
    manifest = {
        "format": 1,
        "name": "echo",
        "version": "1.0.0",
        "task": "classification",
        "image": {"width": _SIDE, "height": _SIDE},
        "input": {"name": "picture", "width": _SIDE, "height": _SIDE},
        "outputs": {"score": {"name": "score"}},
        "threshold": 0.5,
        "artifacts": [{"path": "model.onnx", "sha256": hashlib.sha256(graph).hexdigest()}],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def listed() -> None:
    """Fail unless the agent answers, and has the model."""
    with edge_agent.Client() as client:
        assert [model.name for model in client.models()] == ["echo"], client.models()


def running() -> None:
    """Fail unless the model is RUNNING."""
    with edge_agent.Client() as client:
        assert client.describe("echo").status == "RUNNING", client.describe("echo")


def resumed() -> None:
    """Wait until the model is RUNNING, without starting it."""
    with edge_agent.Client(wait=_PATIENCE) as client:
        end = time.monotonic() + _PATIENCE
        while client.describe("echo").status != "RUNNING":
            assert time.monotonic() < end, client.describe("echo")
            time.sleep(0.1)


def verdict() -> None:
    """Start the model and show it a dark and a bright picture."""
    with edge_agent.Client(wait=_PATIENCE) as client:
        client.start("echo")
        for brightness, anomalous in ((30, False), (220, True)):
            result = client.detect("echo", np.full((_SIDE, _SIDE, 3), brightness, np.uint8))
            assert result.is_anomalous is anomalous, result
            print("anomalous" if anomalous else "normal")


def segment(kind: str) -> None:
    """Show it a picture in a segment of our own: for the group, for all, or only for us."""
    path = Path(f"/dev/shm/edge-agent-test-{os.getpid()}")
    path.write_bytes(bytes(_SIDE * _SIDE * 3))
    try:
        if kind == "group":
            os.chown(path, -1, Path("/var/lib/edge-agent").stat().st_gid)
        path.chmod({"group": 0o660, "all": 0o666, "own": 0o600}[kind])
        handle = pb2.SharedMemoryHandle(name=path.name, size=_SIDE * _SIDE * 3)
        request = pb2.DetectAnomaliesRequest(
            model_component="echo", bitmap=pb2.Bitmap(width=_SIDE, height=_SIDE, shared_memory_handle=handle)
        )
        method = METHODS["DetectAnomalies"]
        with grpc.insecure_channel(DEFAULT_SOCKET) as channel:
            call = channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
            assert not call(request, timeout=_PATIENCE).detect_anomaly_result.is_anomalous
    finally:
        path.unlink()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
