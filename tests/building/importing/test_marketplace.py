"""The AWS Marketplace model: TorchScript becomes ONNX and answers the same. Needs torch; .ci/run installs it."""

from __future__ import annotations

import importlib
import json
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.building.importing import torchscript
from edge_agent.building.importing.draft import Wanted
from edge_agent.errors import ImportFailed
from tests.building.importing.formats import (
    IMAGE,
    INPUT,
    MEAN,
    STAGE,
    STD,
    Served,
    answer,
    graph_manifest,
    imported,
    pictures,
)
from tests.support.commands import run

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:")  # the tests make TorchScript, which is deprecated


@pytest.fixture(scope="module")
def scripts() -> Any:
    """Give the module torchscripts: torch is loaded by who runs these tests, not by everybody who collects them."""
    pytest.importorskip("torch", reason="torch is not installed: pip install 'edge-agent[segmentation]'")
    return importlib.import_module("tests.building.importing.torchscripts")


def pack(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, ".")
    return target


@pytest.mark.parametrize("mask", [True, False])
def test_an_archive_of_the_training_job(scripts: Any, tmp_path: Path, mask: bool) -> None:
    flags = {"segmentation_head_enabled": mask, "classification_logic": "cls_head" if mask else None}
    archive = pack(scripts.write(tmp_path / "job", scripts.Network(mask=mask), flags=flags), tmp_path / "model.tar.gz")
    result = imported(archive, tmp_path / "models")
    assert result.format == "marketplace"
    assert (result.manifest.image.width, result.manifest.image.height) == IMAGE
    assert result.notes == ()
    served, scores = Served(result.folder), []
    for picture in pictures():
        pixels = cv2.resize(picture, INPUT, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        maps, probabilities = answer((pixels - MEAN) / STD)
        verdict, found = served(picture)
        scores.append(float(probabilities[0]))
        assert verdict.score == pytest.approx(scores[-1], abs=2e-3)
        assert (found is not None) == mask
        if found is not None:
            assert 1 - verdict.areas[0].fraction == pytest.approx((maps.argmax(axis=0) > 0).mean(), abs=0.02)
    assert max(scores) - min(scores) > 0.1


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (None, IMAGE),
        (f"dataset: {{image_width: {IMAGE[0]}, image_height: {IMAGE[1]}}}\n", IMAGE),
        ("", INPUT),
        ("dataset: {image_width: wide}\n", INPUT),
        ("a: b\n", INPUT),
    ],
)
def test_the_size_in_config_yaml(scripts: Any, tmp_path: Path, config: str | None, size: tuple[int, int]) -> None:
    """A file that does not say it leaves the network's input, and the size is asked for."""
    folder = scripts.write(tmp_path / "job", scripts.Network(), dataset=False)
    if config is not None:
        (folder / "config.yaml").write_text(config)
    if size == IMAGE:
        manifest = imported(folder, tmp_path / "models").manifest
        assert (manifest.image.width, manifest.image.height) == size
    else:
        with pytest.raises(ImportFailed, match=r"pictures of 48x32 can't be served.* --image-size"):
            imported(folder, tmp_path / "models")
        assert imported(folder, tmp_path / "models", Wanted(IMAGE)).manifest.image.width == IMAGE[0]


def test_a_config_yaml_that_is_none_is_named(scripts: Any, tmp_path: Path) -> None:
    folder = scripts.write(tmp_path / "job", scripts.Network(), dataset=False)
    for content, message in (("dataset: [", "while parsing"), ("made: 2024-13-45", "month must be in 1..12")):
        (folder / "config.yaml").write_text(content)
        with pytest.raises(ImportFailed, match=rf"config\.yaml is not valid YAML: {message}"):
            imported(folder, tmp_path / "models")


def test_a_component_of_dda_with_torchscript(scripts: Any, tmp_path: Path) -> None:
    folder = scripts.write(tmp_path / "job", scripts.Network())
    (folder / "mochi").mkdir()
    (folder / "mochi.pt").rename(folder / "mochi" / "model.pt")
    (folder / "manifest.json").write_text(
        json.dumps(graph_manifest(STAGE, runtime="pytorch", runtime_artifact="model.pt"))
    )
    assert imported(folder, tmp_path / "models").manifest.training["imported"]["converted"] == "model.pt"


def test_a_message_names_the_archive(scripts: Any, tmp_path: Path) -> None:
    archive = pack(
        scripts.write(tmp_path / "job", scripts.Network(), flags={"threshold": 2.0}), tmp_path / "model.tar.gz"
    )
    with pytest.raises(
        ImportFailed, match=rf"^{tmp_path}/model\.tar\.gz/export_artifacts/manifest\.json: threshold is 2"
    ):
        imported(archive, tmp_path / "models")


TALKING = """
def forward(self, picture):
    print("shape is", picture.shape)
    return torch.softmax(torch.mean(picture, [2, 3])[:, :2], 1)
"""


@pytest.mark.long
def test_what_a_model_prints_is_not_in_the_json(scripts: Any, tmp_path: Path) -> None:
    folder = scripts.write(tmp_path / "job", scripts.Network(mask=False), flags={"segmentation_head_enabled": False})
    script = scripts.torch.jit.ScriptModule()
    script.define(TALKING)
    scripts.torch.jit.save(script, str(folder / "mochi.pt"))
    done = run("import", folder, "-o", tmp_path / "models", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["format"] == "marketplace"
    assert "shape is" in done.stderr


def test_a_model_that_answers_otherwise_is_not_written(scripts: Any, tmp_path: Path) -> None:
    folder = scripts.write(tmp_path / "job", scripts.Unstable(), flags={"segmentation_head_enabled": False})
    with pytest.raises(ImportFailed, match=r"is off by .* from torch's on a random picture, expected at most"):
        imported(folder, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_files_that_torch_can_not_use(scripts: Any, tmp_path: Path) -> None:
    folder = scripts.write(tmp_path / "job", scripts.Network())
    data = (folder / "mochi.pt").read_bytes()
    for content in (b"", b"garbage", data[: len(data) // 2]):
        (folder / "mochi.pt").write_bytes(content)
        with pytest.raises(ImportFailed, match=r"mochi\.pt is not a TorchScript file"):
            imported(folder, tmp_path / "models")
    scripts.torch.save({"weights": scripts.torch.zeros(2)}, folder / "mochi.pt")
    with pytest.raises(ImportFailed, match=r"mochi\.pt is not a TorchScript file"):
        imported(folder, tmp_path / "models")
    (folder / "mochi.pt").unlink()
    with pytest.raises(ImportFailed, match="compiled for one device"):
        imported(folder, tmp_path / "models")


def test_a_script_whose_shape_is_another(scripts: Any, tmp_path: Path) -> None:
    """The manifest says 48x32 and the network takes only what its linear layer fits."""
    network = scripts.nn.Sequential(
        scripts.nn.Flatten(), scripts.nn.Linear(3 * INPUT[0] * INPUT[1], 2), scripts.nn.Softmax(1)
    )
    wrong = {"segmentation_head_enabled": False, "image_width": 64, "image_height": 64}
    folder = scripts.write(tmp_path / "job", network, flags=wrong)
    with pytest.raises(ImportFailed, match=r"torch can't run .*mochi\.pt or write it as ONNX: "):
        imported(folder, tmp_path / "models")


def test_without_torch(scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = scripts.write(tmp_path / "job", scripts.Network())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportFailed, match=r"extras \[cpu,import,segmentation\]"):
        torchscript.convert(folder / "mochi.pt", (1, 3, 32, 48))
