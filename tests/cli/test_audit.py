"""edge-agent audit: where its options may stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli.audit import command
from edge_agent.serving.auditing.trail import Trail


@pytest.mark.parametrize("after", [True, False], ids=["after verify", "before verify"])
def test_the_state_folder_may_be_named_before_and_after_verify(tmp_path: Path, after: bool) -> None:
    trail = Trail(tmp_path, 1 << 20)
    trail.append([{"event": "running"}])
    trail.close()
    option = ["--state-dir", str(tmp_path)]
    result = CliRunner().invoke(command, ["verify", *option] if after else [*option, "verify"])
    assert (result.exit_code, result.output.partition(":")[0]) == (0, "whole"), result.output
    (tmp_path / "audit.head").unlink()
    result = CliRunner().invoke(command, ["verify", *option])
    assert result.exit_code == 1
    assert "audit.head is missing" in result.output
