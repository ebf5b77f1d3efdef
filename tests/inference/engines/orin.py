"""What tests ask of a daemon on a device with a GPU, an Orin as tests/stand_ins has it, and of the model `echo`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.component.manifest import Target
from edge_agent.hardware.processor import architecture
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import Daemon, bytes_request, wait_until
from tests.support.fakes import U8, half_bright, picture

OPTIONS = {"gpu-code": "sm_87", "trt-ver": "10.3.0", "cuda-ver": "12.6"}


def nvidia(**options: str) -> Target:
    return Target(arch=architecture(), accelerator="NVIDIA", compiler_options=OPTIONS | options)  # type: ignore[arg-type]


def start(daemon: Daemon, status: str = "RUNNING") -> str:
    """Start the model `echo` and return its status message."""
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
    message: str = daemon.stub.wait_for("echo", status).status_message
    return message


def detect(daemon: Daemon, pixels: U8) -> tuple[float, U8, dict[str, float]]:
    result = daemon.stub("DetectAnomalies", bytes_request("echo", pixels)).detect_anomaly_result
    mask = np.frombuffer(result.anomaly_mask.byte_data, np.uint8).reshape(pixels.shape)
    return result.anomaly_score, mask, {a.name: a.pixel_anomaly.total_percentage_area for a in result.anomalies}


def check_answers(daemon: Daemon) -> None:
    score, mask, areas = detect(daemon, half_bright(96, 64))
    assert score == pytest.approx(0.25, abs=1e-3)
    assert (mask[:, :24] == (0x23, 0xA4, 0x36)).all()
    assert (mask[:, 24:] == 255).all()
    assert areas == {"background": 0.75, "bright": 0.25}
    score, mask, areas = detect(daemon, picture(51, 96, 64))
    assert score == pytest.approx(0.2, abs=1e-3)
    assert (mask == 255).all()
    assert areas == {"background": 1.0}


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the manifest of a component; its files become its artifacts."""
    import msgspec

    from edge_agent.component.artifacts import describe_artifact
    from edge_agent.component.manifest import FILE_NAME, decode_manifest, encode_manifest

    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    names = sorted(path.name for path in folder.iterdir() if path.name != FILE_NAME)
    artifacts = tuple(describe_artifact(folder, name) for name in names)
    changed = msgspec.structs.replace(manifest, artifacts=artifacts, **changes)
    (folder / FILE_NAME).write_bytes(encode_manifest(changed))


def write_plan(folder: Path) -> None:
    """Build a plan of the component's model alone, as trtexec would."""
    program = (
        "import sys, pathlib\n"
        "from edge_agent.inference.engines.progress import silent\n"
        "from edge_agent.inference.engines.tensorrt_building import build_plan\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "build_plan('model', (folder / 'model.onnx').read_bytes(), 4, folder / 'model.plan', silent)\n"
    )
    subprocess.run([sys.executable, "-c", program, folder], check=True)
