"""Who may start and stop models: a table, and the sentence of a refusal."""

from __future__ import annotations

import asyncio
import os

import pytest

from edge_agent.access.control import Control, may_control
from edge_agent.access.names import describe_user, group_id
from edge_agent.access.peer import UNKNOWN, Peer
from edge_agent.errors import NotPermitted, SettingsError

AGENT, OTHER, GROUP = 64000, 64001, 64010


@pytest.mark.parametrize(
    ("peer", "group", "allowed"),
    [
        (Peer(OTHER, (OTHER,)), None, True),
        (Peer(UNKNOWN, ()), None, True),
        (Peer(0, (0,)), GROUP, True),
        (Peer(AGENT, (AGENT,)), GROUP, True),
        (Peer(OTHER, (GROUP,)), GROUP, True),
        (Peer(OTHER, (OTHER, 1, GROUP)), GROUP, True),
        (Peer(OTHER, (OTHER, 0, AGENT)), GROUP, False),
        (Peer(GROUP, (OTHER,)), GROUP, False),
        (Peer(OTHER, ()), GROUP, False),
        (Peer(OTHER, (OTHER,)), 0, False),
        (Peer(UNKNOWN, ()), GROUP, False),
    ],
)
def test_root_the_agents_user_and_the_members(peer: Peer, group: int | None, allowed: bool) -> None:
    assert may_control(peer, group, (0, AGENT)) is allowed


def _refusal(control: Control, peer: Peer) -> str:
    with pytest.raises(NotPermitted) as refused:
        asyncio.run(control.check(peer, "StopModel"))
    return str(refused.value)


def test_a_refusal_names_the_user_the_call_and_the_group() -> None:
    control = Control(str(GROUP))
    expected = "may not call StopModel, expected root, the agent's user or a member of the group '64010'"
    stranger = os.geteuid() + 3_000_000_000  # no name belongs to it
    assert _refusal(control, Peer(stranger, ())) == f"user {stranger} {expected}"
    assert _refusal(control, Peer(UNKNOWN, ())) == f"a user of another namespace {expected}"
    asyncio.run(control.check(Peer(os.geteuid(), ()), "StopModel"))
    asyncio.run(Control("").check(Peer(stranger, ()), "StopModel"))


def test_users_and_groups_by_name_and_number() -> None:
    assert describe_user(0) == "user 'root' (0)"
    assert group_id("control_group", "root") == group_id("control_group", "0") == 0
    assert group_id("control_group", "") is None


@pytest.mark.parametrize("group", ["no-such-group", "-1", "²", "4294967295", " "])
def test_what_is_no_group(group: str) -> None:
    with pytest.raises(SettingsError, match=f"^control_group '{group}' is not a group of this device$"):
        group_id("control_group", group)
