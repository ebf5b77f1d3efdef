"""The trail: what was done to it is found, what could not be written is told of."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.serving.auditing.chain import Link, read_line, write_line
from edge_agent.serving.auditing.files import HEAD_NAME, LOCK_NAME, NAME, part_name, parts
from edge_agent.serving.auditing.reading import read_entries, verify
from edge_agent.serving.auditing.trail import Trail

Lines = list[bytes]


def _write(folder: Path, count: int, most: int = 1 << 20) -> None:
    trail = Trail(folder, most)
    for number in range(count):
        trail.append([{"event": "running", "model": f"m{number % 2}", "version": f"1.0.{number}"}])
    trail.close()


def test_a_trail_is_whole_and_goes_on_with_the_next_daemon(tmp_path: Path) -> None:
    for _ in range(3):
        _write(tmp_path, 5)
    found = verify(tmp_path)
    assert (found.entries, found.first, found.last, found.gaps, found.problems) == (15, 1, 15, 0, [])
    assert [entry["version"] for entry in read_entries(tmp_path, model="m1")] == ["1.0.1", "1.0.3"] * 3
    assert not list(read_entries(tmp_path, since="9999"))


def _edited(lines: Lines, number: int) -> Lines:
    changed = lines[number].replace(b"running", b"stopped")
    assert changed != lines[number]
    return [*lines[:number], changed, *lines[number + 1 :]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: lines[1:], "begins with entry 2: entries before it were removed"),
        (lambda lines: [*lines[:3], *lines[4:]], "entry 5 follows entry 3: what stood between them was removed"),
        (lambda lines: lines[:-1], "ends with entry 8, but 9 were written: the last were removed"),
        (lambda lines: lines[:0], "ends with entry 0, but 9 were written"),
        (lambda lines: _edited(lines, 0), "entry 1, the first, was edited"),
        (lambda lines: _edited(lines, 4), "entry 5, or the one before it, was edited"),
        (lambda lines: _edited(lines, 8), "entry 9, or the one before it, was edited"),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "entry 3 follows entry 4: they were swapped"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "entry 3 follows entry 3: they were swapped, or one was"),
        (lambda lines: [*lines[:3], b"a word", *lines[3:]], "line 4: it is not an entry"),
        (lambda lines: [*lines[:3], b"{}", *lines[3:]], "line 4: it is not an entry"),
    ],
    ids=["first removed", "removed", "last removed", "all removed", "first edited", "edited", "last edited", "swapped",
         "doubled", "a word", "no entry"],
)  # fmt: skip
def test_what_was_done_to_a_line_is_found(tmp_path: Path, change: Callable[[Lines], Lines], problem: str) -> None:
    _write(tmp_path, 9)
    file = tmp_path / NAME
    file.write_bytes(b"".join(line + b"\n" for line in change(file.read_bytes().splitlines())))
    assert any(problem in told for told in verify(tmp_path).problems), verify(tmp_path).problems


def test_a_line_whose_hash_was_made_anew_does_not_fit_the_next(tmp_path: Path) -> None:
    _write(tmp_path, 9)
    file = tmp_path / NAME
    lines = file.read_bytes().splitlines()
    _, before = read_line(lines[3])
    lines[4], _ = write_line(before, {"event": "nothing happened"})
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    assert verify(tmp_path).problems == ["audit.jsonl, line 6: entry 6, or the one before it, was edited"]


def test_a_trail_whose_end_was_removed_says_so_although_it_goes_on(tmp_path: Path) -> None:
    _write(tmp_path, 9)
    file = tmp_path / NAME
    file.write_bytes(b"".join(line + b"\n" for line in file.read_bytes().splitlines()[:6]))
    _write(tmp_path, 9)
    assert verify(tmp_path).problems == ["audit.jsonl, line 7: the agent found 6 entries where 9 were written"]


@pytest.mark.parametrize("head", [None, b"", b"a word"], ids=["missing", "empty", "no head"])
def test_a_trail_without_the_note_of_its_last_entry_is_not_whole(tmp_path: Path, head: bytes | None) -> None:
    _write(tmp_path, 9)
    file = tmp_path / NAME
    file.write_bytes(b"".join(line + b"\n" for line in file.read_bytes().splitlines()[:6]))
    for name in (HEAD_NAME, LOCK_NAME):
        if head is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(head)
    (problem,) = verify(tmp_path).problems
    assert "audit.head is missing or can't be read" in problem
    assert "entries after 6 were removed" in problem


def _cut(folder: Path, left: int, *removed: str) -> None:
    file = folder / NAME
    file.write_bytes(b"".join(line + b"\n" for line in file.read_bytes().splitlines()[:left]))
    for name in removed:
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("removed", "problem"),
    [
        ([HEAD_NAME], "line 7: the agent found 6 entries where 9 were written"),
        ([HEAD_NAME, LOCK_NAME], "line 7: the agent found no audit.head, and 6 entries; nothing told as the last"),
    ],
    ids=["its note", "both notes"],
)
def test_an_end_that_was_removed_with_its_note_is_found_after_the_next_start(
    tmp_path: Path, removed: list[str], problem: str
) -> None:
    _write(tmp_path, 9)
    _cut(tmp_path, 6, *removed)
    _write(tmp_path, 9)
    assert verify(tmp_path).problems == [f"audit.jsonl, {problem}"]


def test_a_note_alone_that_was_removed_is_told_of(tmp_path: Path) -> None:
    _write(tmp_path, 9)
    (tmp_path / HEAD_NAME).unlink()
    assert verify(tmp_path).problems == ["audit.head is missing or can't be read"]
    _write(tmp_path, 1)
    (problem,) = verify(tmp_path).problems
    assert problem.endswith("the agent found no audit.head, and 9 entries; audit.lock named 9 as the last")


def test_a_last_entry_that_was_exchanged_is_found_after_the_next_start(tmp_path: Path) -> None:
    _write(tmp_path, 9)
    lines = (tmp_path / NAME).read_bytes().splitlines()
    _cut(tmp_path, 8)
    with (tmp_path / NAME).open("ab") as file:
        file.write(write_line(read_line(lines[7])[1], {"event": "nothing happened"})[0] + b"\n")
    assert verify(tmp_path).problems == ["entry 9 is not the one that was written"]
    _write(tmp_path, 1)
    assert "line 10: the agent found another entry before it" in verify(tmp_path).problems[0]


def test_a_whole_trail_that_was_made_anew_is_found_by_an_entry_from_elsewhere(tmp_path: Path) -> None:
    trail = Trail(tmp_path, 1 << 20)
    trail.append([{"event": "running"}] * 3)
    entry, _, digest = trail.end.partition(":")
    trail.close()
    known = Link(int(entry), digest[:16])
    assert verify(tmp_path, [known]).problems == []
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "records").mkdir()
    trail = Trail(tmp_path, 1 << 20, ["records"])
    trail.append([{"event": "running"}] * 1)
    trail.close()
    found = verify(tmp_path, [known])
    assert found.problems == ["entry 3 is not there: the entries that are there are 1 to 2"]
    assert "begins in a folder that was used before (records)" in found.notes[0]
    trail = Trail(tmp_path, 1 << 20, ["records"])
    trail.append([{"event": "running"}] * 1)
    trail.close()
    assert "it is another one" in verify(tmp_path, [known]).problems[0]


def test_parts_that_somebody_removed_or_emptied_are_told_of_and_hinder_nothing(tmp_path: Path) -> None:
    _write(tmp_path, 300, most=16_000)
    _, empty, removed, *_ = parts(tmp_path)
    empty.write_bytes(b"")
    removed.unlink()
    _write(tmp_path, 300, most=16_000)
    assert empty.exists()
    assert removed.name not in [path.name for path in parts(tmp_path)]
    assert sum(path.stat().st_size for path in parts(tmp_path)) < 20_000
    assert verify(tmp_path).last > 600
    for path in parts(tmp_path)[:-1]:
        path.unlink()
    (tmp_path / NAME).write_bytes(b"")
    (tmp_path / part_name(1)).write_bytes(b"")
    _write(tmp_path, 1)
    assert "the agent found 0 entries where" in " ".join(verify(tmp_path).problems)


def test_a_trail_that_has_just_begun_is_whole(tmp_path: Path) -> None:
    _write(tmp_path, 0)
    assert verify(tmp_path).problems == []


def test_it_is_kept_in_parts_and_the_oldest_are_deleted(tmp_path: Path) -> None:
    _write(tmp_path, 300, most=16_000)
    assert len(parts(tmp_path)) > 4
    assert sum(path.stat().st_size for path in parts(tmp_path)) < 20_000
    found = verify(tmp_path)
    assert found.problems == []
    assert found.first > 1
    assert found.entries == found.last - found.first + 1
    oldest = parts(tmp_path)[0]
    oldest.write_bytes(oldest.read_bytes().replace(b'"time":"2', b'"time":"3', 1))
    assert verify(tmp_path).problems == [f"entry {found.first}, the first, was edited"]
    oldest.unlink()
    assert "entries before it were removed" in verify(tmp_path).problems[0]


def test_on_a_full_disk_entries_are_lost_and_the_gap_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(tmp_path, 1 << 20)
    trail.append([{"event": "running"}])
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        write(descriptor, bytes(data)[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        trail.append([{"event": "failed"}, {"event": "running"}])
        trail.append([{"event": "failed"}])
        assert trail.problem == "No space left on device"
    assert trail.lost == 3
    trail.append([{"event": "running"}])
    assert trail.problem == ""
    trail.close()
    assert [entry["event"] for entry in read_entries(tmp_path)] == ["running", "gap", "running"]
    gap = list(read_entries(tmp_path))[1]
    assert (gap["missing"], gap["reason"]) == (3, "No space left on device")
    found = verify(tmp_path)
    assert (found.entries, found.gaps, found.problems) == (3, 1, [])


def test_what_a_loss_of_power_has_cut_off_is_told(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"entry":4,"time":"20')
    _write(tmp_path, 1)
    assert [entry["event"] for entry in read_entries(tmp_path)] == ["running"] * 3 + ["gap", "running"]
    assert verify(tmp_path).problems == []


def test_only_one_process_writes_it(tmp_path: Path) -> None:
    trail = Trail(tmp_path, 1 << 20)
    with pytest.raises(BlockingIOError):
        Trail(tmp_path, 1 << 20)
    trail.close()
    trail.close()
    Trail(tmp_path, 1 << 20).close()
