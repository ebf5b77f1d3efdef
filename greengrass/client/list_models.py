"""The sample client: wait for the agent, print its models, start those that are stopped.

Begin here with an application of your own. The stubs beside this file are made of proto/edge-agent.proto; those that an
application for the Lookout for Vision Edge Agent already has will do.
"""

from __future__ import annotations

import os

import edge_agent_pb2 as pb2
import grpc
from edge_agent_pb2_grpc import EdgeAgentStub

SOCKET = os.environ.get("EDGE_AGENT_SOCKET", "unix:///tmp/aws.iot.lookoutvision.EdgeAgent.sock")
PATIENCE = 120.0  # seconds; the agent may still be starting when this component is


def main() -> None:
    """List the models."""
    with grpc.insecure_channel(SOCKET) as channel:
        stub = EdgeAgentStub(channel)
        # wait_for_ready: the socket need not be there yet.
        answer = stub.ListModels(pb2.ListModelsRequest(), wait_for_ready=True, timeout=PATIENCE)
        for model in answer.models:
            print(f"Model Details {model}", flush=True)
            if model.status == pb2.STOPPED:
                stub.StartModel(pb2.StartModelRequest(model_component=model.model_component))


if __name__ == "__main__":
    main()
