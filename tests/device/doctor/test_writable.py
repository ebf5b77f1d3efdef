"""What keeps a daemon from writing records is one sentence: the place, whose it is, its mode, the daemon's user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.access.peer import Peer, own_peer
from edge_agent.device.doctor.records import examine_records
from edge_agent.device.doctor.writable import obstacle
from edge_agent.settings import Settings
from tests.support.users import User, common_folder, run_as

_STRANGER = Peer(51_234, (51_235,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database whose folder's way is open to all."""
    folder = tmp_path / "records"
    folder.mkdir(mode=0o750)
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.geteuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    (folder / "records.db").touch(mode=0o640)
    return folder / "records.db"


def said(path: Path, user: Peer) -> str:
    found = obstacle(path, user)
    return "" if found is None else f"{found.found}: {found.remedy}"


def test_who_owns_all_of_it_is_not_hindered(path: Path) -> None:
    assert said(path, own_peer()) == ""
    assert said(path.parent / "not" / "yet" / "records.db", own_peer()) == ""


def test_another_user_is_named_with_the_place(path: Path) -> None:
    """A folder that root has made, say, when it tried the daemon by hand."""
    owner = "user 'root' (0) and group 'root' (0)" if os.geteuid() == 0 else f"({os.geteuid()})"
    assert f"{path.parent} belongs to " in said(path, _STRANGER) and owner in said(path, _STRANGER)
    assert "with mode 0750, and the daemon writes as user 51234: sudo chown 51234" in said(path, _STRANGER)
    path.parent.chmod(0o777)
    assert f"{path} belongs to " in said(path, _STRANGER) and "with mode 0640" in said(path, _STRANGER)
    path.chmod(0o666)
    assert said(path, _STRANGER) == ""
    Path(f"{path}-wal").touch(mode=0o600)
    assert f"{path}-wal belongs to " in said(path, _STRANGER)


def test_a_group_that_may_write_is_enough(path: Path) -> None:
    member = Peer(51_234, (51_235, path.stat().st_gid))
    path.parent.chmod(0o770)
    path.chmod(0o660)
    assert said(path, member) == ""


def test_disks_that_are_full_or_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(path)

    def disk(**changed: int) -> None:
        fields = {name: getattr(real, name) for name in dir(real) if name.startswith("f_")} | changed
        monkeypatch.setattr(os, "statvfs", lambda _: type("Disk", (), fields))

    disk(f_flag=real.f_flag | os.ST_RDONLY)
    assert said(path, own_peer()) == f"{path.parent} is on a disk that is mounted read-only: mount it writable"
    disk(f_bavail=1, f_bfree=1, f_frsize=4096)
    assert said(path, own_peer()) == f"the disk of {path.parent} is full, 4096 bytes are free: free some"
    disk(f_files=100, f_ffree=0, f_favail=0)
    assert "has no inode left for another file" in said(path, own_peer())


def test_a_full_disk_is_found_as_a_user_finds_it(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False)
    if os.getuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        found = [finding.found for finding in examine_records(Settings(state_dir=str(tmp_path)))]
        assert found == [f"records can't be written: the disk of {tmp_path} is full, 65536 bytes are free"]
        subprocess.run(["mount", "-o", "remount,ro,size=64m", tmp_path], check=True)
        found = [finding.found for finding in examine_records(Settings(state_dir=str(tmp_path)))]
        assert found == [f"records can't be written: {tmp_path} is on a disk that is mounted read-only"]
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("exit 105", ": Input/output error: see what the kernel says of its disk: dmesg"),
        ("exit 0", ""),
        ("exit 1", ""),  # Python could not begin, or did not come so far
        ("exit 120", ""),  # nor say its last words
        ("kill -KILL $$", ""),
        ("exit 195", ""),  # a file system without files that have no name
    ],
)
def test_how_the_probe_of_a_disk_ends(path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, expected: str) -> None:
    probe = path.parent / "python"
    probe.write_text(f"#!/bin/sh\n{ending}\n")
    probe.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(probe))
    found = said(path, own_peer())
    assert found == (f"{path.parent} can't be written to{expected}" if expected else "")


def _doctor(state: Path) -> list[dict[str, str]]:
    """What another user than the daemon's hears of records and of pictures."""
    program = f"""if True:
        import json
        from edge_agent.device.doctor.records import examine_records
        from edge_agent.settings import Settings
        settings = Settings(state_dir={str(state)!r}, socket="unix:///nowhere/s", keep_mib=1)
        found = examine_records(settings)
        print(json.dumps([line._asdict() | {{"verdict": line.verdict.value}} for line in found]))"""
    done = run_as(User(51_240, 51_240), "-c", program)
    assert done.stdout, done.stderr
    lines: list[dict[str, str]] = json.loads(done.stdout)
    return [line for line in lines if line["check"] in ("records", "kept pictures")]


def test_who_is_not_the_daemon_is_not_taken_for_it() -> None:
    """As a Debian package leaves it: the state folder is the agent's, and closed to others."""
    with common_folder() as folder:
        state = folder / "state"
        (state / "records").mkdir(parents=True)
        for place in (state, state / "records"):
            os.chown(place, _STRANGER.uid, _STRANGER.groups[0])
            place.chmod(0o750)
        pictures, records = _doctor(state)
        assert (pictures["verdict"], records["verdict"]) == ("note", "note")
        assert records["found"] == f"this user may not read {state}" and "usermod" in records["remedy"]
        folder.chmod(0o700)
        found = _doctor(state)
        assert [line["verdict"] for line in found] == ["note"] * len(found)
        assert found[0]["found"].startswith("the daemon does not answer, and who may write ")
        assert {line["remedy"] for line in found} == {"ask again while it runs", "run this as root"}


def test_where_the_daemon_has_never_run_nobody_is_taken_for_it() -> None:
    with common_folder() as folder:
        note, *others = _doctor(folder / "not" / "yet")
        assert note["found"].endswith("is not to be seen") and note["remedy"] == "ask again while it runs"
        assert [line["verdict"] for line in (note, *others)] == ["note", "ok", "ok"]


def test_the_daemons_own_user_hears_of_it_from_the_command() -> None:
    """As in docs/install.md: `sudo -u edge-agent edge-agent doctor`, where somebody has made the folder as root."""
    program = "import sys; from edge_agent.cli import main; sys.argv[1:] = {arguments}; main()"
    with common_folder() as folder:
        state = folder / "state"
        state.mkdir()
        (state / "records").mkdir(mode=0o755)
        os.chown(state, _STRANGER.uid, _STRANGER.groups[0])
        arguments = ["doctor", "--json", "--state-dir", str(state), "--socket", f"unix://{state}/s"]
        done = run_as(User(_STRANGER.uid, _STRANGER.groups[0]), "-c", program.format(arguments=arguments))
        (found,) = [line["found"] for line in json.loads(done.stdout) if line["check"] == "records"]
    assert found == (
        f"records can't be written: {state}/records belongs to user 'root' (0) and group 'root' (0), with mode 0755, "
        "and the daemon writes as user 51234"
    )
