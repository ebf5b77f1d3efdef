"""Folders that are named as a model component's and are none: the sentence says what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.component.misnamed import describe_misnamed
from tests.support.commands import failed, run


@pytest.fixture
def models(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for place in ("plates/1.9.0", "plates/1.10.0", "bread/1.0.0"):
        (models / place).mkdir(parents=True)
        (models / place / "manifest.json").touch()
    (models / "plates" / ".being-written").mkdir()
    (models / "plates" / "1.11.0").mkdir()  # without a manifest
    return models


def test_the_folder_of_a_models_versions(models: Path) -> None:
    folder = models / "plates"
    said = (
        f"{folder} is not a model component: manifest.json is missing; it is the folder of versions 1.9.0, 1.10.0 of "
        f"one: name {folder}/1.10.0"
    )
    assert describe_misnamed(folder) == said
    wanted = ("--target-platform", "LINUX/X86_64", "--location", str(models.parent / "made"))
    assert failed(run("package", str(folder), *wanted)) == f"edge-agent: {said}"


def test_other_folders(models: Path) -> None:
    said = describe_misnamed(models)
    assert said.endswith(f"it is a folder of models, bread, plates: name one, such as {models}/bread/1.0.0")
    assert describe_misnamed(models / "plates" / "2.0.0").endswith(f"{models / 'plates'} has 1.9.0, 1.10.0")
    assert "does not exist, expected the folder of one version" in describe_misnamed(models / "none")
    assert "manifest.json is missing; expected the folder of one version" in describe_misnamed(models / "plates/1.11.0")
    assert "is not a folder" in describe_misnamed(models / "plates" / "1.9.0" / "manifest.json")
