"""A daemon whose log goes to systemd's own journal, found again by its fields as an operator does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE, bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo

_JOURNALD = Path("/usr/lib/systemd/systemd-journald")
#: A /run of its own with a journal in it. The journal dies with the daemon, which takes the place of this shell; its
#: standard error leads to the journal, and JOURNAL_STREAM says so, as in a service.
_WITH_JOURNAL = f"""
mount --bind "$0" /run && mkdir -p /run/systemd/journal /run/log/journal || exit 1
setpriv --pdeathsig KILL {_JOURNALD} &
while ! [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
exec systemd-cat sh -c 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"' sh "$@"
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        os.geteuid() != 0 or not _JOURNALD.exists() or not shutil.which("journalctl"),
        reason="needs root and systemd's journal (apt install systemd)",
    ),
]


def test_journalctl_finds_lines_by_model_process_and_reason(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    wrapper: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _WITH_JOURNAL, root]
    write_echo(tmp_path / "models", "cookies")
    write_echo(tmp_path / "models", "bread")

    def found(*matches: str) -> list[dict[str, str]]:
        command = ["journalctl", "--directory", str(root / "log" / "journal"), "--output", "json", *matches]
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE).stdout
        return [json.loads(line) for line in said.splitlines()]

    with running_daemon(tmp_path, wrapper=wrapper) as daemon:
        for model in ("cookies", "bread"):
            daemon.stub.start(model)
        daemon.stub.refusal("DetectAnomalies", bytes_request("cookies", picture(1, 128, 128)))
        wait_until(lambda: found("REASON=invalid_request"), "the journal has the refusal")
        (refused,) = found("MODEL=cookies", "REASON=invalid_request")
        assert "bitmap is 128x128, model 'cookies' was trained on 64x64" in refused["MESSAGE"]
        assert (refused["PRIORITY"], refused["SYSLOG_IDENTIFIER"]) == ("4", "edge-agent")
        assert refused["_PID"] == str(daemon.process.pid)
        assert found("MODEL=cookies", f"PID={os.getpid()}") == [refused]
        assert {line["MODEL"] for line in found("MODEL=bread")} == {"bread"}
        assert "RUNNING" in " ".join(line["MESSAGE"] for line in found("MODEL=bread"))
        assert not [line for line in found("PRIORITY=6") if line["MESSAGE"].startswith("<")]
