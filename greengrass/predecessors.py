"""predecessors.py PID WORK: remove the environments in WORK that were chosen before this one, when PID serves.

PID is the agent that runs from this environment. Its predecessor's environment has to stay until the agent answers on
its socket and the models that ran have come back: until then a deployment may be given up, and the predecessor go on.
"""

from __future__ import annotations

import shutil
import socket
import struct
import sys
import time
from pathlib import Path

from edge_agent.client.client import Client
from edge_agent.errors import EdgeAgentError
from edge_agent.settings import load_settings

_LOOK_SECONDS = 1.0
#: seconds that models get to come back; one that has failed for another reason must not keep predecessors for ever
_PATIENCE = 600.0


def main() -> None:
    """Wait until the agent serves, and remove what came before it."""
    pid, work = int(sys.argv[1]), Path(sys.argv[2])
    address = load_settings({}).socket
    end = time.monotonic() + _PATIENCE
    while not _serves(address, pid):
        if time.monotonic() > end or not Path(f"/proc/{pid}").exists():
            return  # it does not serve: what came before may be needed
        time.sleep(_LOOK_SECONDS)
    while not _has_settled(address) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    own = Path(sys.prefix).resolve()
    if _serves(address, pid) and (work / "current").resolve() == own:
        remove_predecessors(work, own)


def remove_predecessors(work: Path, own: Path) -> None:
    """Remove the environments in `work` that are older than `own`; one that is being installed is younger.

    That one is complete goes first: when the rest is cut off, the next installation of it (install.sh) makes it anew.
    """
    for other in work.glob("python3.*-*"):
        if other.resolve() != own and _chosen(other) < _chosen(own):
            (other / "complete").unlink(missing_ok=True)
            shutil.rmtree(other, ignore_errors=True)


def _chosen(environment: Path) -> int:
    """Return when an environment was last chosen, in nanoseconds; of one that is not whole, when it was begun."""
    for name in ("chosen", "complete", "."):
        try:
            return (environment / name).stat().st_mtime_ns
        except OSError:
            continue
    return 0


def _serves(address: str, pid: int) -> bool:
    """Tell whether it is this process that listens: unix(7), SO_PEERCRED."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address.removeprefix("unix://").removeprefix("unix:"))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return False
    listener: int = struct.unpack("3i", credentials)[0]
    return listener == pid


def _has_settled(address: str) -> bool:
    """Tell whether every model is RUNNING or was not running before."""
    try:
        with Client(address) as client:
            return not any(model.status in ("STARTING", "FAILED") for model in client.models())
    except EdgeAgentError:
        return False


if __name__ == "__main__":
    main()
