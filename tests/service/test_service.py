"""The unit, its user, its folders, and the configuration that is installed with it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_agent.settings import DEFAULT_SOCKET, Settings, load_settings

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
UNIT = PACKAGING / "systemd" / "edge-agent.service"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, where it is and knows how to look at a file (systemd 250)."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < 250:
        pytest.skip("systemd-analyze is older than 250, which can't look at files")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def directives() -> dict[str, str]:
    """Give the unit's directives; the last value of those that stand several times."""
    lines = [line for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_exposure_is_at_most_2() -> None:
    result = analyze("security", "--offline=true", "--threshold=20", "--no-pager", UNIT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("edge-agent.service", "edge-agent.service"),
        ("edge-agent-line@.service", "edge-agent-line@flange.service"),
        ("edge-agent-studio.service", "edge-agent-studio.service"),
    ],
)
def test_systemd_understands_every_line(tmp_path: Path, template: str, name: str) -> None:
    (tmp_path / "edge-agent.service").write_text(UNIT.read_text().replace("/usr/bin/edge-agent serve", "/bin/true"))
    unit = tmp_path / template
    unit.write_text(
        re.sub(r"/usr/bin/edge-agent (serve|line|studio)", "/bin/true", (UNIT.parent / template).read_text())
    )
    result = analyze("verify", "--man=no", tmp_path / name)
    said = [line for line in (result.stdout + result.stderr).splitlines() if "edge-agent" in line]
    assert not said


@pytest.mark.parametrize(
    "directive", ["PrivateTmp", "RemoveIPC", "PrivateUsers", "PrivateNetwork", "ProcSubset", "PrivateDevices"]
)
def test_what_would_break_clients_is_left_out_and_explained(directive: str) -> None:
    assert directive not in directives()
    assert re.search(rf"^# - {directive}=\S*: ", UNIT.read_text(), re.MULTILINE)


def test_a_stop_lets_calls_finish_and_leaves_workers_to_the_daemon() -> None:
    assert float(directives()["TimeoutStopSec"].rstrip("s")) > Settings().drain_seconds
    assert directives()["KillMode"] == "mixed"
    assert directives()["OOMPolicy"] == "continue"


def test_the_state_folder_is_one_place() -> None:
    """Whoever calls doctor, root or another user, has to look where the service looks."""
    state = load_settings({}, config=PACKAGING / "config.toml", environ={}).state_dir
    assert state == "/var/lib/" + directives()["StateDirectory"]
    tmpfiles = (PACKAGING / "systemd" / "edge-agent.tmpfiles").read_text()
    modes = dict(re.findall(rf"^d {state}(\S*) +(\d+) edge-agent edge-agent$", tmpfiles, re.MULTILINE))
    assert modes == {"": "0755", "/models": "2775", "/registry": "2775"}
    assert f"\nx {DEFAULT_SOCKET.removeprefix('unix://')}\n" in tmpfiles


def test_the_configuration_says_the_defaults(tmp_path: Path) -> None:
    """What stands in comments is what holds without it, but for the examples of a pinned version and an event."""
    text = (PACKAGING / "config.toml").read_text()
    config = tmp_path / "config.toml"
    config.write_text(re.sub(r"^#(?=\w+ = |\[)", "", text, flags=re.MULTILINE))
    written, default = load_settings({}, config=config, environ={}), Settings(state_dir="/var/lib/edge-agent")
    assert written.pin and written.event and written.model_dirs == default.model_dirs
    assert written.registry_dir == default.registry_dir
    for field in set(Settings.__struct_fields__) - {"pin", "model_dir", "registry", "event"}:
        assert getattr(written, field) == getattr(default, field), field
