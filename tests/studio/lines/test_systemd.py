"""Lines as systemd's units, with a program in the place of systemctl that writes down what it was told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import StudioError
from edge_agent.studio.lines.systemd import Systemd, Unit

_SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$0.told"
case "$3" in
  show)
    shift 4
    for unit; do
      case "$unit" in
        *@on.*) printf 'Id=%s\\nActiveState=active\\nUnitFileState=enabled\\n\\n' "$unit" ;;
        *) printf 'Id=%s\\nActiveState=inactive\\nUnitFileState=disabled\\n\\n' "$unit" ;;
      esac
    done ;;
  start) echo "Interactive authentication required." >&2; exit 4 ;;
esac
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    program = tmp_path / "systemctl"
    program.write_text(_SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Systemd(tmp_path / "lines", booted=tmp_path, unit_folder=tmp_path / "lines")


def test_units_are_asked_started_and_stopped(systemd: Systemd, tmp_path: Path) -> None:
    assert systemd.units(["on", "off"]) == {"on": Unit(True, True), "off": Unit(False, False)}
    systemd.act("stop", "on")
    with pytest.raises(StudioError, match=r"start edge-agent-line@off.service was not done: Interactive auth"):
        systemd.act("start", "off")
    told = (tmp_path / "systemctl.told").read_text().splitlines()
    assert told[-2:] == [
        "--no-ask-password --no-pager stop edge-agent-line@on.service",
        "--no-ask-password --no-pager start edge-agent-line@off.service",
    ]


def test_lines_of_another_folder_are_no_units(systemd: Systemd, tmp_path: Path) -> None:
    assert systemd.is_there()
    assert not Systemd(tmp_path / "mine", booted=tmp_path, unit_folder=tmp_path / "lines").is_there()
    assert not Systemd(tmp_path / "lines", booted=tmp_path / "no", unit_folder=tmp_path / "lines").units(["on"])
