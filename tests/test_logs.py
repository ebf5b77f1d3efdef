"""Log lines for people, and for the journal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging
from edge_agent.logs import log_to_stderr
log_to_stderr("info", "worker of 100%% cookies: ")
logging.debug("too detailed")
logging.info("started")
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("failed")
"""


def logged(tmp_path: Path, stream: str | None) -> list[str]:
    """Run the program with its standard error in a file, and JOURNAL_STREAM as systemd sets it for that file."""
    path = tmp_path / "log"
    with path.open("w") as log:
        status = os.fstat(log.fileno())
        environ = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
        if stream is not None:
            environ["JOURNAL_STREAM"] = stream.format(status.st_dev, status.st_ino)
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, stderr=log, env=environ)
    return path.read_text().splitlines()


def test_the_journal_gets_priorities_and_no_times(tmp_path: Path) -> None:
    lines = logged(tmp_path, "{}:{}")
    assert lines[0] == "<6>worker of 100% cookies: started"
    assert lines[1] == "<3>worker of 100% cookies: failed"
    assert len(lines) > 4
    assert all(line.startswith("<3>") for line in lines[1:])


@pytest.mark.parametrize("stream", [None, "{}:1", ""])
def test_elsewhere_times_and_levels_are_for_people(tmp_path: Path, stream: str | None) -> None:
    lines = logged(tmp_path, stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \S+ INFO worker of 100% cookies: started", lines[0])
    assert lines[-1] == "ZeroDivisionError: division by zero"
