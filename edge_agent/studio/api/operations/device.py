"""The agent of this device: which models it serves, and which it is to serve."""

from __future__ import annotations

import msgspec

from edge_agent.studio.api.call import Call, Operation
from edge_agent.studio.api.operations.projects import Started
from edge_agent.studio.device import DeviceState
from edge_agent.studio.jobs import commissioning


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


def _shadow(call: Call) -> DeviceState:
    call.parts.device.shadow(call.body.project, call.body.version)
    return call.parts.device.state()


def _end_shadow(call: Call) -> DeviceState:
    call.parts.device.end_shadow(call.body.model)
    return call.parts.device.state()


def _compare(call: Call) -> Started:
    parts = call.parts
    number = commissioning.compare(parts.jobs, parts.device, call.body.model, parts.records.state)
    parts.nudge()
    return Started(number)


def _send(call: Call) -> Started:
    parts = call.parts
    number = commissioning.send(parts.store, parts.jobs, parts.device, call.body.model)
    parts.nudge()
    return Started(number)


OPERATIONS = (
    Operation("GetDevice", "GET", "/device", "viewer", "Say which models the agent of this device serves.", _state,
              answer=DeviceState),
    Operation("Deploy", "POST", "/device/deploy", "engineer", "Put a version where the agent finds it.", _deploy,
              body=Version, answer=DeviceState),
    Operation("StartModel", "POST", "/device/start", "engineer", "Start a model.", _start, body=Named,
              answer=DeviceState),
    Operation("StopModel", "POST", "/device/stop", "engineer", "Stop a model.", _stop, body=Named, answer=DeviceState),
    Operation("Shadow", "POST", "/device/shadow", "engineer",
              "Have a version judge the pictures of the one that is deployed; clients are told nothing of it.", _shadow,
              body=Version, answer=DeviceState),
    Operation("EndShadow", "POST", "/device/end-shadow", "engineer", "Have no other version judge any more.",
              _end_shadow, body=Named, answer=DeviceState),
    Operation("CompareShadow", "POST", "/device/compare", "operator",
              "Say where a model and its shadow differ: a job, whose comparison/index.html shows it.", _compare,
              body=Named, answer=Started),
    Operation("SendPictures", "POST", "/device/send", "engineer",
              "Send the pictures of a model's project to the agent, as a client on the line would.", _send, body=Named,
              answer=Started),
)  # fmt: skip
