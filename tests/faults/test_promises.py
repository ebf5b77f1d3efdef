"""docs/reliability.md names a test for each promise, and each test of this folder shows one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = set(re.findall(r"`(tests/\S+\.py)::(\w+)`", PAGE))


def _tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 20
    missing = [f"{path}::{name}" for path, name in NAMED if name not in _tests(ROOT / path)]
    assert not missing


def test_every_fault_that_is_tried_is_written_down() -> None:
    there = {
        (str(path.relative_to(ROOT)), name)
        for path in Path(__file__).parent.glob("test_*.py")
        if path != Path(__file__)
        for name in _tests(path)
    }
    assert not there - NAMED


def test_each_row_of_a_table_names_its_test() -> None:
    promised = PAGE.partition("## Figures")[0]
    rows = [line for line in promised.splitlines() if line.startswith("| ") and not line.startswith("| fault |")]
    assert len(rows) > 20
    assert not [row for row in rows if "`tests/" not in row.rpartition(" | ")[2]]
