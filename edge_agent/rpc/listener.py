"""The claim to a Unix socket: one agent per socket, a stale one replaced, nothing left behind.

gRPC itself would silently unlink a socket that another agent is listening on and take its clients away.
"""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from edge_agent.errors import AddressInUse, SettingsError


class SocketClaim:
    """The right to serve on `path`, held until `release`."""

    def __init__(self, path: Path, mode: int, group: str) -> None:
        """Claim the path and remove a stale socket from it.

        Raises:
            AddressInUse: an agent serves it, or something that is not a socket stands there.
            SettingsError: its folder or the group does not exist, or is not ours to use.
        """
        self._path, self._mode = path, mode
        self._group = _group_id(group)
        self._inode: int | None = None
        # Two agents that start at the same moment would both find the old socket stale. A name in the abstract
        # namespace (unix(7)) is given to one of them, and goes with its process, however that ends.
        self._lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._lock.bind(b"\0edge-agent:" + os.fsencode(path)[-90:])
            self._remove_stale()
        except OSError as error:
            self._lock.close()
            raise AddressInUse(f"another agent serves {path} ({error.strerror})") from None
        except BaseException:
            self._lock.close()
            raise

    def _remove_stale(self) -> None:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            if not os.access(self._path.parent, os.W_OK | os.X_OK):
                raise SettingsError(
                    f"the folder of the socket {self._path} does not exist or is not writable"
                ) from None
            return
        if not stat.S_ISSOCK(status.st_mode):
            raise AddressInUse(f"{self._path} exists and is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
            except FileNotFoundError:
                return
        raise AddressInUse(f"another agent serves {self._path}")

    @contextlib.contextmanager
    def binding(self) -> Iterator[None]:
        """Bind the socket inside: it never exists with more permissions than it is to have."""
        umask = os.umask(0o777)
        try:
            yield
        finally:
            os.umask(umask)
        if self._group is not None:
            try:
                os.chown(self._path, -1, self._group)
            except PermissionError:
                raise SettingsError(
                    f"the socket can't be given to the group {grp.getgrgid(self._group).gr_name}, "
                    "expected a group that the agent's user is a member of"
                ) from None
        self._path.chmod(self._mode)
        self._inode = self._path.stat().st_ino

    def release(self) -> None:
        """Remove the socket if it is still ours; releasing twice is harmless."""
        with contextlib.suppress(OSError):
            if self._inode is not None and self._path.lstat().st_ino == self._inode:
                self._path.unlink()
        self._inode = None
        self._lock.close()


def _group_id(group: str) -> int | None:
    if not group:
        return None
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise SettingsError(f"socket_group '{group}' is not a group of this device") from None
