"""Why no agent answers on a socket, as far as it can be seen from here: it is missing, forbidden, or somewhere else."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from edge_agent.access.names import describe_user
from edge_agent.access.rights import describe_rights

_TRY_SECONDS = 1.0
_LISTENING = 0x10000  # __SO_ACCEPTCON, linux/net.h
_TMP = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  of which a systemd unit with PrivateTmp= has its own


def why_unreachable(path: Path, details: str = "") -> str:
    """Say why a client can't reach the agent on the socket at `path`; `details` are gRPC's words, if others lack."""
    try:
        status = path.stat()
    except PermissionError:
        return _forbidden_folder(path)
    except OSError:
        return _missing(path)
    if not stat.S_ISSOCK(status.st_mode):
        return f"{path} is not a socket"
    return _try(path, status) or (
        f"it accepts connections, but did not answer ({details or 'it may be starting, stopping, or no agent'})"
    )


def _try(path: Path, status: os.stat_result) -> str:
    """Connect to a socket, and return why that can't be done; "" where it can."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TRY_SECONDS)
        try:
            probe.connect(str(path))
        except PermissionError:
            return (
                f"{describe_user(os.geteuid())} may not connect; the socket {describe_rights(status)}. "
                "Make the user a member of that group and log in anew, or set socket_group and socket_mode of the agent"
            )
        except ConnectionRefusedError:
            return f"the socket {path} is there, but nobody listens any more; is `edge-agent serve` running?"
        except OSError as error:
            return f"the socket {path} is there, but takes no client ({error.strerror or error})"
    return ""


def _missing(path: Path) -> str:
    if _is_listened_on(path):
        return (
            f"there is no {path} to be seen from here, though something listens on a socket of that name: it was "
            f"removed or renamed, or the agent has another {path.parent} (PrivateTmp= of a systemd unit, a container)"
        )
    asked = f"is `edge-agent serve` running? There is no {path}"
    shared = next((folder for folder in _TMP if folder in path.parents), None)
    if shared is None:
        return asked
    if _is_private(shared):
        return (
            f"{asked} in the {shared} that this process has for itself (PrivateTmp= of its systemd unit); "
            f"if it runs, give agent and client a socket outside of {shared}"
        )
    return (
        f"{asked}; if it runs, it has another {shared} than this process (PrivateTmp= of a systemd unit, a container), "
        "or another --socket"
    )


def _forbidden_folder(path: Path) -> str:
    """Name the folder above `path` that this user can't enter."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return f"{describe_user(os.geteuid())} may not enter {folder}, which {describe_rights(folder.stat())}"
    return f"{describe_user(os.geteuid())} may not look into {path.parent}"


def _is_listened_on(path: Path) -> bool:
    """Tell whether a socket that was bound to this path accepts clients, wherever its file is; proc_net(5)."""
    try:
        lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    except OSError:
        return False
    fields = [line.split(maxsplit=7) for line in lines]
    return any(len(f) == 8 and f[7] == str(path) and int(f[3], 16) & _LISTENING for f in fields)


def _is_private(folder: Path) -> bool:
    """Tell whether systemd has given this process a `folder` of its own; proc_pid_mountinfo(5)."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    fields = [line.split() for line in mounts]
    return any(f[4] == str(folder) and "systemd-private-" in f[3] for f in fields if len(f) > 4)
