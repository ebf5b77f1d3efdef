"""A million calls, with everything that happens to a daemon meanwhile: does anything grow?

    python -m benchmarks.soak                              # a million calls, half an hour at the most
    python -m benchmarks.soak --calls 20000                # a minute
    python -m benchmarks.soak --minutes 480 --calls 100000000 --json FILE

Clients in processes of their own send small pictures (160x160, 77 kB), by shared memory and by bytes in turn, to an
empty model that nothing is done to (three of four calls) and to one whose worker is killed now and then. A third model
is started, killed and stopped, versions change over, clients come, go and vanish. Every call to the first model must be
answered, and rightly; those to the second may end with INTERNAL or FAILED_PRECONDITION only while its worker had been
killed. It looks at the front and at the first model's worker, which lives from beginning to end, when nobody calls.

Exits with 1 and a sentence when something is not as it must be, or has grown since the first thousand calls by more
than benchmarks/soak/verdict.py says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc

from benchmarks.beginning import begin, command_line
from benchmarks.rig import daemon, empty_component, machine, variant
from benchmarks.soak.clients import SoakFailed, client_processes
from benchmarks.soak.stages import Row, Soak
from benchmarks.soak.table import print_heading, print_row
from benchmarks.soak.trouble import Models, Trouble
from benchmarks.soak.verdict import growths
from edge_agent.client.client import Client
from edge_agent.errors import EdgeAgentError

SIDE = 160  # more than 64 KiB as bytes: the size from which the front keeps a call's buffer for the next
FIRST = 1_000
_KINDS = ("come-and-go", "start-and-stop", "change-over", "kill-guest", "vanish", "kill-serving")


def _arguments() -> argparse.Namespace:
    parser = command_line("soak", __doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help=f"calls to be answered, more than {FIRST}")
    parser.add_argument("--minutes", type=float, default=30.0, help="end after so long, however many calls were made")
    parser.add_argument("--clients", type=int, default=4, help="client processes")
    parser.add_argument("--rows", type=int, default=10, help="stages after the first thousand calls")
    parser.add_argument("--trouble", nargs="*", choices=_KINDS, default=list(_KINDS), help="what happens meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = begin(parser)
    if given.calls <= FIRST:
        parser.error(f"--calls is {given.calls}, expected more than {FIRST}")
    if min(given.clients, given.rows) < 1 or given.minutes <= 0:
        parser.error("--clients, --rows and --minutes are numbers above 0")
    return given


@contextlib.contextmanager
def _trouble(folder: Path, log: Path) -> Iterator[tuple[Trouble, str, int]]:
    """Run a daemon with the three models, the two that serve RUNNING; gives its trouble, address and process id."""
    names, made = Models(), folder / "models"
    empty = empty_component(folder / "made", SIDE, SIDE)
    for name in names:
        variant(folder / "made" / empty.name / empty.version, made / name / "1.0.0", name=name)
    flags = ["--scan-seconds", "0.2", "--first-restart", "0.05", "--longest-restart", "0.05"]
    with daemon(made, *flags, log=log) as (socket, front):
        with Client(socket) as control:
            control.start(names.shaken, wait=False)
            control.start(names.steady)
            control.start(names.shaken)
        with contextlib.closing(Trouble(socket, front, made, SIDE)) as trouble:
            yield trouble, socket, front


def run(given: argparse.Namespace) -> tuple[list[Row], dict[str, int]]:
    """Soak, and print a row after each stage; gives the rows, and how often there was which trouble.

    Raises:
        SoakFailed, EdgeAgentError, grpc.RpcError: a call or the daemon did what it must not.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="edge-agent-soak-") as name, contextlib.ExitStack() as stack:
        folder, names = Path(name), Models()
        log = folder / "log"
        trouble, socket, front = stack.enter_context(_trouble(folder, log))
        clients = stack.enter_context(client_processes(given.clients, socket, SIDE, names.steady, names.shaken))
        soak = Soak(front, clients, trouble, time.monotonic() + 60 * given.minutes)
        kinds = [trouble.kinds()[kind] for kind in given.trouble]
        for row in soak.rows(given.calls, FIRST, given.rows, kinds):
            print_row(row)
            rows.append(row)
        said = log.read_text(errors="replace")
        if "Traceback" in said:
            raise SoakFailed(f"the daemon has logged a defect: {said[said.index('Traceback') :][:2000]}")
        return rows, dict(trouble.counts)


def _summary(rows: Sequence[Row], counts: dict[str, int], asked: int) -> str:
    first, last = rows[0], rows[-1]
    what = ", ".join(f"{number} {name}" for name, number in counts.items()) or "no trouble"
    made = f"{last.calls} calls" if last.calls >= asked else f"{last.calls} of {asked} calls, then the time was up"
    return (
        f"{made}, in {last.elapsed / 60:.1f} minutes; {what}; {last.lost} calls lost to killed workers; "
        f"front {last.front.own - first.front.own:+.1f} MB, worker {last.worker.own - first.worker.own:+.1f} MB"
    )


def main() -> None:
    given = _arguments()
    print(machine())
    print_heading()
    try:
        rows, counts = run(given)
    except SoakFailed as reason:
        sys.exit(str(reason))
    except (EdgeAgentError, grpc.RpcError) as error:
        sys.exit(f"a call that must be answered was not: {error}")
    grown = growths(rows, given.clients)
    summary = _summary(rows, counts, given.calls)
    print(summary)
    if given.json:
        fields: dict[str, Any] = {"machine": machine(), "rows": [row.as_fields() for row in rows], "trouble": counts}
        given.json.write_text(json.dumps({**fields, "summary": summary, "grown": grown}, indent=2) + "\n")
    if grown:
        sys.exit("; ".join(grown))
    print("nothing has grown beyond its bound")


if __name__ == "__main__":
    main()
