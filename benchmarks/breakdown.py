"""Where the time of a call goes, stage by stage, from stamps of the clock in client, front and worker.

    python -m benchmarks.breakdown [--model empty|light|reference] [--by segment|bytes] [--size 1280x960] [--calls 2000]
                                   [--slowest 10]

Every stamp is of the machine's monotonic clock, so that those of three processes can be compared. benchmarks/tracing/
has what makes them. `--slowest` tells of each of so many calls by how much its stages were longer than the median ones.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from bisect import bisect_left, bisect_right
from pathlib import Path

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    BareClient,
    cookie_picture,
    daemon,
    empty_component,
    light_component,
    machine,
    median,
    reference_component,
)
from edge_agent.client.client import Client

#: stages in the order in which a call passes them: the stamp at its end, and what it is
STAGES = {
    "front reads": "the client's library, and the way to the front",
    "front has sent": "front: HTTP/2, request, dispatch",
    "worker hears": "the way to the worker",
    "worker prepares": "worker: message, segments",
    "worker has prepared": "picture read and prepared",
    "engine has run": "engine",
    "worker answers": "verdict, mask painted and written",
    "front hears": "the way back to the front",
    "front has answered": "front: verdict, answer, HTTP/2",
}
_WARM_UP_CALLS = 200


def _measure(arguments: argparse.Namespace, folder: Path) -> list[tuple[int, int]]:
    width, height = (int(side) for side in arguments.size.split("x"))
    models, traces = folder / "models", folder / "traces"
    traces.mkdir()
    if arguments.model == "empty":
        manifest = empty_component(models, width, height)
    else:
        make = light_component if arguments.model == "light" else reference_component
        manifest = make(models, width, height)
    os.environ["EDGE_AGENT_TRACE"] = str(traces)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        str(Path(__file__).parents[1] / one) for one in ("benchmarks/tracing", ".")
    )
    calls = []
    with daemon(models) as (socket, _), Client(socket) as control:
        control.start(manifest.name)
        client = BareClient(socket, manifest, cookie_picture(width, height), by=arguments.by)
        for _ in range(_WARM_UP_CALLS + arguments.calls):
            begun = time.monotonic_ns()
            client()
            calls.append((begun, time.monotonic_ns()))
        client.close()
        control.stop(manifest.name)
    return calls[_WARM_UP_CALLS:]


def _stamps(traces: Path) -> list[tuple[int, str]]:
    found = []
    for path in traces.iterdir():
        for line in path.read_text().splitlines():
            name, _, stamp = line.rpartition(" ")
            found.append((int(stamp), name))
    return sorted(found)


def _passed(mine: list[tuple[int, str]]) -> list[int]:
    """Return when a call passed each stage: at the first stamp of its name after the stage before."""
    passed: list[int] = []
    rest = iter(mine)
    for stage in STAGES:
        passed += [next((stamp for stamp, name in rest if name == stage), 0)]
    return passed if all(passed) else []


def _table(calls: list[tuple[int, int]], stamps: list[tuple[int, str]], slowest: int) -> None:
    times = [stamp for stamp, _ in stamps]
    rows = []
    for begun, ended in calls:
        passed = _passed(stamps[bisect_left(times, begun) : bisect_right(times, ended)])
        if passed:  # else a stamp was made after the client had its answer, or not written any more
            rows.append([(stamp - begun) / 1000 for stamp in (*passed, ended)])
    print(f"{len(rows)} calls; median of what each stage took, and of when it ended")
    names = [*STAGES.values(), "back to the client, and its library"]
    took = [[end - begun for begun, end in zip([0.0, *row], row, strict=False)] for row in rows]
    usual = [median([row[number] for row in took]) for number in range(len(names))]
    for number, text in enumerate(names):
        print(f"  {text:48} {usual[number]:8.0f} µs {median([row[number] for row in rows]):8.0f} µs")
    if slowest:
        print(f"the {slowest} slowest, and the stages that took more than 0.1 ms beyond the median:")
    for row, stages in sorted(zip(rows, took, strict=True), reverse=True, key=lambda pair: pair[0][-1])[:slowest]:
        beyond = [(stage - common, text) for stage, common, text in zip(stages, usual, names, strict=True)]
        told = [f"+{more / 1000:.1f} ms {text}" for more, text in sorted(beyond, reverse=True) if more > 100]
        print(f"  {row[-1] / 1000:6.1f} ms: {'; '.join(told)}")


def main() -> None:
    parser = command_line("breakdown", __doc__)
    parser.add_argument("--model", choices=("empty", "light", "reference"), default="empty")
    parser.add_argument("--by", choices=("segment", "bytes"), default="segment")
    parser.add_argument("--size", default="1280x960", metavar="WIDTHxHEIGHT")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="tell of the N slowest calls too")
    arguments = begin(parser)
    print(machine())
    with tempfile.TemporaryDirectory(prefix="edge-agent-breakdown-") as name:
        calls = _measure(arguments, Path(name))
        _table(calls, _stamps(Path(name) / "traces"), arguments.slowest)


if __name__ == "__main__":
    main()
