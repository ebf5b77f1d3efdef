"""The trigger of a line."""

from __future__ import annotations

from edge_agent.line.outputs.telling import line_folder
from edge_agent.line.sources.inbox import Inbox
from edge_agent.line.tables.sources import Video
from edge_agent.line.tables.triggers import Command, EveryFrame, HttpTrigger, Input, Interval
from edge_agent.line.tables.whole import Line
from edge_agent.line.triggers.choosing import Choosing, Clocked, Gate, Listener

_MOST_BYTES = 1 << 16


def open_trigger(line: Line, inbox: Inbox) -> Choosing:
    """Open what the line's table `trigger` names; every frame is a part where there is none."""
    table = line.trigger
    if table is None or isinstance(table, EveryFrame):
        return Clocked(line.source.interval_ms / 1000 if isinstance(line.source, Video) else 0.0)
    if isinstance(table, Interval):
        return Clocked(table.interval_ms / 1000)

    def listen(gate: Gate) -> Listener:
        if isinstance(table, Input):
            from edge_agent.line.listening.edge import EdgeListener

            return EdgeListener(table, gate.fire)
        if isinstance(table, HttpTrigger):
            from edge_agent.line.listening.http import HttpDoor

            return HttpDoor(table, lambda name, _, answer: gate.fire(name, answer), _MOST_BYTES)
        if isinstance(table, Command):
            from edge_agent.line.listening.command import CommandDoor

            return CommandDoor(line_folder(line), lambda name, answer: gate.fire(name.strip(), answer))
        from edge_agent.line.listening.mqtt import MqttListener

        def heard(_: str, payload: bytes) -> None:
            gate.fire(payload.decode(errors="replace").strip())

        return MqttListener(table, f"edge-agent-line-{line.name}", heard)

    return Gate(table.delay_ms / 1000, inbox, listen)
