"""The claim to a Unix socket: one agent per socket, a stale one replaced, nothing left behind.

gRPC itself would silently unlink a socket that another agent is listening on and take its clients away. The socket's
folder may be one that others can write to, such as /tmp: what stands in it is never trusted, and no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.names import describe_user, group_id
from edge_agent.access.rights import describe_refusal, describe_rights
from edge_agent.errors import AddressInUse, SettingsError
from edge_agent.serving.rpc.socket_lock import SocketLock


class SocketClaim:
    """The right to serve on `path`, held until `release`."""

    def __init__(self, path: Path, mode: int, group: str) -> None:
        """Claim the path and remove a stale socket from it.

        Raises:
            AddressInUse: an agent serves it, or something that is not a socket, or not ours to remove, stands there.
            SettingsError: its folder or the group does not exist, or is not ours to use.
        """
        self.path, self._mode = path, mode
        self._group_name, self._group = group, group_id("socket_group", group)
        self._identity: tuple[int, int] | None = None  # of the socket, by device and inode
        self._lock = SocketLock(path)
        try:
            self._remove_stale()
        except BaseException:
            self._lock.close()
            raise

    def _remove_stale(self) -> None:
        try:
            status = self.path.lstat()
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise SettingsError(_why_not_in(self.path)) from None
            return
        owner = "" if status.st_uid == os.geteuid() else f"; it belongs to {describe_user(status.st_uid)}"
        if not stat.S_ISSOCK(status.st_mode):
            raise AddressInUse(f"{self.path} exists and is not a socket{owner}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self.path))
            except FileNotFoundError:
                return
            except ConnectionRefusedError:
                self._unlink_stale(owner)
                return
            except PermissionError:
                raise AddressInUse(
                    f"{self.path} is a socket that this user may not connect to; it {describe_rights(status)}"
                ) from None
            except OSError:  # it has more clients waiting than it takes, or does not accept any
                pass
        raise AddressInUse(f"another agent serves {self.path}{owner}")

    def _unlink_stale(self, owner: str) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise AddressInUse(
                f"the stale socket {self.path} can't be removed by this user ({error.strerror}){owner}"
                f"{_rights(self.path.parent)}"
            ) from None

    @contextlib.contextmanager
    def binding(self) -> Iterator[None]:
        """Bind the socket inside: it never exists with more permissions than it is to have.

        Raises:
            AddressInUse: somebody put something else in its place meanwhile.
            SettingsError: the socket can't be given to its group.
        """
        umask = os.umask(0o777)
        try:
            yield
        except OSError as error:  # bind(2) makes a new file, or none: it follows no link
            raise AddressInUse(f"the socket {self.path} can't be made ({describe_refusal(error, self.path)})") from None
        finally:
            os.umask(umask)
        # Who can write to the folder could exchange the socket for a link to a file of ours: what is opened here is
        # looked at, and changed, and nothing else.
        try:
            descriptor = os.open(self.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise AddressInUse(f"the socket {self.path} was removed at once ({error.strerror})") from None
        try:
            self._give_permissions(descriptor)
        finally:
            os.close(descriptor)

    def _give_permissions(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
            raise AddressInUse(
                f"the socket {self.path} was replaced at once; what is there belongs to {describe_user(status.st_uid)}"
            )
        self._identity = status.st_dev, status.st_ino
        made = Path(f"/proc/self/fd/{descriptor}")  # chown(2) and chmod(2) of an O_PATH descriptor; open(2)
        if self._group is not None:
            try:
                os.chown(made, -1, self._group)
            except PermissionError:
                raise SettingsError(
                    f"the socket can't be given to the group {self._group_name}, "
                    "expected a group that the agent's user is a member of"
                ) from None
        made.chmod(self._mode)

    @property
    def is_there(self) -> bool:
        """Whether the socket that was bound last is what clients find at its path."""
        try:
            status = self.path.lstat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def renew(self) -> None:
        """Claim the path again, whose socket somebody has removed; the errors are those of the first time.

        The lock is about the folder: in another one of that name, another agent may have been faster.
        """
        lock = SocketLock(self.path) if self._lock.is_of_another_folder else self._lock
        try:
            self._remove_stale()
        except BaseException:
            if lock is not self._lock:
                lock.close()
            raise
        if lock is not self._lock:
            self._lock.close()
            self._lock = lock

    def release(self) -> None:
        """Remove the socket if it is still ours; releasing twice is harmless."""
        if self._identity is not None and self.is_there:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._identity = None
        self._lock.close()


def _why_not_in(path: Path) -> str:
    """Say why a socket can't be made in its folder."""
    folder = path.parent
    try:
        folder.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "does not exist" if missing else f"can't be looked at: {describe_refusal(error, folder)}"
        return f"the folder of the socket {path} {reason}"
    return f"the folder of the socket {path} is not writable for {describe_user(os.geteuid())}{_rights(folder)}"


def _rights(folder: Path) -> str:
    """Say whose a folder is, where it is there."""
    try:
        return f"; {folder} {describe_rights(folder.stat())}"
    except OSError:
        return ""
