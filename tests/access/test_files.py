"""Whether a client could open a file itself: a table of owners, groups and modes, and what the kernel says of each."""

from __future__ import annotations

import os

import pytest

from edge_agent.access.files import may_open
from edge_agent.access.peer import UNKNOWN, Peer
from tests.support.users import User, common_folder, prefix, run_as

OWNER, OTHER, GROUP, GROUP_TOO = 64001, 64002, 64010, 64011


def _status(mode: int, uid: int = OWNER, gid: int = GROUP) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("peer", "mode", "read", "write"),
    [
        # the owner and root, whatever the mode: they can change it, or need not
        (Peer(OWNER, (GROUP_TOO,)), 0o000, True, True),
        (Peer(0, (0,)), 0o000, True, True),
        # a member, by the group's bits and no others, whichever of its groups it is
        (Peer(OTHER, (GROUP,)), 0o640, True, False),
        (Peer(OTHER, (GROUP_TOO, GROUP)), 0o660, True, True),
        (Peer(OTHER, (GROUP,)), 0o620, False, True),
        (Peer(OTHER, (GROUP,)), 0o606, False, False),
        (Peer(OTHER, (GROUP,)), 0o600, False, False),
        # all others
        (Peer(OTHER, (GROUP_TOO,)), 0o660, False, False),
        (Peer(OTHER, (GROUP_TOO,)), 0o604, True, False),
        (Peer(OTHER, (GROUP_TOO,)), 0o602, False, True),
        (Peer(OTHER, ()), 0o666, True, True),
        (Peer(OTHER, (0,)), 0o660, False, False),
        # one who can't be told from others has what everybody has
        (Peer(UNKNOWN, ()), 0o666, True, True),
        (Peer(UNKNOWN, ()), 0o770, False, False),
    ],
)
def test_owner_group_and_mode_decide(peer: Peer, mode: int, read: bool, write: bool) -> None:
    assert may_open(peer, _status(mode), write=False) is read
    assert may_open(peer, _status(mode), write=True) is write


def test_an_unknown_owner_is_nobodys() -> None:
    """In a user namespace an owner that is not known in it has 65534; so would a client that is not known."""
    assert not may_open(Peer(UNKNOWN, ()), _status(0o660, 65534, 65534), write=False)


@pytest.mark.parametrize("groups", [(), (GROUP,)])
def test_the_kernel_agrees(groups: tuple[int, ...]) -> None:
    """For every mode of a file, and both ways to open it."""
    user = User(OTHER, GROUP_TOO, groups)
    prefix(user)
    program = (
        "import os\n"
        "def opens(path, flags):\n"
        "    try: os.close(os.open(path, flags))\n"
        "    except PermissionError: return 0\n"
        "    return 1\n"
        "print(*(opens(p, f) for p in sorted(os.listdir('.')) for f in (os.O_RDONLY, os.O_WRONLY)))\n"
    )
    with common_folder() as folder:
        paths = [folder / f"{mode:03o}" for mode in range(0o100)]
        for path in paths:
            path.touch()
            os.chown(path, OWNER, GROUP)
            path.chmod(int(path.name, 8))
        done = run_as(user, "-c", f"import os; os.chdir({str(folder)!r})\n{program}")
        kernel = [answer == "1" for answer in done.stdout.split()]
        peer = Peer(OTHER, (GROUP_TOO, *groups))
        ours = [may_open(peer, path.stat(), write=write) for path in sorted(paths) for write in (False, True)]
    assert len(kernel) == 128, done.stderr
    assert ours == kernel
