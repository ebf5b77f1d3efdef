"""A client asks for a component that has just been deployed, and finds it, however seldom the folders are looked at."""

from __future__ import annotations

from pathlib import Path

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import running_daemon
from tests.support.fakes import write_echo


def test_what_has_just_come_is_known_to_every_call(tmp_path: Path) -> None:
    with running_daemon(tmp_path, "--scan-seconds", "600") as daemon:
        write_echo(daemon.models, "one")
        assert list(daemon.stub.listed()) == ["one"]
        write_echo(daemon.models, "two")
        assert daemon.stub.describe("two").status == pb2.STOPPED
        write_echo(daemon.models, "three")
        assert daemon.stub("StartModel", pb2.StartModelRequest(model_component="three")).status == pb2.STARTING
        write_echo(daemon.models, "four")
        code, _ = daemon.stub.refusal("DetectAnomalies", pb2.DetectAnomaliesRequest(model_component="four"))
        assert code == "FAILED_PRECONDITION", "it is there, and not running"
        many = [daemon.stub.later("ListModels", pb2.ListModelsRequest()) for _ in range(50)]
        assert all(len(call.result().models) == 4 for call in many)
