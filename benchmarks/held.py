"""What a process holds and has asked of the kernel, as the kernel counts it (proc(5))."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_KIB = 1024 / 1e6  # in MB
_SHM = "/dev/shm/"
_PARCEL = "/memfd:edge-agent-parcel"

#: the module of a worker, in its command line
_WORKER = b"edge_agent.serving.workers.process"


class Held(NamedTuple):
    """Memory in MB, and numbers."""

    #: its proportional share of all its pages, code included
    pss: float
    #: its share of what is not a file's page: what it, or somebody for it, has allocated. Unlike the whole, this does
    #: not change when another process that has the same libraries comes or goes.
    own: float
    resident: float
    #: the most that was resident since `forget_peak`
    peak: float
    #: open files and sockets, without the parcels
    descriptors: int
    #: memory for messages with pixels, kept for a while: see edge_agent/serving/workers/parcels.py
    parcels: int
    threads: int
    #: clients' segments that it has open or mapped
    segments: int


def held(pid: int) -> Held:
    """Look at a process."""
    process = Path(f"/proc/{pid}")
    rollup, status = _numbers(process / "smaps_rollup"), _numbers(process / "status")
    own = rollup["Pss_Anon"] + rollup["Pss_Shmem"] + rollup["SwapPss"]
    links = [str(target) for link in (process / "fd").iterdir() if (target := _target(link)) is not None]
    parcels = sum(link.startswith(_PARCEL) for link in links)
    mapped = sum(_SHM in line for line in (process / "maps").read_text().splitlines())
    return Held(
        rollup["Pss"] * _KIB,
        own * _KIB,
        status["VmRSS"] * _KIB,
        status["VmHWM"] * _KIB,
        len(links) - parcels,
        parcels,
        status["Threads"],
        mapped + sum(link.startswith(_SHM) for link in links),
    )


def forget_peak(pid: int) -> None:
    """Let the peak begin anew with what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def page_faults(pid: int) -> int:
    """Return how often a page had to be given to a process, or mapped for it, without reading from a disk.

    Memory that is allocated anew costs one fault for each 4 KiB as it is touched first; memory that is kept costs none.
    """
    return int(_after_name(pid)[7])


def zombies(parent: int) -> int:
    """Count the children that have ended and that nobody has asked for how."""
    return sum(_after_name(child)[0] == "Z" for child in children(parent))


def children(parent: int) -> list[int]:
    """Return the process ids of a process's children, whichever of its threads started them."""
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def workers(front: int) -> list[int]:
    """Return the process ids of the workers of a front; what writes its records is a child too, and none of them."""
    found = []
    for child in children(front):
        try:
            if _WORKER in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
        except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            continue
    return found


def _target(link: Path) -> Path | None:
    """Return what a descriptor is open on; None when it has been closed since it was listed."""
    try:
        return link.readlink()
    except FileNotFoundError:
        return None


def _after_name(pid: int) -> list[str]:
    """Return the fields of a process's stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _numbers(path: Path) -> dict[str, int]:
    found = {}
    for line in path.read_text().splitlines():
        key, _, rest = line.partition(":")
        number = rest.split()[:1]
        if number and number[0].isdigit():
            found[key] = int(number[0])
    return found
