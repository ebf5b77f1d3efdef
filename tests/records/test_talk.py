"""Topics: what a client calls something must not end the connection to a broker."""

from __future__ import annotations

import pytest

from edge_agent.records.events.event import Event, payload_of
from edge_agent.records.events.rules import Mqtt, parse_events
from edge_agent.records.events.talk import JsonTalk
from edge_agent.records.record import short_name
from tests.support.records import record


@pytest.mark.parametrize(
    ("station", "level"),
    [
        ("east", "east"),
        ("", "-"),
        ("a/b+c#", "a_b_c_"),
        ("a\x01\t\x1b[m\x7f\x85b", "a___[m__b"),
        ("größe 1", "größe 1"),
    ],
)
def test_a_station_is_one_level_that_every_broker_takes(station: str, level: str) -> None:
    (rule,) = parse_events([{"name": "plc", "sender": "mqtt", "host": "x", "topic": "{model}/{station}"}])
    assert isinstance(rule, Mqtt)
    (said,) = JsonTalk(rule, "d").tell(Event(1, payload_of(record(1, station=station), "d")))
    assert said.topic == f"echo/{level}"


def test_what_can_not_be_printed_is_not_kept_of_a_name() -> None:
    assert short_name("A-17 größe") == "A-17 größe"
    assert short_name("\x1b[2J\x00é\u202ex") == "?[2J?é?x"
    assert short_name("x" * 200) == "x" * 128
