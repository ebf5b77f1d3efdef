"""The lifecycle as a table."""

from __future__ import annotations

import pytest

from edge_agent.serving.lifecycle.state import Event, Status, next_status
from edge_agent.serving.rpc import edge_agent_pb2 as pb2

ALLOWED = {
    (Status.STOPPED, Event.START): Status.STARTING,
    (Status.STARTING, Event.READY): Status.RUNNING,
    (Status.STARTING, Event.DIED): Status.FAILED,
    (Status.RUNNING, Event.STOP): Status.STOPPING,
    (Status.RUNNING, Event.DIED): Status.FAILED,
    (Status.STOPPING, Event.ENDED): Status.STOPPED,
    (Status.FAILED, Event.START): Status.STARTING,
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", Event)
def test_each_event_in_each_status(status: Status, event: Event) -> None:
    assert next_status(status, event) is ALLOWED.get((status, event))


def test_the_numbers_are_those_of_the_contract() -> None:
    assert {status.name: status.value for status in Status} == dict(pb2.ModelStatus.items())
