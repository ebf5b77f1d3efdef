"""Sources: folders with half-written files, video files, and what is away, frozen or too early."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_agent.line.sources.folder import FolderSource
from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Part, Source, SourceFailed
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import Folder, Video
from edge_agent.line.tables.whole import Line
from tests.support.camera import camera
from tests.support.daemon import wait_until
from tests.support.fakes import picture
from tests.support.line import next_part


def _folder(path: Path, **changes: object) -> FolderSource:
    return FolderSource(Folder(**({"kind": "folder", "path": str(path), "settle_seconds": 30.0} | changes)))  # type: ignore[arg-type]


def _opened(table: Video) -> Source:
    return open_source(Line(name="flange", source=table, model=(Model(name="echo"),)))


def _next(source: Source) -> Part:
    return wait_until(lambda: source.next(0.1), "a part comes")  # type: ignore[no-any-return]


def test_a_file_is_taken_when_it_is_closed_and_not_before(tmp_path: Path) -> None:
    whole, data = tmp_path / "made.png", tmp_path / "in"
    data.mkdir()
    Image.fromarray(picture(90)).save(whole)
    content = whole.read_bytes()
    source = _folder(data)
    assert source.next(0) is None
    with (data / "a.png").open("wb") as file:
        file.write(content[:50])
        file.flush()
        assert source.next(0.1) is None, "half-written"
        file.write(content[50:])
    part = _next(source)
    assert part.name == "a.png"
    assert part.pixels is not None
    assert int(part.pixels[0, 0, 0]) == 90
    source.done(part, "pass")
    assert [path.relative_to(data) for path in data.rglob("*.png")] == [Path("done/pass/a.png")]
    shutil.copy(whole, data / "a.png")
    source.done(_next(source), "pass")
    assert sorted(path.name for path in (data / "done/pass").iterdir()) == ["a-2.png", "a.png"]
    source.close()


def test_moved_in_deleted_kept_patterns_and_damage(tmp_path: Path) -> None:
    data = tmp_path / "in"
    data.mkdir()
    Image.fromarray(picture(90)).save(tmp_path / "x.png")
    source = _folder(data, after="delete", pattern="x*")
    assert source.next(0) is None
    shutil.copy(tmp_path / "x.png", data / "other.png")
    (tmp_path / "x.png").rename(data / "x.png")
    part = _next(source)
    source.done(part, "pass")
    assert [path.name for path in data.iterdir()] == ["other.png"]
    (data / "x2.png").write_text("not a picture")
    part = _next(source)
    assert part.pixels is None
    assert "x2.png is not a" in part.problem
    source.close()
    keeping = _folder(data, after="keep", settle_seconds=0.01)
    seen = []
    for _ in range(2):
        part = _next(keeping)
        seen.append(part.name)
        keeping.done(part, "pass")
    assert sorted(seen) == ["other.png", "x2.png"]
    assert keeping.next(0.1) is None
    keeping.close()


def test_a_folder_is_not_listed_for_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "in"
    data.mkdir()
    Image.fromarray(picture(90)).save(tmp_path / "x.png")
    listed = []
    scandir = os.scandir

    def listing(folder: Path) -> object:
        listed.append(folder)
        return scandir(folder)

    monkeypatch.setattr("edge_agent.line.sources.folder.os.scandir", listing)
    monkeypatch.setattr("edge_agent.line.sources.folder._LOOK_SECONDS", 3600.0)
    source = _folder(data, after="delete")
    assert source.next(0) is None
    for number in range(50):
        shutil.copy2(tmp_path / "x.png", data / f"{number:02}.png")
        os.utime(data / f"{number:02}.png", (1000 + number, 1000 + number))
    names = []
    for _ in range(50):
        part = _next(source)
        source.done(part, "pass")
        names.append(part.name)
    assert names == sorted(names), "the oldest first"
    assert len(listed) == 1, "when it was opened"
    assert not list(data.iterdir())
    source.close()


def test_a_picture_that_replaces_one_that_is_inspected_has_its_own_turn(tmp_path: Path) -> None:
    data = tmp_path / "in"
    data.mkdir()
    source = _folder(data)
    assert source.next(0) is None
    for brightness in (90, 150):
        Image.fromarray(picture(brightness)).save(tmp_path / f"{brightness}.png")
    (tmp_path / "90.png").rename(data / "a.png")
    first = _next(source)
    (tmp_path / "150.png").rename(data / "a.png")
    source.done(first, "pass")
    second = _next(source)
    assert second.pixels is not None
    assert int(second.pixels[0, 0, 0]) == 150
    source.done(second, "reject")
    assert [path.relative_to(data) for path in data.rglob("*.png")] == [Path("done/reject/a.png")]
    (data / "b.png").touch()
    gone = _next(source)
    (data / "b.png").unlink()
    source.done(gone, "failed")
    assert source.next(0) is None
    source.close()


def test_a_file_that_can_not_be_moved_is_no_second_part(tmp_path: Path) -> None:
    (tmp_path / "done").write_text("in the way")
    source = _folder(tmp_path)
    assert source.next(0) is None
    Image.fromarray(picture(90)).save(tmp_path / "a.png")
    source.done(_next(source), "pass")
    for _ in range(2):
        with pytest.raises(SourceFailed, match=r"a\.png was decided and can't be moved: "):
            source.next(0.05)
    (tmp_path / "done").unlink()
    assert source.next(0.05) is None, "it is moved, and is not taken again"
    assert (tmp_path / "done/pass/a.png").exists()
    Image.fromarray(picture(91)).save(tmp_path / "b.png")
    assert _next(source).name == "b.png"
    source.close()


def test_a_folder_that_goes_away_is_said_and_found_again(tmp_path: Path) -> None:
    data = tmp_path / "in"
    data.mkdir()
    source = _folder(data)
    assert source.next(0) is None
    data.rmdir()
    with pytest.raises(SourceFailed, match="No such file"):
        source.next(0)
    data.mkdir()
    assert source.next(0) is None
    Image.fromarray(picture(90)).save(data / "a.png")
    assert _next(source).name == "a.png"
    source.close()


def _video(path: Path, greys: list[int]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 64))
    for grey in greys:
        frame = np.zeros((64, 64, 3), np.uint8)
        frame[..., 2] = grey  # red, in OpenCV's order
        writer.write(frame)
    writer.release()
    return path


def _come(source: Source) -> Part | None:
    """Give the next frame, if it has come; that the file is not open yet, or frozen, is no failure here."""
    try:
        return source.next(0.2)
    except SourceFailed as error:
        assert any(said in str(error) for said in ("not yet connected", "no picture yet", "is frozen")), error
        return None


def test_every_frame_of_a_video_is_a_part_in_rgb(tmp_path: Path) -> None:
    path = _video(tmp_path / "line.avi", [60, 120, 180, 240])
    source = _opened(Video(kind="video", address=str(path)))
    reds = []
    while not source.is_over():
        if (part := _come(source)) is not None:
            assert part.pixels is not None
            reds.append(int(part.pixels[32, 32, 0]))
            assert part.pixels[32, 32, 2] < 20
    assert len(reds) == 4
    assert all(abs(red - grey) < 12 for red, grey in zip(reds, [60, 120, 180, 240], strict=True))
    source.close()


def test_a_frozen_camera_is_no_source_of_parts(tmp_path: Path) -> None:
    path = _video(tmp_path / "line.avi", [60] + [120] * 40 + [200])
    source = _opened(Video(kind="video", address=str(path), frozen_frames=3))
    parts = 0
    while not source.is_over():
        parts += _come(source) is not None
    assert parts == 5, "the first of each, two more of the same, and the last: the third repetition is frozen"
    source.close()


def test_a_camera_that_is_not_there_is_said(tmp_path: Path) -> None:
    source = _opened(Video(kind="video", address=str(tmp_path / "none.avi")))

    def said() -> str:
        try:
            source.next(0.05)
        except SourceFailed as error:
            return str(error)
        return ""

    assert wait_until(lambda: "can't be opened" in said(), "the camera is missed")
    source.close()


@pytest.mark.long
def test_a_camera_is_early_unplugged_and_back(tmp_path: Path) -> None:
    with camera() as seen:
        address = seen.address
        source = _opened(Video(kind="video", address=address, queue=2))
        assert next_part(source).pixels is not None  # it says that there is none yet, until the first has come
        left = wait_until(source.left_out, "frames come while two wait")
        assert left[0].is_early
        assert left[0].problem == "it came while 2 others were waiting for the model"

    def said() -> str:
        try:
            source.next(0.05)
        except SourceFailed as error:
            return str(error)
        return ""

    assert address in wait_until(said, "it is missed")
    with camera(seen.port):

        def back() -> Part | None:
            try:
                return source.next(0.05)
            except SourceFailed:
                return None

        assert wait_until(back, "it is back").pixels is not None
        source.close()
