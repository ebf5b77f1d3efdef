"""The client of gRPC for Node.js against the agent: a model's life on a stream, and a stream in both directions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import SERVICE
from tests.support.daemon import PATIENCE, running_daemon
from tests.support.fakes import write_echo

_MODULES = Path(sys.prefix) / "node" / "node_modules"
_PROGRAM = """
const grpc = require('@grpc/grpc-js'), loader = require('@grpc/proto-loader'), fs = require('fs');
const [, , address, descriptors] = process.argv;
const loaded = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(descriptors), { enums: String, keepCase: true });
const services = grpc.loadPackageDefinition(loaded), plain = grpc.credentials.createInsecure();
const say = (what, value) => console.log(JSON.stringify([what, value]));
const health = new services.grpc.health.v1.Health(address, plain);
const agent = new services.AWS.LookoutVision.EdgeAgent(address, plain);
const reflection = new services.grpc.reflection.v1alpha.ServerReflection(address, plain);
health.Check({ service: '' }, (error, answer) => {
  say('check', error ? error.code : answer.status);
  agent.StartModel({ model_component: 'none' }, (refused) => {
    say('refused', refused.code);
    const asking = reflection.ServerReflectionInfo();
    asking.on('data', (answer) => {
      if (answer.list_services_response) {
        say('services', answer.list_services_response.service.map((service) => service.name));
        asking.write({ file_containing_symbol: 'AWS.LookoutVision.EdgeAgent' });
      } else {
        say('files', answer.file_descriptor_response.file_descriptor_proto.length);
        asking.end();
      }
    });
    asking.on('end', () => {
      const watch = health.Watch({ service: 'model/echo' });
      watch.on('data', (answer) => {
        say('watch', answer.status);
        if (answer.status === 'NOT_SERVING') agent.StartModel({ model_component: 'echo' }, () => {});
        else watch.cancel();
      });
      watch.on('error', (error) => {
        say('ended', error.code);
        for (const client of [health, agent, reflection]) client.close();
      });
    });
    asking.write({ list_services: '' });
  });
});
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("node") is None or not _MODULES.exists(),
        reason=f"needs Node.js with @grpc/grpc-js and @grpc/proto-loader in {_MODULES}",
    ),
]


def test_health_and_reflection_for_node(tmp_path: Path) -> None:
    files = FileDescriptorSet()
    for module in (health_pb2, reflection_pb2, pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    (tmp_path / "descriptors").write_bytes(files.SerializeToString())
    program = _MODULES.parent / "health.js"  # modules are looked for from where a program lies
    program.write_text(_PROGRAM)
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path) as daemon:
        command = ["node", str(program), daemon.socket, str(tmp_path / "descriptors")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as node:
            try:
                assert node.stdout is not None
                told = _read(node.stdout)
                assert node.wait(PATIENCE) == 0
            finally:
                node.kill()
    assert told[:2] == [["check", "SERVING"], ["refused", 5]]
    assert told[2][0] == "services"
    assert {SERVICE.full_name, "grpc.health.v1.Health"} <= set(told[2][1])
    assert told[3] == ["files", 1]
    assert told[4:] == [["watch", "NOT_SERVING"], ["watch", "SERVING"], ["ended", 1]]


def _read(lines: IO[str]) -> list[list[Any]]:
    return [json.loads(line) for line in lines]
