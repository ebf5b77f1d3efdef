"""The support bundle: all that helps, no secrets, no pictures unless asked."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.daemon import running_daemon
from tests.support.fakes import write_echo


def _bundle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("support-bundle", "-o", folder, *arguments)


def _contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.removeprefix("edge-agent-support/")] = file.read()
        return found


def test_a_bundle_of_a_running_daemon_has_everything(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "part.png").write_bytes(b"pixels")
    config = tmp_path / "config.toml"
    config.write_text(
        f'socket = "unix://{tmp_path}/agent.sock"\nmetrics = "unix://{tmp_path}/m.sock"\n'
        f'model_dir = ["{tmp_path}/models"]\nstate_dir = "{tmp_path}/state"\n'
    )
    with running_daemon(tmp_path, "--config", str(config)) as daemon:
        daemon.stub.start("echo")
        target = tmp_path / "bundle.tar.gz"
        arguments = ("--config", str(config), "--log", str(daemon.log))
        written = _bundle(target, *arguments)
        assert written.returncode == 0, written.stderr
        assert written.stdout.startswith(f"{target}: ")
        assert "without" not in written.stderr, written.stderr
        again = _bundle(target, *arguments)
        assert again.returncode == 1
        assert f"edge-agent: {target} exists already" in again.stderr
        with_pictures = _bundle(tmp_path, *arguments, "--pictures", str(tmp_path / "kept"))
    found = _contents(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert json.loads(found["settings.json"])["metrics"] == f"unix://{tmp_path}/m.sock"
    assert {model["status"] for model in json.loads(found["models.json"])} == {"RUNNING"}
    assert b"edge_agent_build_info{" in found["metrics.txt"]
    assert json.loads(found["manifests/echo/1.0.0/manifest.json"])["name"] == "echo"
    assert json.loads(found["audit/verified.json"])["problems"] == []
    assert b"StartModel" in found["audit/audit.jsonl"]
    assert b"serving on" in found["log.txt"]
    assert any(finding["check"] for finding in json.loads(found["doctor.json"]))
    assert "numpy" in json.loads(found["versions.json"])["packages"]
    assert not [name for name in found if name.startswith("pictures")]
    (other,) = tmp_path.glob("edge-agent-support-*.tar.gz")
    assert with_pictures.returncode == 0
    assert _contents(other)["pictures/part.png"] == b"pixels"


def test_what_cant_be_had_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar.gz"
    written = _bundle(target, "--socket", f"unix://{tmp_path}/none.sock", "--state-dir", str(tmp_path / "state"))
    assert written.returncode == 0
    assert "note: without models: " in written.stderr
    assert "note: without metrics: the setting metrics is empty: nothing is counted" in written.stderr
    contents = _contents(target)["contents.txt"].decode()
    assert "versions.json\n" in contents
    assert "missing: models: " in contents


@pytest.mark.parametrize("option", ["--log", "--pictures"])
def test_what_does_not_exist_is_refused_before_anything_is_written(tmp_path: Path, option: str) -> None:
    refused = _bundle(tmp_path / "bundle.tar.gz", option, str(tmp_path / "none"))
    assert refused.returncode == 2
    assert "does not exist" in refused.stderr
    assert not (tmp_path / "bundle.tar.gz").exists()
