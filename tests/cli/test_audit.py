"""edge-agent audit: where its options may stand."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("option", [("--since", "1h"), ("--model", "cookies")], ids=" ".join)
def test_what_verify_would_not_heed_is_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    result = CliRunner().invoke(command, [*option, "verify", "--state-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert f"{option[0]} can't be given for verify, which takes the whole trail" in result.output


def test_verify_in_json_and_entries_that_must_be_there(tmp_path: Path) -> None:
    trail = Trail(tmp_path, 1 << 20)
    trail.append([{"event": "running"}])
    known = trail.end
    trail.close()
    base = ["--state-dir", str(tmp_path), "--json", "verify"]
    found = json.loads(CliRunner().invoke(command, [*base, "--known", known[:20]]).output)
    assert (found["entries"], found["problems"]) == (1, [])
    assert CliRunner().invoke(command, [*base, "--known", "1:00000000"]).exit_code == 1
    assert "'1:xyz' is not an entry such as" in CliRunner().invoke(command, [*base, "--known", "1:xyz"]).output


def test_a_trail_of_which_only_its_note_is_left_is_wrong(tmp_path: Path) -> None:
    trail = Trail(tmp_path, 1 << 20)
    trail.append([{"event": "running"}] * 3)
    trail.close()
    (tmp_path / "audit.jsonl").unlink()
    result = CliRunner().invoke(command, ["verify", "--state-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "the trail ends with entry 0, but 3 were written" in result.output
