"""What doctor says of records, kept pictures, events and the audit trail where all is well, and where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.device.doctor.auditing import examine_audit
from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.device.doctor.records import examine_records
from edge_agent.settings import Settings, load_settings
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a daemon that has inspected twelve pictures, six of them anomalous, and has ended."""
    folder = tmp_path_factory.mktemp("examined")
    config = folder / "config.toml"
    config.write_text(
        f'state_dir = "{folder}/state"\nkeep_mib = 16\nkeep = ["anomalous"]\n'
        f'[[event]]\nname = "mes"\nsender = "file"\npath = "{folder}/events"\nverdicts = "anomalous"\n'
    )
    write_echo(folder / "models", "echo")
    with running_daemon(folder, "--config", str(config)) as daemon:
        daemon.stub.start("echo")
        for number in range(12):
            daemon.stub("DetectAnomalies", bytes_request("echo", picture(100 + number * 5)))
        wait_until(lambda: _lines(folder / "events") == 6, "the events are there")
        wait_until(lambda: list((folder / "state" / "records" / "pictures").rglob("*.json")), "pictures are kept")
    yield load_settings({}, config=config)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def _by_check(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_where_all_is_well_each_is_one_ok_line(used: Settings) -> None:
    found = _by_check(examine_records(used))
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}, found
    assert found["event mes"].found.startswith("6 sent, 0 wait, 0 were dropped: ")
    assert found["event mes"].found.endswith("/events can be written")
    # Some of pictures that come as fast as that are skipped.
    assert re.fullmatch("[1-6] anomalous in 0 of 16 MiB", found["kept pictures"].found)
    assert found["records"].found.startswith(f"0 of 1024 MiB in {used.state_dir}/records/records.db, the last of 20")
    (trail,) = examine_audit(used)
    assert trail.verdict is Verdict.OK
    assert trail.found.startswith("whole: entries 1 to ")


def test_a_trail_that_was_cut_is_told_of(used: Settings, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    (trail,) = examine_audit(settings)
    assert (trail.verdict, trail.found) == (Verdict.OK, f"none yet in {tmp_path}")
    for path in Path(used.state_dir).glob("audit*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:-2]))
    (trail,) = examine_audit(settings)
    assert (trail.verdict, trail.remedy) == (Verdict.NOTE, "edge-agent audit verify")
    assert f"not whole: the trail ends with entry {len(lines) - 2}, but {len(lines)} were written" in trail.found
    (trail,) = examine_audit(Settings(state_dir=str(tmp_path), audit="off"))
    assert trail.found == "who starts and stops models is not written down"
