"""Who is at the other end, as the kernel says: of real sockets, from processes of real users."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge_agent.access.namespace import knows_all_ids
from edge_agent.access.peer import own_peer, read_peer
from tests.support.users import User, common_folder, prefix, resident

CONNECT = (
    "import socket, sys\n"
    "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
    "print('connected', flush=True); sys.stdin.read()\n"
)
#: prints what a connection and a file of somebody else look like where only root is known
LOOK = (
    "import os, socket, sys\n"
    "from edge_agent.access.files import may_open\n"
    "from edge_agent.access.peer import read_peer\n"
    "peer, status = read_peer(socket.socket(fileno=int(sys.argv[1]))), os.stat(sys.argv[2])\n"
    "print(peer.uid, peer.groups, status.st_uid, status.st_gid, may_open(peer, status, write=False))\n"
)


@contextlib.contextmanager
def _connected(user: User) -> Iterator[socket.socket]:
    """Give the accepted end of a connection that `user` has made."""
    prefix(user)
    with common_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = folder / "socket"
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        with resident(user, CONNECT, str(path)):
            connection, _ = listener.accept()
            with connection:
                yield connection


def test_this_process_seen_from_outside() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert read_peer(ours) == own_peer()
        assert own_peer().uid == os.geteuid()
        assert own_peer().groups[0] == os.getegid()


def test_another_user_with_groups() -> None:
    with _connected(User(64001, 64002, (64003, 64002, 64004))) as connection:
        peer = read_peer(connection)
        assert (peer.uid, peer.groups) == (64001, (64002, 64003, 64004))


def test_a_user_in_more_groups_than_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """It has the rights of its primary group, and the log says why it has no others."""
    with _connected(User(64001, 64002, tuple(range(65000, 65257)))) as connection:
        peer = read_peer(connection)
        assert (peer.uid, peer.groups) == (64001, (64002,))
    assert "of user 64001, who has connected, only the primary group is known" in caplog.text


def test_users_that_a_namespace_does_not_know_are_nobody() -> None:
    """Owner and client then have the same number, but are not taken for the same user."""
    user = User(64001, 64002, (64003,))
    with _connected(user) as connection, common_folder() as folder:
        secret = folder / "secret"
        secret.touch()
        os.chown(secret, 64005, 64006)
        secret.chmod(0o660)
        command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", LOOK]
        done = subprocess.run(
            [*command, str(connection.fileno()), str(secret)],
            capture_output=True, text=True, check=False, pass_fds=[connection.fileno()],
        )  # fmt: skip
        if "unshare failed" in done.stderr or shutil.which("unshare") is None:
            pytest.skip(f"no user namespace can be made here: {done.stderr.strip()}")
        assert done.stdout == "-1 () 65534 65534 False\n", done.stderr


@pytest.mark.parametrize(
    ("id_map", "all_known"),
    [
        ("         0          0 4294967295\n", True),
        ("0 0 1000\n1000 1000 4294966295\n", True),
        ("0 100000 65536\n", False),
        ("0 1000 1\n1 100000 65536\n", False),
        ("", False),
    ],
)
def test_whether_a_namespace_knows_all_ids(id_map: str, all_known: bool) -> None:
    assert knows_all_ids(id_map) is all_known
