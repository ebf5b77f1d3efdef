"""Whether the lines of this device are right, and inspect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.errors import EdgeAgentError, SettingsError
from edge_agent.line.reading import read_line
from edge_agent.line.status import FILE_NAME, STALE_SECONDS, Status, read_status
from edge_agent.line.tables.whole import Line


def examine_lines(files: Path, state_dir: Path) -> Iterator[Finding]:
    """Look at each line's file, and at what lines, also others, have written to the state folder."""
    known = set()
    try:
        found = sorted(path for path in files.glob("*.toml") if not path.name.startswith("."))
    except OSError as error:
        yield Finding(Verdict.NOTE, "lines", f"{files} can't be read: {error.strerror}")
        found = []
    for path in found:
        try:
            line = read_line(path)
        except SettingsError as error:
            first, *others = str(error).splitlines()
            remedy = f"edge-agent line check {path} names {len(others)} more" if others else ""
            yield Finding(Verdict.NOTE, f"line {path.stem}", first, remedy)
            known.add(path.stem)
            continue
        known.add(line.name)
        yield _of_file(line, path, state_dir / "lines" / line.name)
    for folder in sorted((state_dir / "lines").glob(f"*/{FILE_NAME}")):
        name = folder.parent.name
        if name in known:
            continue
        try:
            status = read_status(folder.parent)
        except EdgeAgentError as error:
            yield Finding(Verdict.NOTE, f"line {name}", str(error))
            continue
        if status.is_running():
            yield _of_status(name, status, f"; its file is not in {files}")


def _of_file(line: Line, path: Path, folder: Path) -> Finding:
    start = f"systemctl start edge-agent-line@{path.stem}"
    if not (folder / FILE_NAME).exists():
        return Finding(Verdict.NOTE, f"line {line.name}", f"{path} is right, the line has not run yet", start)
    try:
        status = read_status(folder, STALE_SECONDS + line.cycle)
    except EdgeAgentError as error:
        return Finding(Verdict.NOTE, f"line {line.name}", str(error))
    if not status.is_running(STALE_SECONDS + line.cycle):
        return Finding(Verdict.NOTE, f"line {line.name}", f"{path} is right, the line does not run", start)
    return _of_status(line.name, status)


def _of_status(name: str, status: Status, more: str = "") -> Finding:
    counts = (
        f"{status.passed} passed, {status.rejected} rejected, {status.looked} to be looked at, {status.failed} failed"
    )
    counts = f"{counts}, {status.early} early{more}"
    if status.able:
        return Finding(Verdict.OK, f"line {name}", f"can inspect: {counts}")
    return Finding(Verdict.NOTE, f"line {name}", f"is at its safe state: {status.problem} ({counts})")
