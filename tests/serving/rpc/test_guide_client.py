"""A client as the guide has users write one, with stubs that it generated itself, runs unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import half_bright, write_echo

PROTO = Path(__file__).resolve().parents[3] / "proto"

# Written anew after the guide's description: describe until RUNNING, start when STOPPED, detect by bytes, list, stop,
# and read code and details of an error.
CLIENT = """
import sys, time
import grpc
from PIL import Image
import edge_agent_pb2 as pb2
from edge_agent_pb2_grpc import EdgeAgentStub

address, model, path = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    stub = EdgeAgentStub(channel)
    while True:
        description = stub.DescribeModel(pb2.DescribeModelRequest(model_component=model)).model_description
        if description.status == pb2.RUNNING:
            break
        if description.status == pb2.STOPPED:
            started = stub.StartModel(pb2.StartModelRequest(model_component=model))
            assert started.status == pb2.STARTING, started
        elif description.status != pb2.STARTING:
            raise SystemExit(f"unexpected {description}")
        time.sleep(0.01)
    image = Image.open(path).convert("RGB")
    bitmap = pb2.Bitmap(width=image.size[0], height=image.size[1], byte_data=bytes(image.tobytes()))
    request = pb2.DetectAnomaliesRequest(model_component=model, bitmap=bitmap)
    result = stub.DetectAnomalies(request).detect_anomaly_result
    print("anomalous", result.is_anomalous, len(result.anomaly_mask.byte_data))
    print("listed", [(m.model_component, m.status) for m in stub.ListModels(pb2.ListModelsRequest()).models])
    print("stopped", stub.StopModel(pb2.StopModelRequest(model_component=model)).status == pb2.STOPPED)
    try:
        stub.DetectAnomalies(request)
    except grpc.RpcError as error:
        print("error", error.code(), error.details())
"""


def test_the_guides_client_runs_unchanged(daemon: Daemon, tmp_path: Path) -> None:
    write_echo(daemon.models)
    folder = tmp_path / "client"
    folder.mkdir()
    Image.fromarray(half_bright()).save(folder / "sample.png")
    (folder / "client.py").write_text(CLIENT)
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={PROTO}",
        "--python_out=.",
        "--grpc_python_out=.",
    ]
    subprocess.run([*command, "edge-agent.proto"], cwd=folder, check=True)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    arguments = [sys.executable, "client.py", daemon.socket, "echo", "sample.png"]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"anomalous False {64 * 64 * 3}",
        "listed [('echo', 2)]",
        "stopped True",
        "error StatusCode.FAILED_PRECONDITION model 'echo' is STOPPED, expected RUNNING",
    ]
