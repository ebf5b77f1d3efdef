"""The copy that a component is loaded from where signatures are required, and what is left of it: nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from edge_agent.component.manifest import Manifest, decode_manifest
from edge_agent.component.private_copy import private_copy
from edge_agent.errors import ComponentError, InternalError
from tests.support.fakes import write_echo


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def component(tmp_path: Path) -> tuple[Path, Manifest]:
    folder = write_echo(tmp_path / "models")
    return folder, decode_manifest((folder / "manifest.json").read_bytes(), source="test")


def test_it_holds_the_artifacts_and_nothing_else(place: Path, component: tuple[Path, Manifest]) -> None:
    folder, manifest = component
    (folder / "beside.bin").write_bytes(b"not in the manifest")
    with private_copy(folder, manifest) as copy:
        assert copy.parent == place
        assert copy.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in copy.iterdir()] == ["model.onnx"]
        assert (copy / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    assert list(place.iterdir()) == []


def test_a_file_that_differs_leaves_nothing_behind(place: Path, component: tuple[Path, Manifest]) -> None:
    folder, manifest = component
    (folder / "model.onnx").write_bytes(b"another")
    with pytest.raises(ComponentError, match=r"^artifact 'model\.onnx' has SHA-256"), private_copy(folder, manifest):
        pass
    assert list(place.iterdir()) == []


def test_what_a_killed_worker_left_is_removed_by_the_next(place: Path, component: tuple[Path, Manifest]) -> None:
    left = place / "edge-agent-checked-left"
    left.mkdir()
    (left / "model.onnx").write_bytes(b"of a worker that was killed")
    other = place / "edge-agent-checked-link"
    other.symlink_to(component[0])
    with private_copy(*component) as first, private_copy(*component) as second:
        assert not left.exists()
        assert sorted(path for path in place.iterdir() if not path.is_symlink()) == sorted([first, second])
    assert (component[0] / "model.onnx").exists(), "a link of somebody's leads nowhere"


def test_no_room_is_no_fault_of_the_component(
    component: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with (
        pytest.raises(InternalError, match=r"^the component can't be copied to where it is checked and loaded from: "),
        private_copy(*component),
    ):
        pass
