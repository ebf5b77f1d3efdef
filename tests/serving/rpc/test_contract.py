"""The contract is the published one, to the letter, and lives beside a client's own copy of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS

PROTO = Path(__file__).resolve().parents[3] / "proto"

# The table of the published contract: (name, number, type, label or oneof).
MESSAGES = {
    "SharedMemoryHandle": [("name", 1, "string"), ("size", 2, "uint64"), ("offset", 3, "uint64")],
    "Bitmap": [
        ("width", 1, "int32"),
        ("height", 2, "int32"),
        ("byte_data", 3, "bytes", "data"),
        ("shared_memory_handle", 4, "SharedMemoryHandle", "data"),
    ],
    "AnomalyMaskParams": [("shared_memory_handle", 2, "SharedMemoryHandle")],
    "PixelAnomaly": [("total_percentage_area", 1, "float"), ("hex_color", 2, "string")],
    "Anomaly": [("name", 1, "string"), ("pixel_anomaly", 2, "PixelAnomaly")],
    "DetectAnomaliesRequest": [
        ("model_component", 1, "string"),
        ("bitmap", 2, "Bitmap"),
        ("anomaly_mask_params", 3, "AnomalyMaskParams"),
    ],
    "DetectAnomalyResult": [
        ("is_anomalous", 1, "bool"),
        ("confidence", 2, "float"),
        ("anomaly_mask", 3, "Bitmap"),
        ("anomalies", 4, "Anomaly", "repeated"),
        ("anomaly_score", 5, "float"),
        ("anomaly_threshold", 6, "float"),
    ],
    "DetectAnomaliesResponse": [("detect_anomaly_result", 1, "DetectAnomalyResult")],
    "ModelDescription": [
        ("model_component", 1, "string"),
        ("lookout_vision_model_arn", 2, "string"),
        ("status", 3, "ModelStatus"),
        ("status_message", 4, "string"),
    ],
    "ModelMetadata": [
        ("model_component", 1, "string"),
        ("lookout_vision_model_arn", 2, "string"),
        ("status", 3, "ModelStatus"),
        ("status_message", 4, "string"),
    ],
    "StartModelRequest": [("model_component", 1, "string")],
    "StartModelResponse": [("status", 1, "ModelStatus")],
    "StopModelRequest": [("model_component", 1, "string")],
    "StopModelResponse": [("status", 1, "ModelStatus")],
    "ListModelsRequest": [],
    "ListModelsResponse": [("models", 1, "ModelMetadata", "repeated")],
    "DescribeModelRequest": [("model_component", 1, "string")],
    "DescribeModelResponse": [("model_description", 1, "ModelDescription")],
}

_TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_BOOL: "bool",
}


def _row(field: FieldDescriptor) -> tuple[str | int, ...]:
    kind = field.message_type or field.enum_type
    row: tuple[str | int, ...] = (field.name, field.number, kind.name if kind else _TYPES[field.type])
    if field.is_repeated:
        row += ("repeated",)
    return (*row, field.containing_oneof.name) if field.containing_oneof else row


def test_every_message_has_the_published_fields_in_the_published_order() -> None:
    found = {
        name: [_row(field) for field in message.fields]
        for name, message in pb2.DESCRIPTOR.message_types_by_name.items()
    }
    assert found == MESSAGES
    assert list(found) == list(MESSAGES)


def test_file_package_and_options_are_the_published_ones() -> None:
    assert pb2.DESCRIPTOR.name == "edge-agent.proto"
    assert pb2.DESCRIPTOR.package == "AWS.LookoutVision"
    assert pb2.DESCRIPTOR.GetOptions().java_package == "com.amazonaws.lookoutvision"
    assert len(pb2.DESCRIPTOR.GetOptions().ListFields()) == 1


def test_the_enum_has_the_published_values() -> None:
    values = [(value.name, value.number) for value in pb2.DESCRIPTOR.enum_types_by_name["ModelStatus"].values]
    assert values == [("STOPPED", 0), ("STARTING", 1), ("RUNNING", 2), ("FAILED", 3), ("STOPPING", 4)]


def test_the_service_has_the_published_methods_in_order() -> None:
    assert list(METHODS) == ["DetectAnomalies", "StartModel", "StopModel", "ListModels", "DescribeModel"]
    assert METHODS["StartModel"].path == "/AWS.LookoutVision.EdgeAgent/StartModel"
    for name, method in METHODS.items():
        assert method.request.DESCRIPTOR.name == f"{name}Request"
        assert method.response.DESCRIPTOR.name == f"{name}Response"


def test_a_process_may_import_the_package_and_a_clients_own_stubs(tmp_path: Path) -> None:
    """protobuf refuses the same symbols from two files that differ in anything, a comment excepted."""
    published = (PROTO / "edge-agent.proto").read_text()
    without_comments = "\n".join(line for line in published.splitlines() if not line.startswith("//"))
    (tmp_path / "edge-agent.proto").write_text(without_comments)
    command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=.", "--python_out=.", "--grpc_python_out=."]
    subprocess.run([*command, "edge-agent.proto"], cwd=tmp_path, check=True)
    both = (
        "import edge_agent_pb2 as theirs, edge_agent_pb2_grpc\n"
        "import edge_agent; edge_agent.Client\n"
        "from edge_agent.serving.rpc import edge_agent_pb2 as ours\n"
        "assert ours.DESCRIPTOR.serialized_pb == theirs.DESCRIPTOR.serialized_pb\n"
        "assert theirs.RUNNING == ours.RUNNING == 2\n"
    )
    for order in (both, "\n".join(sorted(both.splitlines(), key=lambda line: "theirs" in line or "assert" in line))):
        done = subprocess.run([sys.executable, "-c", order], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
