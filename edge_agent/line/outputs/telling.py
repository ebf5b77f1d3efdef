"""What a line tells: an event for each part and for each change of its ability, through the outbox of the events."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.line.inspecting import Inspected
from edge_agent.line.tables.whole import Line
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from edge_agent.records.span import utc_text
from edge_agent.settings import default_state_dir


def line_folder(line: Line) -> Path:
    """Give the folder of what a line has to remember."""
    return Path(default_state_dir()) / "lines" / line.name


def event_tables(line: Line) -> list[dict[str, Any]]:
    """Give the `[[event]]` tables, those of MQTT with names of the line's own.

    The daemon and other lines of the device may tell the same broker, in tables of the same name.
    """
    own = {
        "client_id": f"edge-agent-{{device}}-{line.name}-{{name}}",
        "available": f"edge-agent/{{device}}/{line.name}/available",
        "node": f"{{device}}-{line.name}",
    }
    return [{**own, **table} if table.get("sender") == "mqtt" else table for table in line.event]


class Telling:
    """The events of one line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._device = line.device_name or socket.gethostname()
        self._rules = parse_events(event_tables(line))
        self._post = Post(line_folder(line), self._rules, self._device)
        self._last = 0

    def part(self, name: str, found: Inspected) -> Mapping[str, object]:
        """Tell of a part that was inspected; return what was told."""
        decision, detection = found.decision, found.detection
        said: dict[str, object] = {
            "verdict": "anomalous" if detection.is_anomalous else "normal",
            "anomaly_score": detection.score,
            "anomaly_threshold": detection.threshold,
            "confidence": detection.confidence,
            "areas": {area.label: area.fraction for area in detection.areas[1:]},
            "milliseconds": round(found.milliseconds, 3),
        }
        if found.models:
            said["models"] = [
                {
                    "model": model,
                    "verdict": "anomalous" if one.is_anomalous else "normal",
                    "anomaly_score": one.score,
                    "anomaly_threshold": one.threshold,
                    "confidence": one.confidence,
                }
                for model, one in found.models
            ]
        return self._tell(name, decision.outcome, decision.reason, said, said["verdict"])

    def not_inspected(self, name: str, outcome: str, reason: str) -> Mapping[str, object]:
        """Tell of a part that was not inspected (`failed`), or that came while there was no room (`early`)."""
        return self._tell(name, outcome, reason, {"verdict": ""}, "anomalous")

    def _tell(
        self, name: str, outcome: str, reason: str, said: Mapping[str, object], counts_as: object
    ) -> Mapping[str, object]:
        """Put an event into the lines of the rules that want it: what isn't known to be normal counts as anomalous."""
        told = self._about({"outcome": outcome, "reason": reason, "part_id": name, **said})
        payload = b""
        payloads: dict[str, list[bytes]] = defaultdict(list)
        for rule in self._rules:
            if rule.verdicts not in ("all", counts_as) or not self._concerns(rule.models, rule.stations):
                continue
            payload = payload or msgspec.json.encode(told)
            payloads[rule.name].append(payload)
        self._post.put(payloads)
        return told

    def state(self, able: bool, text: str) -> None:
        """Tell that the line can inspect again, or that it can't, and why."""
        payloads: dict[str, list[bytes]] = defaultdict(list)
        for rule in self._rules:
            if rule.notices and self._concerns(rule.models, rule.stations):
                state = "able" if able else "not able"
                said = {"kind": "line", "state": state, "text": text, "verdict": ""}
                payloads[rule.name].append(msgspec.json.encode(self._about(said)))
        self._post.put(payloads)

    def _concerns(self, models: tuple[str, ...], stations: tuple[str, ...]) -> bool:
        return (not models or not {model.name for model in self._line.model}.isdisjoint(models)) and (
            not stations or self._line.name in stations
        )

    def _about(self, said: Mapping[str, object]) -> Mapping[str, object]:
        now = time.time_ns() // 1000
        self._last = max(now, self._last + 1)
        about = {"id": self._last, "time": utc_text(now), "device": self._device, "line": self._line.name}
        return {**about, "model": self._line.model_name, "station": self._line.name, **said}

    def close(self) -> None:
        """End sending; what is left is sent the next time."""
        self._post.close()
