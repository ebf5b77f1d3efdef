"""Log lines for people, and for the journal."""

from __future__ import annotations

import json
import os
import re
import socket
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


FIELDS = """
import logging, sys
from pathlib import Path
from edge_agent import logs
logs._JOURNAL = Path(sys.argv[1])
logs.log_to_stderr("debug", "worker of cookies: ", MODEL="cookies")
log = logging.getLogger("edge_agent.test")
log.warning("%s was refused", "a call", extra=logs.fields(PID=4711, REASON="overloaded", EMPTY=""))
log.debug("first\\nsecond")
logging.getLogger("hpack").debug("words of a library")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def _entry(data: bytes) -> dict[str, str]:
    """Read an entry of the journal's native protocol."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value.decode()
        data = rest
    return found


def test_the_journals_own_socket_gets_fields(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal, path.open("w") as log:
        journal.bind(str(tmp_path / "journal"))
        status = os.fstat(log.fileno())
        environ = os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        command = [sys.executable, "-c", FIELDS, str(tmp_path / "journal")]
        subprocess.run(command, check=True, stderr=log, env=environ)
        journal.settimeout(180)
        refused, lines, failed = (_entry(journal.recv(1 << 16)) for _ in range(3))
        journal.setblocking(False)
        with pytest.raises(BlockingIOError):
            journal.recv(1)
    assert refused == {
        "MESSAGE": "worker of cookies: a call was refused", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "edge-agent",
        "LOGGER": "edge_agent.test", "MODEL": "cookies", "PID": "4711", "REASON": "overloaded",
    }  # fmt: skip
    assert lines["MESSAGE"] == "worker of cookies: first\nsecond"
    assert failed["PRIORITY"] == "3"
    assert failed["MESSAGE"].endswith("ZeroDivisionError: division by zero")
    assert path.read_text() == ""


def test_json_is_an_object_a_line(tmp_path: Path) -> None:
    environ = os.environ | {"EDGE_AGENT_LOG_FORMAT": "json"}
    command = [sys.executable, "-c", FIELDS, str(tmp_path / "journal")]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stderr
    refused, lines, failed = (json.loads(line) for line in said.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", refused.pop("time"))
    assert refused == {
        "level": "warning", "logger": "edge_agent.test", "message": "worker of cookies: a call was refused",
        "model": "cookies", "pid": 4711, "reason": "overloaded",
    }  # fmt: skip
    assert lines["message"] == "worker of cookies: first\nsecond"
    assert failed["exception"].endswith("ZeroDivisionError: division by zero")
