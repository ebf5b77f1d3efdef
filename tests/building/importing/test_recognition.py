"""Where a component's manifest may lie, and what is said when it plays no part."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest

from edge_agent.building.importing.component import Identity
from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.building.importing.importer import Result, import_model
from edge_agent.building.importing.recognition import Format
from edge_agent.errors import ImportFailed
from tests.building.importing.formats import IMAGE, STAGE, Nobody, graph_manifest, imported, network, write_dda

LABELS = ["background", "rust", "ink"]


def labels(result: Result) -> list[str]:
    assert result.format == "dda"
    assert result.manifest.threshold == STAGE["threshold"]
    return [label.name for label in result.manifest.labels]


@pytest.mark.parametrize("place", ["part", "a/part", "a/b/part"])
def test_a_component_below_the_folder_that_is_named(tmp_path: Path, place: str) -> None:
    write_dda(tmp_path / "source" / place)
    assert labels(imported(tmp_path / "source", tmp_path / "models")) == LABELS


@pytest.mark.parametrize("depth", ["", "part/", "a/part/"])
def test_a_zip_that_macos_wrote(tmp_path: Path, depth: str) -> None:
    folder = write_dda(tmp_path / "dda")
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as archive:
        for path in ("manifest.json", "mochi/model.onnx"):
            archive.write(folder / path, depth + path)
            archive.writestr(f"__MACOSX/{depth}{path}".replace("model.onnx", "._model.onnx"), b"\x00\x05\x16\x07")
            archive.writestr(f"{depth}._{path.replace('/', '.')}", b"\x00\x05\x16\x07")
        archive.writestr(".DS_Store", b"\x00\x00\x00\x01Bud1")
    assert labels(imported(tmp_path / "part.zip", tmp_path / "models")) == LABELS


def test_the_onnx_file_of_a_component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in its stage's folder and beside the manifest, also by a name without folders."""
    folder = write_dda(tmp_path / "dda")
    file = folder / "mochi" / "model.onnx"
    assert labels(imported(file, tmp_path / "models")) == LABELS
    assert labels(imported(file.parent, tmp_path / "models")) == LABELS, "the folder of its stage"
    monkeypatch.chdir(file.parent)
    assert labels(imported(Path("model.onnx"), tmp_path / "models")) == LABELS
    shutil.copy(file, folder / "model.onnx")
    assert labels(imported(folder / "model.onnx", tmp_path / "models")) == LABELS


def test_nothing_is_looked_for_around_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may write a manifest.json into the folder for temporary files."""
    folder = write_dda(tmp_path / "dda", ["score"], segmentation_head_enabled=False)
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.write(folder / "mochi" / "model.onnx", "model.onnx")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    result = imported(tmp_path / "net.zip", tmp_path / "models", Wanted(IMAGE, 0.5), WantedOnnx(score_index=0))
    assert (result.format, result.notes) == ("onnx", ())


def test_a_manifest_of_another_file_is_not_used_and_named(tmp_path: Path) -> None:
    folder = write_dda(tmp_path / "dda")
    (folder / "mochi" / "other.onnx").write_bytes(network(["score"]).SerializeToString())
    onnx = WantedOnnx(score_index=0)
    result = imported(folder / "mochi" / "other.onnx", tmp_path / "models", Wanted(IMAGE, 0.5), onnx)
    assert result.format == "onnx"
    assert result.notes == (f"{folder / 'manifest.json'} was not used: the model is read without it",)
    (folder / "manifest.json").write_text("{not a manifest of ours")
    assert imported(folder / "mochi" / "other.onnx", tmp_path / "models", Wanted(IMAGE, 0.5), onnx).notes == ()


@pytest.mark.parametrize("place", ["", "mochi/model.onnx"])
def test_the_user_has_decided_for_onnx(tmp_path: Path, place: str) -> None:
    folder = write_dda(tmp_path / "dda", ["score"])
    said: Format = "onnx"
    result = import_model(
        folder / place, tmp_path / "models", Identity("part", "1.0.0"), Wanted(IMAGE, 0.5), WantedOnnx(score_index=0),
        Nobody(), format=said,
    )  # fmt: skip
    assert result.format == "onnx"
    assert [note for note in result.notes if "was not used" in note] == [
        f"{folder / 'manifest.json'} was not used: the model is read without it"
    ]


def test_several_components_are_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_dda(tmp_path / "source" / name)
    with pytest.raises(ImportFailed, match=r"holds 2 components \(one/manifest\.json, two/manifest\.json\); name the"):
        imported(tmp_path / "source", tmp_path / "models")


def test_a_component_of_ours_below_the_folder(tmp_path: Path) -> None:
    imported(write_dda(tmp_path / "dda"), tmp_path / "models")
    with pytest.raises(ImportFailed, match="is a component of edge-agent already"):
        imported(tmp_path / "models", tmp_path / "again")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_words_of_python(tmp_path: Path, mark: bytes) -> None:
    folder = write_dda(tmp_path / "dda")
    path = folder / "mochi" / ".." / "manifest.json"
    path.write_bytes(mark + path.read_bytes())
    assert labels(imported(folder, tmp_path / "models")) == LABELS
    path.write_bytes(mark + json.dumps(graph_manifest({**STAGE, "max_val_score": float("nan")})).encode())
    with pytest.raises(ImportFailed, match=r"manifest\.json has the value NaN, which JSON does not know"):
        imported(folder, tmp_path / "models")
