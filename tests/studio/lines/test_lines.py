"""Lines as the pages show them: whose they are, how they stand, and who may stop them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_agent.errors import Conflict, NotThere, StudioError
from edge_agent.line.status import PICTURE_NAME, LastPart, Status
from edge_agent.studio.lines.composing import NewLine, compose
from edge_agent.studio.lines.lines import Lines
from edge_agent.studio.lines.systemd import Systemd


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lines:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr("edge_agent.studio.lines.lines.SYSTEM_STATE", tmp_path / "none")
    monkeypatch.setattr("time.strftime", lambda _: "2026-11-29")  # no midnight while a test runs
    folder = tmp_path / "lines"
    return Lines(folder, tmp_path / "runs", Systemd(folder, booted=tmp_path / "none"))


def write(lines: Lines, name: str, place: Path) -> None:
    lines.files.write(name, compose(NewLine(name=name, place=str(place), model="flange")), "", draft=False)


def test_a_line_that_somebody_else_runs_is_shown_and_left_to_them(lines: Lines, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "lines" / "gate"
    status = Status(able=True, problem="", name="gate", cycle_ms=500, models=("flange",), source="folder /in")
    status.decided(LastPart("4711", "reject", "anomalous", time.time(), 12))
    status.write(folder)  # by this process, which runs
    (elsewhere,) = lines.all()
    assert (elsewhere.name, elsewhere.by, elsewhere.state, elsewhere.is_there) == ("gate", "other", "inspecting", False)
    assert elsewhere.today is not None
    assert (elsewhere.today.rejected, elsewhere.cycle_ms, elsewhere.source) == (1, 500, "folder /in")
    with pytest.raises(NotThere, match="shows no picture"):
        lines.picture("gate")

    write(lines, "gate", tmp_path)
    (found,) = lines.all()
    assert (found.by, found.is_there, found.can_start, found.can_stop) == ("other", True, False, False)
    for verb in ("start", "stop", "restart"):
        with pytest.raises(Conflict, match="was started by somebody else"):
            lines.act(verb, "gate")
    with pytest.raises(Conflict, match="runs; stop it before"):
        lines.remove("gate", lines.files.read("gate").revision, draft=False)
    (folder / PICTURE_NAME).write_bytes(b"jpeg")
    status.picture, status.able, status.problem = True, False, "the camera gives nothing"
    status.write(folder)
    assert lines.picture("gate") == folder / PICTURE_NAME
    assert (lines.get("gate").state, lines.get("gate").why) == ("safe", "the camera gives nothing")
    status.process_started = status.supervisor_started = 1  # as if both had been killed, and others had their numbers
    status.write(folder)
    assert (lines.get("gate").state, lines.get("gate").can_start) == ("stopped", True)


def test_what_is_not_right_is_not_started(lines: Lines, tmp_path: Path) -> None:
    write(lines, "one", tmp_path)
    assert (lines.get("one").state, lines.get("one").can_start) == ("stopped", True)
    with pytest.raises(Conflict, match="does not run"):
        lines.act("stop", "one")
    text = lines.files.path("one").read_text()
    lines.files.path("one").write_text(text.replace("after", "afer"))
    assert (lines.get("one").state, lines.get("one").why) == (
        "mistakes",
        "source.afer is not a key; did you mean after?",
    )
    with pytest.raises(StudioError, match=r"has mistakes, the first: source\.afer"):
        lines.act("start", "one")
    lines.files.write("two", "name = ", "", draft=True)
    two = lines.get("two")
    assert (two.is_there, two.has_draft, two.can_start, two.mistakes) == (False, True, False, 1)
    with pytest.raises(NotThere):
        lines.get("none")


def test_a_line_that_is_to_run_and_has_no_file_any_more_is_forgotten(lines: Lines, tmp_path: Path) -> None:
    kept = tmp_path / "runs" / "gone" / "keeper.json"
    kept.parent.mkdir(parents=True)
    for content in ('{"process": 1073741824, "started": 1}', "no json", '{"process": null}'):
        kept.write_text(content)
        assert lines.keeping.wanted() == ["gone"]
        lines.revive()
        assert not kept.exists()
