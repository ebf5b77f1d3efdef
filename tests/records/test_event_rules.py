"""Tables of events: what is wrong with one, and which verdicts go where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import SettingsError
from edge_agent.records.events.rules import Mqtt, parse_events
from tests.support.commands import run
from tests.support.records import record, rules

_FILE = {"sender": "file", "path": "/x"}
_HOOK = {"sender": "webhook", "url": "http://x"}
_MQTT = {"sender": "mqtt", "host": "x"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "event 'a': sender is '', expected one of file, datagram, pipe, gpio, webhook, mqtt, greengrass"),
        ({"sender": "file"}, "event 'a': key 'path' is missing"),
        (_FILE | {"name": 7}, "event number 1: Expected 'str', got 'int' at key 'name'"),
        ({"sender": "file", "pth": "/x"}, "event 'a': 'pth' is not a key of it; did you mean 'path'?"),
        (_FILE | {"path": "/"}, "event 'a': path '/' is a folder, expected the name of a file in it"),
        (_MQTT | {"host": "h:1883"}, "event 'a': host 'h:1883' is not one, expected a name or an address alone"),
        (_MQTT | {"host": "mqtt://h"}, "event 'a': host 'mqtt://h' is not one"),
        (_MQTT | {"host": "h" * 64}, f"event 'a': host '{'h' * 64}' is not one"),
        (_HOOK | {"url": f"http://{'h' * 64}/"}, f"event 'a': url 'http://{'h' * 64}/' is not one"),
        (_MQTT | {"version": 5}, 'event \'a\': version is 5, expected one of "5", "3.1.1"'),
        (_MQTT | {"topic": "{"}, "event 'a': topic '{' is not one"),
        (_MQTT | {"topic": "{model!r}"}, "event 'a': topic '{model!r}' is not one"),
        (_MQTT | {"topic": ""}, "event 'a': topic '' is not one"),
        (_MQTT | {"topic": "a\nb"}, "event 'a': topic 'a\\nb' is not one"),
        (_MQTT | {"tls": True, "ca_file": "/dev/null"}, "event 'a': ca_file '/dev/null' is not in the PEM format"),
        (_MQTT | {"user": "u", "password_file": "/dev/null"}, "event 'a': password_file '/dev/null' is empty"),
        (_MQTT | {"password_file": "/x"}, "event 'a': password_file is given, and no user"),
        (_HOOK | {"url": "http://h:99999/"}, "event 'a': url 'http://h:99999/' is not one such as https://"),
        (_HOOK | {"url": "http://h/a b"}, "event 'a': url 'http://h/a b' is not one"),
        (_HOOK | {"url": "http://u:secret@h/"}, "event 'a': url names a user, which a webhook does not send"),
        (_HOOK | {"secret_file": "/dev/null"}, "event 'a': secret_file '/dev/null' is empty"),
        (_FILE | {"path": "x"}, "event 'a': path 'x' does not begin with /"),
        (_FILE | {"colour": 1}, "event 'a': 'colour' is not a key of it, expected one of name, "),
        (_FILE | {"verdicts": "bad"}, "event 'a': verdicts is 'bad', expected one of \"all\", \"anomalous\","),
        (_FILE | {"name": "a b"}, "event 'a b': name is 'a b', expected 1 to 64 letters, digits, - and _"),
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


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (_FILE, "path '/x' is that of event 'a' already"),
        (
            _MQTT | {"client_id": "{device}", "host": "X."},
            "client_id '{device}' at x:1883 is that of event 'a' already",
        ),
        (
            _MQTT | {"payload": "sparkplug"},
            "node '{device}' of group 'edge-agent' at x:1883 is that of event 'a' already",
        ),
    ],
)
def test_what_only_one_can_have_is_not_given_to_two(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_events([{"name": "a", **table}, {"name": "b", **table}])
    assert str(caught.value) == f"event 'b': {said}"


def test_the_first_of_a_broker_alone_says_whether_the_device_is_there() -> None:
    tables: list[dict[str, Any]] = [
        {"name": "spark", **_MQTT, "payload": "sparkplug"},
        {"name": "a", **_MQTT},
        {"name": "b", **_MQTT},
        {"name": "own", **_MQTT, "available": "lamp/{device}"},
        {"name": "elsewhere", "sender": "mqtt", "host": "y"},
        {"name": "silent", "sender": "mqtt", "host": "z", "available": ""},
    ]
    usual = "edge-agent/{device}/available"
    found = [rule.available for rule in parse_events(tables)[1:] if isinstance(rule, Mqtt)]
    assert found == [usual, "", "lamp/{device}", usual, ""]


def test_serve_says_it_at_the_start(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[event]]\nname = "plc"\nsender = "mqtt"\n')
    done = run("serve", "--config", config, "--socket", f"unix://{tmp_path}/s", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "event 'plc': key 'host' is missing" in done.stderr


def test_rules_say_which_verdicts_go_where() -> None:
    (rule,) = rules(sender="file", path="/x", verdicts="anomalous", models=["echo"], stations=["east"])
    assert rule.wants(record(1, anomalous=True, station="east"))
    assert not rule.wants(record(1, station="east"))
    assert not rule.wants(record(1, anomalous=True, station="west"))
    assert not rule.wants(record(1, anomalous=True, station="east", model="other"))
