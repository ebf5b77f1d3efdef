"""What a line tells of its parts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from edge_agent.client.detection import Detection
from edge_agent.inference.decision import Decision
from edge_agent.inference.verdict import Area
from edge_agent.line.inspecting import Inspected
from edge_agent.line.outputs.telling import Telling, event_tables
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import Folder
from edge_agent.line.tables.whole import Line
from edge_agent.records.events.rules import Mqtt, parse_events
from tests.support.daemon import wait_until


def test_a_table_of_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    path = tmp_path / "parts.csv"
    line = Line(
        name="flange",
        source=Folder(kind="folder", path="/in"),
        model=(Model(name="a"), Model(name="b")),
        device_name="device-1",
        event=({"name": "table", "sender": "file", "path": str(path), "format": "csv"},),
    )
    areas = (Area("background", "#FFFFFF", 0.9), Area("scratch", "#FF0000", 0.1))
    bad = Detection(True, 0.9, 0.9, 0.5, areas, None)
    good = Detection(False, 0.8, 0.2, 0.5, (), None)
    picture = np.zeros((1, 1, 3), np.uint8)
    telling = Telling(line)
    telling.part("4711", Inspected(picture, bad, (("a", bad), ("b", good)), Decision("reject", "bad"), 3.14159))
    telling.not_inspected("4712", "failed", "the picture is black")
    wait_until(lambda: path.exists() and path.read_text().count("\n") == 3, "both are written")
    telling.close()
    first, second = csv.DictReader(path.read_text().splitlines())
    assert (first["line"], first["model"], first["device"]) == ("flange", "a+b", "device-1")
    assert (first["part_id"], first["outcome"], first["verdict"], first["areas"]) == (
        "4711", "reject", "anomalous", "scratch=0.1"
    )  # fmt: skip
    assert (first["models"], first["milliseconds"]) == ("a=0.9;b=0.2", "3.142")
    assert (second["outcome"], second["reason"], second["anomaly_score"]) == ("failed", "the picture is black", "")


def test_lines_and_the_daemon_are_different_clients_of_one_broker() -> None:
    table = {"name": "mes", "sender": "mqtt", "host": "x"}
    found = []
    for name in ("east", "west"):
        made = Folder(kind="folder", path="/in")
        line = Line(name=name, source=made, model=(Model(name="a"),), event=(table, table | {"available": "own"}))
        rules = [rule for one in event_tables(line) for rule in parse_events([one]) if isinstance(rule, Mqtt)]
        found.append([(rule.client_of("d"), rule.available, rule.node) for rule in rules])
    assert found == [
        [(f"edge-agent-d-{name}-mes", available, f"{{device}}-{name}") for available in (topic, "own")]
        for name, topic in (
            ("east", "edge-agent/{device}/east/available"),
            ("west", "edge-agent/{device}/west/available"),
        )
    ]
