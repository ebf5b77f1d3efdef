"""What a call with a 4096x4096 picture allocates, in the front and in the worker, and what of that is kept.

    python -m benchmarks.memory [--side 4096] [--calls 20] [--json FILE]

A buffer that is kept costs memory once. One that is allocated anew for each call costs a page fault for each page of
it, each time, which takes longer than filling it. So a call in the steady state should map nothing, and cost hardly a
fault.

Memory is told in MB over what the same process had before its first picture: the most that was resident, and what is
kept afterwards. Page faults are those of a call in the steady state; a page has 4 KiB, in a large array of numpy's
2 MiB. Where strace is installed, the system calls that map and unmap memory are counted as well.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.beginning import begin, command_line
from benchmarks.held import forget_peak, held, page_faults, workers
from benchmarks.rig import (
    REFERENCE,
    U8,
    BareClient,
    cookie_picture,
    daemon,
    empty_component,
    light_component,
    machine,
    reference_component,
)
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest
from edge_agent.device.bench.client import Way

_WARM_UP_CALLS = 5
_KERNEL_CALL = re.compile(r"\d+ +(mmap|munmap|mremap|brk|madvise)\((?:\w+, (\d+))?")


class Traced(NamedTuple):
    """What strace saw, for each call: how many system calls for memory, and how many MB were mapped."""

    system_calls: float
    mapped: float


class Use(NamedTuple):
    """What calls of one kind cost one process; memory in MB."""

    model: str
    way: Way
    process: str
    idle: float
    peak: float
    kept: float
    faults: float
    traced: Traced | None


def _trace(pid: int, call: Callable[[], object], count: int) -> Traced | None:
    """Watch a process during so many calls; None where it can't be watched."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile(mode="r", prefix="edge-agent-strace-") as file:
        command = ["strace", "-f", "-e", "trace=memory", "-o", file.name, "-p", str(pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as strace:
            assert strace.stderr is not None
            try:
                if "attached" not in (said := strace.stderr.readline()):
                    print(f"without strace: {said.strip()}", file=sys.stderr)
                    return None
                for _ in range(count):
                    call()
            finally:
                strace.send_signal(signal.SIGINT)
                strace.communicate()
        found = [match for line in file if (match := _KERNEL_CALL.match(line))]
    mapped = sum(int(match[2]) for match in found if match[1] == "mmap" and match[2])
    return Traced(len(found) / count, mapped / count / 1e6)


def _measure(socket: str, front: int, manifest: Manifest, picture: U8, way: Way, count: int) -> Iterator[Use]:
    """Start a model, send it pictures by one way, and yield what they cost the front and the worker."""
    with Client(socket) as control:
        control.start(manifest.name)
        (worker,) = workers(front)
        pids = {"front": front, "worker": worker}
        idle = {name: held(pid) for name, pid in pids.items()}
        for pid in pids.values():
            forget_peak(pid)
        client = BareClient(socket, manifest, picture, by="segment" if way == "shared memory" else "bytes")
        for _ in range(_WARM_UP_CALLS):
            client()
        before = {name: page_faults(pid) for name, pid in pids.items()}
        for _ in range(count):
            client()
        faults = {name: (page_faults(pid) - before[name]) / count for name, pid in pids.items()}
        after = {name: held(pid) for name, pid in pids.items()}
        traced = {name: _trace(pid, client, count) for name, pid in pids.items()}
        client.close()
        control.stop(manifest.name)
    model = manifest.name.partition("-")[0]
    for name in pids:
        peak, kept = after[name].peak - idle[name].resident, after[name].own - idle[name].own
        yield Use(model, way, name, idle[name].own, peak, kept, faults[name], traced[name])


def measure(side: int, count: int) -> list[Use]:
    """Measure the empty model and one with a mask to paint, both ways, each time in processes of their own."""
    found: list[Use] = []
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        empty = empty_component(models, side, side)
        if REFERENCE.exists():
            other, picture = reference_component(models, side, side), cookie_picture(side, side)
        else:
            other, picture = light_component(models, side, side), np.full((side, side, 3), 255, np.uint8)
        for manifest in (empty, other):
            for way in get_args(Way):
                with daemon(models) as (socket, front):
                    found += _measure(socket, front, manifest, picture, way, count)
    return found


def print_table(found: Sequence[Use]) -> None:
    """Print a line for each process."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "way", "process"):
        table.add_column(name)
    for name in ("idle MB", "peak MB", "kept MB", "faults/call", "system calls/call", "mapped MB/call"):
        table.add_column(name, justify="right")
    for use in found:
        traced = ("", "") if use.traced is None else (f"{use.traced.system_calls:.1f}", f"{use.traced.mapped:.1f}")
        table.add_row(
            use.model, use.way, use.process, f"{use.idle:.1f}", f"+{use.peak:.1f}", f"{use.kept:+.1f}",
            f"{use.faults:.1f}", *traced,
        )  # fmt: skip
    console = Console()
    console.print(table) if console.is_terminal else Console(width=140).print(table)


def main() -> None:
    parser = command_line("memory", __doc__)
    parser.add_argument("--side", type=int, default=4096, help="pixels, of a square picture")
    parser.add_argument("--calls", type=int, default=20, help="calls that are counted")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = begin(parser)
    print(f"{machine()}, {given.side}x{given.side}")
    found = measure(given.side, given.calls)
    print_table(found)
    if given.json:
        rows = [{**use._asdict(), "traced": use.traced and use.traced._asdict()} for use in found]
        given.json.write_text(json.dumps({"machine": machine(), "side": given.side, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
