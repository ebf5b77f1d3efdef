"""Which models should run is kept in a file that nothing can half write."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge_agent.serving.lifecycle.remembered import RememberedModels


def test_names_survive(tmp_path: Path) -> None:
    first = RememberedModels(tmp_path / "state")
    first.add("a")
    first.add("b")
    first.discard("a")
    first.save()
    assert RememberedModels(tmp_path / "state").names == {"b"}
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["running.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"\xff\xfe", b"[1, 2]"])
def test_a_damaged_file_is_reported_and_replaced(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "running.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        damaged = RememberedModels(tmp_path)
    assert "can't be read" in caplog.text
    damaged.add("a")
    damaged.save()
    assert RememberedModels(tmp_path).names == {"a"}


def test_a_link_in_the_new_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "running.new").symlink_to(tmp_path / "victim")
    remembered = RememberedModels(tmp_path)
    remembered.add("a")
    remembered.save()
    assert RememberedModels(tmp_path).names == {"a"}
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_folder_that_can_not_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    remembered = RememberedModels(tmp_path / "state")
    with caplog.at_level(logging.WARNING):
        remembered.add("a")
        remembered.save()
    assert "running models are not remembered" in caplog.text


def test_what_could_not_be_written_is_written_later_and_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    remembered = RememberedModels(tmp_path / "state")
    remembered.add("a")
    caplog.clear()
    for _ in range(3):
        remembered.save()
        assert not remembered.is_saved
    assert len(caplog.records) == 1
    (tmp_path / "state").unlink()
    remembered.save()
    assert remembered.is_saved
    assert RememberedModels(tmp_path / "state").names == {"a"}
