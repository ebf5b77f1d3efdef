"""What the kernel says of the processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.hardware.processor import second_level_bytes


def _cache(folder: Path, number: int, level: str, size: str) -> None:
    (folder / f"index{number}").mkdir()
    (folder / f"index{number}" / "level").write_text(f"{level}\n")
    (folder / f"index{number}" / "size").write_text(f"{size}\n")


def test_the_second_level_cache(tmp_path: Path) -> None:
    for number, (level, size) in enumerate([("1", "32K"), ("1", "32K"), ("2", "1024K"), ("3", "32768K")]):
        _cache(tmp_path, number, level, size)
    assert second_level_bytes(tmp_path) == 1 << 20


@pytest.mark.parametrize(("level", "size"), [("1", "32K"), ("2", "large"), ("", "")])
def test_a_kernel_that_does_not_say(tmp_path: Path, level: str, size: str) -> None:
    assert second_level_bytes(tmp_path) == 0
    _cache(tmp_path, 0, level, size)
    assert second_level_bytes(tmp_path) == 0
