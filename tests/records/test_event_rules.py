"""Tables of events: what is wrong with one, and which verdicts go where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import SettingsError
from edge_agent.records.events.rules import parse_events
from tests.support.commands import run
from tests.support.records import record, rules

_FILE = {"sender": "file", "path": "/x"}
_HOOK = {"sender": "webhook", "url": "http://x"}
_MQTT = {"sender": "mqtt", "host": "x"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "event 'a': sender is '', expected one of file, datagram, pipe, gpio, webhook, mqtt, greengrass"),
        ({"sender": "file"}, "event 'a': Object missing required field 'path'"),
        (_FILE | {"name": 7}, "event number 1: Expected 'str', got 'int' at key 'name'"),
        (_FILE | {"path": "x"}, "event 'a': path 'x' does not begin with /"),
        (_FILE | {"colour": 1}, "event 'a': Object contains unknown field 'colour'"),
        (_FILE | {"verdicts": "bad"}, "event 'a': Invalid enum value 'bad' at key 'verdicts'"),
        (_FILE | {"name": "a b"}, "event 'a b': Expected 'str' matching regex"),
        (_HOOK | {"url": "ftp://x"}, "event 'a': url 'ftp://x' is not one such as https://"),
        (_HOOK | {"secret_file": "/no"}, "event 'a': /no can't be read: No such file"),
        (_FILE | {"verdicts": "none"}, "event 'a': verdicts is \"none\" and notices is false"),
        (_FILE | {"format": "csv", "notices": True}, 'a file of format "csv" has columns for verdicts alone'),
        (_MQTT | {"payload": "sparkplug", "notices": True}, 'the payload "sparkplug" has metrics for verdicts alone'),
        (_MQTT | {"topic": "a/#"}, "event 'a': topic 'a/#' is not one"),
        (_MQTT | {"topic": "{part}"}, "only {device}, {model}, {verdict}, {station} to fill in"),
        (_MQTT | {"ca_file": "/x"}, "event 'a': ca_file, cert_file and key_file need tls = true"),
        (_MQTT | {"port": 70000}, "event 'a': Expected 'int' <= 65535 at key 'port'"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_clear_sentence(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_events([{"name": "a", **table}])
    assert said in str(caught.value)


def test_names_differ() -> None:
    with pytest.raises(SettingsError, match="event 'a': there are two of that name"):
        parse_events([{"name": "a", **_FILE}, {"name": "a", **_HOOK}])


def test_serve_says_it_at_the_start(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[event]]\nname = "plc"\nsender = "mqtt"\n')
    done = run("serve", "--config", config, "--socket", f"unix://{tmp_path}/s", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "event 'plc': Object missing required field 'host'" in done.stderr


def test_rules_say_which_verdicts_go_where() -> None:
    (rule,) = rules(sender="file", path="/x", verdicts="anomalous", models=["echo"], stations=["east"])
    assert rule.wants(record(1, anomalous=True, station="east"))
    assert not rule.wants(record(1, station="east"))
    assert not rule.wants(record(1, anomalous=True, station="west"))
    assert not rule.wants(record(1, anomalous=True, station="east", model="other"))
