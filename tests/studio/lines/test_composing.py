"""What the form asks becomes a file that is right, and that says what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.line.checking import check_text
from edge_agent.line.reading import values_of
from edge_agent.studio.lines.composing import NewLine, compose

ODD = 'sc"r\\atch\x7f\n[[pin]]'


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"source": "video", "place": "rtsp://10.0.0.2/1"}, {"kind": "video", "address": "rtsp://10.0.0.2/1"}),
        ({"source": "http", "port": 8080}, {"kind": "http", "port": 8080}),
        ({"source": "mqtt", "place": "broker", "topic": "a/#"}, {"kind": "mqtt", "host": "broker", "topic": "a/#"}),
        (
            {"source": "segment", "place": "/cam", "width": 64, "height": 48, "trigger": "interval", "interval_ms": 40},
            {"kind": "segment", "name": "/cam", "pixels": {"format": "Mono8", "width": 64, "height": 48}},
        ),
    ],
)
def test_each_source(source: dict[str, Any], said: dict[str, Any]) -> None:
    text = compose(NewLine(name="one", model="flange", **source))
    assert check_text(text) == []
    assert values_of(text)["source"] == said


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"trigger": "interval", "interval_ms": 40.5}, {"kind": "interval", "interval_ms": 40.5}),
        ({"trigger": "command", "delay_ms": 20}, {"kind": "command", "delay_ms": 20}),
        ({"trigger": "http", "trigger_port": 8081}, {"kind": "http", "port": 8081}),
        ({"trigger": "mqtt", "trigger_host": "b", "trigger_topic": "t"}, {"kind": "mqtt", "host": "b", "topic": "t"}),
    ],
)
def test_each_trigger(trigger: dict[str, Any], said: dict[str, Any]) -> None:
    text = compose(NewLine(name="one", model="flange", source="video", place="/dev/video0", **trigger))
    assert check_text(text) == []
    assert values_of(text)["trigger"] == said
    # Pictures of a folder are parts by themselves.
    assert "trigger" not in values_of(compose(NewLine(source="folder", **trigger)))


def test_everything_that_is_asked_is_said(tmp_path: Path) -> None:
    wanted = NewLine(
        name="one", place=str(tmp_path), model="flange", cycle_ms=1234567, look_below=0.55, reject_from=0.7,
        reject_coverage=0.00001, label=ODD, pin="file", reject_pin="/tmp/no", able_pin="/tmp/able", pulse_ms=80,
        events_file="/tmp/events", events_host="broker", events_topic="line/{verdict}", events_url="https://mes/x",
    )  # fmt: skip
    values = values_of(compose(wanted, "unix:///tmp/other.sock"))
    assert (values["socket"], values["cycle_ms"]) == ("unix:///tmp/other.sock", 1234567)
    assert values["rule"] == [
        {"verdict": "any", "confidence_below": 0.55, "outcome": "look"},
        {"confidence": 0.7, "coverage": 0.00001, "label": ODD, "outcome": "reject"},
        {"outcome": "look"},
    ]
    assert values["pin"] == [
        {"on": "able", "path": "/tmp/able"},
        {"on": "reject", "path": "/tmp/no", "pulse_ms": 80, "safe": 1},
    ]
    assert [event["sender"] for event in values["event"]] == ["file", "mqtt", "webhook"]
    assert {mistake.text.partition(" ")[0] for mistake in check_text(compose(wanted))} == {"cycle_ms"}
    wired = compose(
        NewLine(pin="chip", reject_pin="/dev/gpiochip0", reject_line="17", able_pin="/dev/x", able_line="A")
    )
    assert [(pin["on"], pin["line"]) for pin in values_of(wired)["pin"]] == [("able", "A"), ("reject", 17)]


def test_an_empty_form_names_what_is_missing() -> None:
    texts = [mistake.text for mistake in check_text(compose(NewLine(source="video")))]
    assert any(text.startswith("name is ''") for text in texts)
    assert any(text.startswith("model.name is ''") for text in texts)
    assert any(text.startswith("source.address is ''") for text in texts)
