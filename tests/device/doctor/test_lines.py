"""What doctor says of lines: right and wrong files, lines that run, and lines whose file is elsewhere."""

from __future__ import annotations

from pathlib import Path

from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.device.doctor.lines import examine_lines
from edge_agent.line.status import Status


def _file(folder: Path, name: str, more: str = "") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(
        f'name = "{name}"\n[source]\nkind = "http"\nport = 8080\n[model]\nname = "flange"\n{more}'
    )


def test_each_line_has_a_line(tmp_path: Path) -> None:
    files, state = tmp_path / "files", tmp_path / "state"
    for name in ("inspects", "stands", "rests", "new"):
        _file(files, name)
    _file(files, "wrong", "nme = 1\nregon = 2\n")
    (files / "unreadable.toml").mkdir()
    gone = 2**22 + 1  # no process has a number as high as that
    for name, status in {
        "inspects": Status(able=True, problem="", passed=7, rejected=2, early=1),
        "stands": Status(problem="model 'flange' is STOPPED", failed=3),
        "rests": Status(able=True, process=gone, supervisor=gone),
        "elsewhere": Status(able=True, file="/opt/elsewhere.toml"),
        "long gone": Status(able=True, process=gone, supervisor=gone),
    }.items():
        status.write(state / "lines" / name)
    found: dict[str, Finding] = {finding.check: finding for finding in examine_lines(files, state)}
    assert found.keys() == {f"line {name}" for name in
                            ("inspects", "stands", "rests", "new", "wrong", "unreadable", "elsewhere")}  # fmt: skip
    inspects = found["line inspects"]
    assert inspects.found == "can inspect: 7 passed, 2 rejected, 0 to be looked at, 0 failed, 1 early"
    assert found["line stands"].found.startswith("is at its safe state: model 'flange' is STOPPED (0 passed,")
    assert found["line rests"].found.endswith("rests.toml is right, the line does not run")
    assert found["line new"].remedy == "systemctl start edge-agent-line@new"
    assert found["line wrong"].remedy.endswith("wrong.toml names 1 more")
    assert "is not a key; did you mean " in found["line wrong"].found
    assert "can't be read: Is a directory" in found["line unreadable"].found
    right = {"line inspects", "line elsewhere"}
    assert {name for name, finding in found.items() if finding.verdict is Verdict.OK} == right


def test_a_device_without_lines_says_nothing(tmp_path: Path) -> None:
    assert list(examine_lines(tmp_path / "none", tmp_path)) == []
