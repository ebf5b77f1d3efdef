"""Who may start and stop models, which is not everybody who may send pictures."""

from __future__ import annotations

import asyncio
import os

from edge_agent.access.names import describe_user, group_id
from edge_agent.access.peer import ROOT, Peer
from edge_agent.errors import NotPermitted


class Control:
    """The permission to start and stop models, as the setting control_group has it."""

    def __init__(self, group: str) -> None:
        """Give it to root, this process's user and the members of `group`; to all who connect where that is empty.

        Raises:
            SettingsError: there is no such group.
        """
        self._name, self._group = group, group_id("control_group", group)
        self._users = (ROOT, os.geteuid())

    async def check(self, peer: Peer, call: str) -> None:
        """Raise NotPermitted, which names the user and the call, unless the peer may make it."""
        if may_control(peer, self._group, self._users):
            return
        user = await asyncio.to_thread(describe_user, peer.uid)
        raise NotPermitted(
            f"{user} may not call {call}, expected root, the agent's user or a member of the group '{self._name}'"
        )


def may_control(peer: Peer, group: int | None, users: tuple[int, ...]) -> bool:
    """Tell whether a peer is one of `users`, or in `group`; a group of None is everybody's."""
    return group is None or peer.uid in users or group in peer.groups
