"""What a deployed version has replaced goes when that serves; nothing else goes, whatever a note says."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge_agent.serving.catalogue.predecessors import Predecessors

OLD, NEW = "1.0.0-0123456789ab", "1.1.0-ba9876543210"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A registry, and the work folder of a component with two versions, the newer of which is registered."""
    for folder in ("registry", f"work/{OLD}", f"work/{NEW}", "elsewhere/1.0.0-0123456789ab"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "registry" / "cookies").symlink_to(tmp_path / "work" / NEW)
    return tmp_path


def _note(place: Path, target: Path, name: str | None = None) -> Path:
    note = place / "registry" / (name or f".cookies.before-{target.name}")
    note.symlink_to(target)
    return note


def _look(place: Path, served: str = NEW) -> list[str]:
    Predecessors(place / "registry").remove({"cookies": place / "work" / served})
    return sorted(path.name for path in (place / "work").iterdir())


def test_it_goes_when_its_successor_serves(place: Path) -> None:
    note = _note(place, place / "work" / OLD)
    assert _look(place, served=OLD) == [OLD, NEW]
    assert note.is_symlink(), "the one before serves: it may go later"
    assert _look(place) == [NEW]
    assert not note.is_symlink()


def test_without_a_note_it_stays(place: Path) -> None:
    assert _look(place) == [OLD, NEW]


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("elsewhere/1.0.0-0123456789ab", None),
        (f"work/{NEW}", None),
        (f"work/{OLD}", ".others.before-1.0.0-0123456789ab"),
        ("elsewhere", ".cookies.before-elsewhere"),
        (f"work/{OLD}", ".cookies.before-.."),
        ("registry", ".cookies.new"),
    ],
    ids=["another folder", "what serves", "another model's", "no version", "the folder above", "no note"],
)
def test_nothing_else_goes(place: Path, target: str, name: str | None) -> None:
    _note(place, place / target, name)
    assert _look(place) == [OLD, NEW]
    assert (place / "elsewhere" / "1.0.0-0123456789ab").is_dir()


def test_one_that_is_deployed_again_meanwhile_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its startup makes the link just before the folder goes, and was content with the folder."""
    rename = Path.rename

    def register(folder: Path, target: str) -> Path:
        (place / "registry" / "cookies").unlink(missing_ok=True)
        (place / "registry" / "cookies").symlink_to(place / "work" / OLD)
        return rename(folder, target)

    monkeypatch.setattr(Path, "rename", register)
    _note(place, place / "work" / OLD)
    with caplog.at_level(logging.INFO):
        assert _look(place) == [OLD, NEW]
    assert not caplog.records


def test_one_that_is_unpacked_again_meanwhile_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def unpack(folder: Path, target: str) -> Path:
        (place / "registry" / "cookies").unlink(missing_ok=True)
        (place / "registry" / "cookies").symlink_to(place / "work" / OLD)
        renamed = rename(folder, target)
        (place / "work" / OLD / "new").mkdir(parents=True, exist_ok=True)
        return renamed

    monkeypatch.setattr(Path, "rename", unpack)
    _note(place, place / "work" / OLD)
    assert _look(place) == [OLD, NEW]
    assert (place / "work" / OLD / "new").is_dir()


def test_what_a_startup_has_claimed_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes the note away while the agent is at it."""
    unlink = Path.unlink

    def claimed(note: Path, missing_ok: bool = False) -> None:
        unlink(note)
        unlink(note, missing_ok)

    monkeypatch.setattr(Path, "unlink", claimed)
    _note(place, place / "work" / OLD)
    with caplog.at_level(logging.INFO):
        assert _look(place) == [OLD, NEW]
    assert not caplog.records


def test_what_can_not_be_removed_is_said_once(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    note = _note(place, place / "work" / OLD)
    (place / "work" / f"{OLD}.0" / "left").mkdir(parents=True)
    with caplog.at_level(logging.INFO):
        assert _look(place) == _look(place) == [OLD, f"{OLD}.0", NEW]
    (text,) = [record.getMessage() for record in caplog.records]
    assert text.endswith("stays until the component is started again: Directory not empty")
    assert not note.is_symlink()


def test_a_note_that_leads_nowhere_goes(place: Path) -> None:
    notes = [_note(place, place / "gone" / OLD, f".{name}.before-{OLD}") for name in ("cookies", "removed")]
    kept = _note(place, place / "gone", ".cookies.new")
    assert _look(place) == [OLD, NEW]
    assert not any(note.is_symlink() for note in notes)
    assert kept.is_symlink()


def test_a_registry_that_is_not_there_has_no_notes(tmp_path: Path) -> None:
    Predecessors(tmp_path / "registry").remove({"cookies": tmp_path})
