"""The agent of this device: which models it serves, and which it is to serve."""

from __future__ import annotations

import msgspec

from edge_agent.studio.api.call import Call, Operation
from edge_agent.studio.device import DeviceState


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a project's model."""

    project: str
    version: str


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of the agent."""

    model: str


def _state(call: Call) -> DeviceState:
    return call.parts.device.state()


def _deploy(call: Call) -> DeviceState:
    device = call.parts.device
    device.deploy(call.body.project, call.body.version)
    return device.state()


def _start(call: Call) -> DeviceState:
    call.parts.device.start(call.body.model)
    return call.parts.device.state()


def _stop(call: Call) -> DeviceState:
    call.parts.device.stop(call.body.model)
    return call.parts.device.state()


OPERATIONS = (
    Operation("GetDevice", "GET", "/device", "viewer", "Say which models the agent of this device serves.", _state,
              answer=DeviceState),
    Operation("Deploy", "POST", "/device/deploy", "engineer", "Put a version where the agent finds it.", _deploy,
              body=Version, answer=DeviceState),
    Operation("StartModel", "POST", "/device/start", "engineer", "Start a model.", _start, body=Named,
              answer=DeviceState),
    Operation("StopModel", "POST", "/device/stop", "engineer", "Stop a model.", _stop, body=Named, answer=DeviceState),
)  # fmt: skip
