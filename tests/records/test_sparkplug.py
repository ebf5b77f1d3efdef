"""Sparkplug B: births before data, sequence numbers, rebirth; read by a decoder of its own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_agent.errors import SettingsError
from edge_agent.records.events.event import Event, payload_of
from edge_agent.records.events.rules import Mqtt, parse_events
from edge_agent.records.events.sparkplug import SparkplugTalk
from tests.support.records import record
from tests.support.sparkplug import read, rebirth_command

INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12


def talk(folder: Path | None = None, **table: object) -> SparkplugTalk:
    (rule,) = parse_events([{"name": "scada", "sender": "mqtt", "host": "x", "payload": "sparkplug", **table}])
    assert isinstance(rule, Mqtt)
    return SparkplugTalk(rule, "press/7", folder)


def event(number: int, **changes: object) -> Event:
    now = time.time_ns() // 1000
    return Event(number, payload_of(record(now + number, **changes), "press/7"))


def test_a_death_belongs_to_its_birth_and_the_next_connection_has_the_next_number() -> None:
    made = talk(group="plant")
    deaths = [read(made.will().payload), read(made.will().payload)]
    assert made.will().topic == "spBv1.0/plant/NDEATH/press_7"
    numbers = [death.metrics["bdSeq"] for death in deaths]
    assert (numbers[0] + 1) % 256 == numbers[1]
    assert [death.seq for death in deaths] == [None, None]
    (birth,) = made.hello()
    assert (birth.topic, birth.qos, birth.retain) == ("spBv1.0/plant/NBIRTH/press_7", 0, False)
    told = read(birth.payload)
    assert told.metrics == {"bdSeq": (numbers[1] + 1) % 256, "Node Control/Rebirth": False}
    assert told.seq == 0
    assert abs(told.timestamp / 1000 - time.time()) < 600


def test_the_number_of_the_connection_rises_across_restarts(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        made = talk(folder=tmp_path)
        numbers += [read(made.will().payload).metrics["bdSeq"] for _ in range(2)]
    assert numbers == [0, 1, 2, 3, 4, 5]
    (tmp_path / "sparkplug-scada").write_text("255\n")
    assert read(talk(folder=tmp_path).will().payload).metrics["bdSeq"] == 0
    (tmp_path / "sparkplug-scada").write_text("nonsense")
    assert read(talk(folder=tmp_path).will().payload).metrics["bdSeq"] == 0
    assert read(talk(folder=tmp_path / "gone").will().payload).metrics["bdSeq"] == 0


def test_what_a_host_has_not_heard_of_is_born_before_it_is_told() -> None:
    made = talk()
    made.will()
    made.hello()
    first = made.tell(event(1, anomalous=True, score=1, areas={"crack": 0.25}))
    second = made.tell(event(2))
    third = made.tell(event(3, anomalous=True, areas={"dent": 0.5}))
    assert [message.topic.split("/")[2] for message in (*first, *second, *third)] == [
        "DBIRTH", "DDATA", "DDATA", "DBIRTH", "DDATA",
    ]  # fmt: skip
    assert {message.topic for message in first} == {
        f"spBv1.0/edge-agent/{kind}/press_7/echo" for kind in ("DBIRTH", "DDATA")
    }
    assert [read(message.payload).seq for message in (*first, *second, *third)] == [1, 2, 3, 4, 5]
    born, data = (read(message.payload) for message in first)
    assert born.metrics == data.metrics
    assert data.metrics["verdict"] == "anomalous" and data.types["verdict"] == STRING
    assert data.metrics["anomaly_score"] == 1.0 and data.types["anomaly_score"] == DOUBLE
    assert data.metrics["areas/crack"] == 0.25
    assert data.types["id"] == INT64 and data.metrics["id"] > 1e15
    assert read(third[0].payload).metrics.keys() >= {"areas/crack", "areas/dent"}  # all that there ever was


def test_sequence_numbers_go_from_255_to_0() -> None:
    made = talk()
    made.will()
    made.hello()
    numbers = [read(message.payload).seq for number in range(300) for message in made.tell(event(number))]
    assert numbers == [(number + 1) % 256 for number in range(301)]


def test_a_host_may_ask_for_all_births_again() -> None:
    made = talk()
    made.will()
    made.hello()
    made.tell(event(1))
    made.tell(event(2, model="lids"))
    assert made.commands == "spBv1.0/edge-agent/NCMD/press_7"
    born = made.obey(rebirth_command())
    assert [message.topic for message in born] == [
        "spBv1.0/edge-agent/NBIRTH/press_7", "spBv1.0/edge-agent/DBIRTH/press_7/echo",
        "spBv1.0/edge-agent/DBIRTH/press_7/lids",
    ]  # fmt: skip
    assert [read(message.payload).seq for message in born] == [0, 1, 2]
    assert made.obey(b"no protobuf") == made.obey(b"") == []


def test_what_waited_for_the_broker_is_history() -> None:
    made = talk()
    made.will()
    made.hello()
    old = Event(1, payload_of(record(time.time_ns() // 1000 - 3_600_000_000), "press/7"))
    data = read(made.tell(old)[1].payload)
    assert data.history == data.metrics.keys()
    assert not read(made.tell(event(2))[0].payload).history


def test_a_group_is_one_level_of_a_topic() -> None:
    with pytest.raises(SettingsError, match="group 'a/b' is not one"):
        talk(group="a/b")
