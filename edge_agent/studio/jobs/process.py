"""The process of one job: `process.py FOLDER`.

It runs a command of edge-agent, keeps what that says in the job's folder, and goes on when the studio ends. The folder
has job.json (the command), then progress.json, log.txt, result.json, and ended.json last.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from edge_agent.studio.store.writing import write_file

JOB, PROGRESS, LOG, RESULT, ENDED = "job.json", "progress.json", "log.txt", "result.json", "ended.json"
#: a training beside a line must not take the line's processor
NICE = 10


def run(folder: Path) -> int:
    """Run the job of a folder, and return its exit code."""
    command = json.loads((folder / JOB).read_bytes())["command"]
    environ = {**os.environ, "EDGE_AGENT_PROGRESS": "json", "PYTHONUNBUFFERED": "1"}
    last = ""
    with (folder / RESULT).open("wb") as result, (folder / LOG).open("a", encoding="utf-8") as log:
        child = subprocess.Popen(command, stdout=result, stderr=subprocess.PIPE, env=environ, cwd=folder)
        signal.signal(signal.SIGTERM, _passing_on(child))
        assert child.stderr is not None
        for raw in child.stderr:
            line = raw.decode(errors="replace").rstrip()
            if line.startswith('{"progress"'):
                # No fsync as for what people gave: the next one comes soon.
                temporary = folder / f".{PROGRESS}"
                temporary.write_text(line)
                temporary.replace(folder / PROGRESS)
            elif line:
                log.write(line + "\n")
                log.flush()
                last = line
        code = child.wait()
    ended = {"code": code, "problem": last.removeprefix("edge-agent: ") if code else "", "ended": time.time()}
    write_file(folder / ENDED, json.dumps(ended).encode())
    return code


def _passing_on(child: subprocess.Popen[bytes]) -> Callable[[int, FrameType | None], None]:
    def end(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    return end


def main() -> None:
    """Entry point of the process."""
    os.nice(NICE)
    sys.exit(run(Path(sys.argv[1])))
