"""Files that are sent in parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.errors import Conflict, StudioError
from edge_agent.studio.store.partial import Partial

KEY = "0123456789abcdef"


@pytest.fixture
def partial(tmp_path: Path) -> Partial:
    return Partial(tmp_path / "partial")


def part(folder: Path, content: bytes) -> Path:
    path = folder / "part"
    path.write_bytes(content)
    return path


def test_parts_become_the_file_also_by_another_process(partial: Partial, tmp_path: Path) -> None:
    assert partial.received(KEY) == 0
    assert partial.append(KEY, 0, part(tmp_path, b"one "), 100) == 4
    again = Partial(tmp_path / "partial")
    assert again.received(KEY) == 4
    assert again.append(KEY, 4, part(tmp_path, b"two"), 100) == 7
    assert again.take(KEY, tmp_path / "whole").read_bytes() == b"one two"
    assert partial.received(KEY) == 0


def test_a_part_that_does_not_go_on_is_refused_and_told_where_it_would(partial: Partial, tmp_path: Path) -> None:
    partial.append(KEY, 0, part(tmp_path, b"one"), 100)
    with pytest.raises(Conflict, match=r"3 bytes of this file are here, .* not at 0"):
        partial.append(KEY, 0, part(tmp_path, b"one"), 100)
    with pytest.raises(StudioError, match="more than 0 MiB"):
        partial.append(KEY, 3, part(tmp_path, b"more"), 6)
    assert partial.received(KEY) == 3


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "0123456789ABCDEF", "a" * 65])
def test_a_key_leads_nowhere_else(partial: Partial, key: str) -> None:
    with pytest.raises(StudioError, match="expected 16 to 64 digits of hex"):
        partial.received(key)


def test_what_nobody_goes_on_with_goes_after_a_week(partial: Partial, tmp_path: Path) -> None:
    partial.append(KEY, 0, part(tmp_path, b"one"), 100)
    os.utime(tmp_path / "partial" / KEY, (0, 0))
    partial.append(KEY[::-1], 0, part(tmp_path, b"two"), 100)
    assert (partial.received(KEY), partial.received(KEY[::-1])) == (0, 3)
