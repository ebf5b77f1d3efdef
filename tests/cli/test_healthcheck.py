"""edge-agent healthcheck: addresses at which no daemon can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("socket", "told"),
    [
        ("unix://{folder}", "is a folder"),
        ("127.0.0.1:50051", "is not an address such as unix://"),
        ("unix:agent.sock", "it is relative"),
        ("unix-abstract:agent", "an abstract socket"),
    ],
    ids=["folder", "tcp", "relative", "abstract"],
)
def test_an_address_that_cannot_be_is_said_in_one_sentence(tmp_path: Path, socket: str, told: str) -> None:
    command = [sys.executable, "-m", "edge_agent", "healthcheck", "--socket", socket.format(folder=tmp_path)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert result.returncode == 1
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1
