"""Which process a number means: numbers are given again, so the time of its start belongs to it."""

from __future__ import annotations

from pathlib import Path


def process_start(process: int) -> int:
    """Give when a process started, in clock ticks since the machine did (proc_pid_stat(5)); 0 when there is none.

    One that has ended and waits for its parent to ask counts as none.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def is_alive(process: int, started: int) -> bool:
    """Tell whether the process of this number that started then is still there."""
    return started > 0 and process_start(process) == started
