"""The claim to a socket in a folder where others can write: no link is followed, and nothing of theirs is taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.access.peer import own_peer
from edge_agent.access.rights import REMEDY
from edge_agent.errors import AddressInUse
from edge_agent.serving.rpc.listener import SocketClaim
from edge_agent.serving.rpc.socket_lock import SocketLock, lock_name
from tests.support.users import User, common_folder, prefix, resident, run_as

AGENT, SQUATTER = User(64001, 64001), User(64002, 64002)

CLAIM = (
    "import sys\n"
    "from pathlib import Path\n"
    "from edge_agent.serving.rpc.listener import SocketClaim\n"
    "try: SocketClaim(Path(sys.argv[1]), 0o660, '').release()\n"
    "except Exception as error: print(type(error).__name__, error)\n"
)
#: takes the name of an agent's lock, and listens on it or not
SQUAT = (
    "import socket, sys\n"
    "s = socket.socket(socket.AF_UNIX); s.bind(bytes.fromhex(sys.argv[1]))\n"
    "if sys.argv[2] == 'listen': s.listen()\n"
    "print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def tmp() -> Iterator[Path]:
    """A folder as /tmp: everybody may write to it, and remove what is their own."""
    prefix(AGENT)
    with common_folder() as folder:
        folder.chmod(0o1777)
        yield folder


def _socket_of(user: User, path: Path, mode: int = 0o666) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(mode)
    os.chown(path, user.uid, user.gid)
    return listener


@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_a_link_in_the_sockets_place_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "victim").write_text("precious")
    path = tmp_path / "agent.sock"
    path.symlink_to(tmp_path / target)
    with pytest.raises(AddressInUse, match=r"exists and is not a socket$"):
        SocketClaim(path, 0o660, "")
    assert path.is_symlink()
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_a_link_that_comes_after_the_look_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "victim").touch(0o600)
    path = tmp_path / "agent.sock"
    claim = SocketClaim(path, 0o660, "")
    try:
        path.symlink_to(tmp_path / target)
        with (
            socket.socket(socket.AF_UNIX) as listener,
            pytest.raises(AddressInUse, match=r"can't be made \(Address already in use\)"),
            claim.binding(),
        ):
            listener.bind(str(path))
    finally:
        claim.release()
    assert path.is_symlink()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", ["file", "socket"])
def test_a_link_that_replaces_the_new_socket_changes_nothing_else(tmp_path: Path, kind: str) -> None:
    """Whoever can write to the folder, were it not sticky, could do this between bind and chmod."""
    victim, path = tmp_path / "victim", tmp_path / "agent.sock"
    if kind == "file":
        victim.touch()
    else:
        _socket_of(User(os.getuid(), os.getgid()), victim).close()
    victim.chmod(0o600)
    claim = SocketClaim(path, 0o660, str(os.getgid()))
    try:
        with (
            socket.socket(socket.AF_UNIX) as listener,
            pytest.raises(AddressInUse, match="was replaced at once"),
            claim.binding(),
        ):
            listener.bind(str(path))
            path.unlink()
            path.symlink_to(victim)
    finally:
        claim.release()
    assert victim.stat().st_mode & 0o777 == 0o600
    assert path.is_symlink(), "what is not ours is left"


def test_a_socket_of_another_user_that_can_not_be_removed(tmp: Path) -> None:
    path = tmp / "agent.sock"
    with _socket_of(SQUATTER, path):
        said = run_as(AGENT, "-c", CLAIM, str(path)).stdout
    assert said == (
        f"AddressInUse the stale socket {path} can't be removed by this user (Operation not permitted); "
        f"it belongs to user 64002; {tmp} belongs to user 'root' (0) and group 'root' (0), with mode 1777\n"
    )


def test_a_socket_of_another_user_that_answers_or_can_not_be_reached(tmp: Path) -> None:
    path = tmp / "agent.sock"
    with _socket_of(SQUATTER, path) as listener:
        listener.listen()
        said = run_as(AGENT, "-c", CLAIM, str(path)).stdout
        assert said == f"AddressInUse another agent serves {path}; it belongs to user 64002\n"
        path.chmod(0o600)
        said = run_as(AGENT, "-c", CLAIM, str(path)).stdout
        assert said == (
            f"AddressInUse {path} is a socket that this user may not connect to; "
            "it belongs to user 64002 and group 64002, with mode 0600\n"
        )


def test_a_folder_that_this_user_can_not_enter_or_write_to(tmp: Path) -> None:
    (tmp / "closed").mkdir(0o700)
    (tmp / "read-only").mkdir(0o755)
    for name in ("closed", "read-only"):
        path = tmp / name / "agent.sock"
        said = run_as(AGENT, "-c", CLAIM, str(path)).stdout
        mode = path.parent.stat().st_mode & 0o777
        assert said == (
            f"SettingsError the folder of the socket {path} is not writable for user 64001; "
            f"{path.parent} belongs to user 'root' (0) and group 'root' (0), with mode {mode:04o}\n"
        )
    path = tmp / "closed" / "deeper" / "agent.sock"
    said = run_as(AGENT, "-c", CLAIM, str(path)).stdout
    assert said == (
        f"SettingsError the folder of the socket {path} can't be looked at: Permission denied for user 64001: "
        f"{tmp / 'closed'} belongs to user 'root' (0) and group 'root' (0), with mode 0700; {REMEDY}\n"
    )
    path = tmp / "none" / "agent.sock"
    assert run_as(AGENT, "-c", CLAIM, str(path)).stdout == (
        f"SettingsError the folder of the socket {path} does not exist\n"
    )


@pytest.mark.parametrize("way", ["listen", "say nothing"])
def test_another_user_who_holds_the_locks_name_keeps_nobody_from_serving(
    tmp: Path, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    path = tmp / "agent.sock"
    with resident(SQUATTER, SQUAT, lock_name(path).hex(), way):
        SocketClaim(path, 0o660, "").release()
    holder = "user 64002" if way == "listen" else "a program that does not say whose it is"
    assert f"{holder} holds the name by which agents of {path} notice each other" in caplog.text


def test_an_agent_that_starts_at_the_same_moment_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    first = SocketClaim(path, 0o660, "")
    for _ in range(3):
        with pytest.raises(AddressInUse, match=f"another agent serves {path}, or is about to"):
            SocketClaim(path, 0o660, "")
    first.release()
    first.release()
    SocketClaim(path, 0o660, "").release()


def test_a_lock_that_is_let_go_while_its_holder_is_asked_for_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "agent.sock"
    first, ask = SocketLock(path), SocketLock._holder

    def asked(lock: SocketLock) -> int | None:
        first.close()
        return ask(lock)

    monkeypatch.setattr(SocketLock, "_holder", asked)
    second = SocketLock(path)
    monkeypatch.undo()
    assert second._holder() == own_peer().uid
    assert not caplog.text
    second.close()


def test_the_lock_is_about_the_address_and_not_its_path(tmp_path: Path) -> None:
    """A service with a /tmp of its own has another address by the same path; a link is another path to the same."""
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    claim = SocketClaim(tmp_path / "run" / "agent.sock", 0o660, "")
    with pytest.raises(AddressInUse, match="another agent serves"):
        SocketClaim(tmp_path / "link" / "agent.sock", 0o660, "")
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    (tmp_path / "run").mkdir()
    other = SocketClaim(tmp_path / "run" / "agent.sock", 0o660, "")
    with pytest.raises(AddressInUse, match="another agent serves"):
        claim.renew()
    other.release()
    claim.renew()
    claim.release()
