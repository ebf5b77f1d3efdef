"""The version of a model: for who asks, and nothing for who knows only the published contract."""

from __future__ import annotations

from edge_agent.client.client import Client
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.versions import asking, version_of
from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import write_echo


def test_the_version_that_is_served(daemon: Daemon) -> None:
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("echo")
    with Client(daemon.socket) as client:
        assert [(model.name, model.version) for model in client.models()] == [("echo", "1.0.0")]
        write_echo(daemon.models, version="1.1.0")
        wait_until(lambda: client.describe("echo").version == "1.1.0", "it has changed over")
        assert client.models()[0].version == "1.1.0"


def test_who_does_not_ask_gets_the_contract_alone(serving: Daemon) -> None:
    listed = serving.stub("ListModels", pb2.ListModelsRequest()).SerializeToString()
    known = pb2.ListModelsResponse.FromString(listed)
    known.DiscardUnknownFields()
    assert known.SerializeToString() == listed
    described = serving.stub("DescribeModel", asking(pb2.DescribeModelRequest(model_component="echo")))
    assert version_of(described.model_description) == "1.0.0"
    assert version_of(serving.stub.describe("echo")) == ""
