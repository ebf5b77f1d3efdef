"""Environments of agents that came before: greengrass/predecessors.py."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "greengrass" / "predecessors.py"


@pytest.fixture
def predecessors() -> Any:
    spec = importlib.util.spec_from_file_location("predecessors", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _environment(work: Path, name: str, chosen: int) -> Path:
    (work / name / "lib").mkdir(parents=True)
    for file in ("complete", "chosen"):
        (work / name / file).touch()
    os.utime(work / name / "chosen", (chosen, chosen))
    return work / name


def test_the_older_ones_go(predecessors: Any, tmp_path: Path) -> None:
    _environment(tmp_path, "python3.11-aaaaaaaaaaaa", 1)
    own = _environment(tmp_path, "python3.11-bbbbbbbbbbbb", 2)
    _environment(tmp_path, "python3.12-cccccccccccc", 3)  # a deployment that is under way
    (tmp_path / "state").mkdir()
    predecessors.remove_predecessors(tmp_path, own)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["python3.11-bbbbbbbbbbbb", "python3.12-cccccccccccc", "state"]


def test_one_that_is_half_removed_is_not_complete(
    predecessors: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power fails meanwhile, and the deployment is rolled back: install.sh has to make it anew."""
    old = _environment(tmp_path, "python3.11-aaaaaaaaaaaa", 1)
    own = _environment(tmp_path, "python3.11-bbbbbbbbbbbb", 2)

    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(predecessors.shutil, "rmtree", fail)
    with pytest.raises(KeyboardInterrupt):
        predecessors.remove_predecessors(tmp_path, own)
    assert old.is_dir()
    assert not (old / "complete").exists()
