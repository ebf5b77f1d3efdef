"""Events through Greengrass IPC: the real SDK against a stand-in of the nucleus' socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import SettingsError
from edge_agent.records.events import delivery
from edge_agent.records.events.outbox import line_states
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from tests.support.daemon import wait_until
from tests.support.nucleus_ipc import Nucleus
from tests.support.records import record

pytest.importorskip("awsiot", reason="awsiotsdk is not installed")
pytestmark = pytest.mark.long


@pytest.fixture
def nucleus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nucleus]:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.2)
    made = Nucleus(tmp_path / "ipc.socket")
    monkeypatch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", str(tmp_path / "ipc.socket"))
    monkeypatch.setenv("SVCUID", made.token)
    yield made
    made.close()


def post_to(folder: Path, **table: Any) -> Post:
    return Post(folder, parse_events([{"name": "cloud", "sender": "greengrass", **table}]), "press-7")


def test_a_verdict_goes_to_iot_core_at_qos_1(tmp_path: Path, nucleus: Nucleus) -> None:
    post = post_to(tmp_path)
    post.take([record(number, anomalous=number == 2) for number in range(1, 151)])
    wait_until(lambda: len(nucleus.published) == 150, "all are published")
    wait_until(lambda: not line_states(tmp_path)[0].waiting, "they are taken out")
    post.close()
    name, told = nucleus.published[1]
    assert name == "aws.greengrass#PublishToIoTCore"
    assert (told["topicName"], told["qos"]) == ("edge-agent/press-7/echo", "1")
    assert json.loads(base64.b64decode(told["payload"]))["verdict"] == "anomalous"
    ids = [json.loads(base64.b64decode(told["payload"]))["id"] for _, told in nucleus.published]
    assert ids == list(range(1, 151))


def test_a_verdict_goes_to_components_on_the_device(tmp_path: Path, nucleus: Nucleus) -> None:
    post = post_to(tmp_path, to="local", topic="verdicts/{model}/{station}")
    post.take([record(1, station="east")])
    wait_until(lambda: nucleus.published, "it is published")
    post.close()
    name, told = nucleus.published[0]
    assert (name, told["topic"]) == ("aws.greengrass#PublishToTopic", "verdicts/echo/east")
    assert json.loads(base64.b64decode(told["publishMessage"]["binaryMessage"]["message"]))["id"] == 1


def test_a_nucleus_that_refuses_is_named_and_one_that_was_restarted_gets_what_waited(
    tmp_path: Path, nucleus: Nucleus
) -> None:
    nucleus.refusing = "UnauthorizedError"
    post = post_to(tmp_path)
    post.take([record(1)])
    wait_until(
        lambda: "refused the event: UnauthorizedError not allowed" in line_states(tmp_path)[0].problem, "it says why"
    )
    nucleus.refusing = ""
    wait_until(lambda: len(nucleus.published) == 1, "it is published")
    wait_until(lambda: not line_states(tmp_path)[0].waiting, "it is taken out")
    nucleus.hang_up()
    post.take([record(2)])
    wait_until(lambda: not line_states(tmp_path)[0].waiting, "the next one is taken, too")
    post.close()


def test_outside_of_a_component_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SVCUID", raising=False)
    monkeypatch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "/nowhere")
    post = post_to(tmp_path)
    wait_until(lambda: "SVCUID is not set" in line_states(tmp_path)[0].problem, "it says why")
    post.close()
    monkeypatch.setattr("edge_agent.records.events.rules.is_installed", lambda _: False)
    with pytest.raises(SettingsError, match="needs the package awsiotsdk"):
        post_to(tmp_path)
