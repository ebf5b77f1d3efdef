"""Whether the lines of this device are right, and inspect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.errors import EdgeAgentError
from edge_agent.line.running import KnownLine, known_lines
from edge_agent.line.status import Status


def examine_lines(configured: Path, state_dir: Path) -> Iterator[Finding]:
    """Look at each line whose file is in the folder `configured`, and at every other that runs."""
    try:
        lines = known_lines(configured, [state_dir])
    except EdgeAgentError as error:
        yield Finding(Verdict.NOTE, "lines", str(error))
        return
    for line in lines:
        if line.is_configured or line.is_running:
            yield _examine(line)


def _examine(line: KnownLine) -> Finding:
    check = f"line {line.name}"
    if line.problem:
        first, *others = line.problem.splitlines()
        remedy = f"edge-agent line check {line.file} names {len(others)} more" if others else ""
        return Finding(Verdict.NOTE, check, first, remedy)
    if line.status is None or line.state == "stopped":
        found = f"{line.file} is right, the line {'does not run' if line.status else 'has not run yet'}"
        return Finding(Verdict.NOTE, check, found, f"systemctl start edge-agent-line@{Path(line.file).stem}")
    if line.state == "able":
        return Finding(Verdict.OK, check, f"can inspect: {_counts(line.status)}")
    remedy = f"edge-agent line status {line.file}"
    return Finding(Verdict.NOTE, check, f"is at its safe state: {line.status.problem} ({_counts(line.status)})", remedy)


def _counts(status: Status) -> str:
    counts = {
        "passed": status.passed,
        "rejected": status.rejected,
        "to be looked at": status.looked,
        "failed": status.failed,
        "early": status.early,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items())
