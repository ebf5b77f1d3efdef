"""What `evaluate` says beside its figures: what they leave out, and pictures that the model knows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.building.datasets.manifests.writing import classification
from tests.inference.imaging.test_picture import photo
from tests.support.commands import run

SIZE = (192, 144)


def draw(folder: Path, first: int, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        picture = photo(number, SIZE)
        if folder.name == "anomaly":
            picture[20 : 40 + number % 30, 50:90] = 250
        Image.fromarray(picture).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its training pictures, and others."""
    root = tmp_path_factory.mktemp("circumstances")
    draw(root / "train" / "normal", 0, 8)
    draw(root / "train" / "anomaly", 100, 5)
    draw(root / "unseen" / "normal", 200, 4)
    draw(root / "unseen" / "anomaly", 300, 3)
    done = run("train", root / "train", "-o", root / "models", "--name", "m")
    assert done.returncode == 0, done.stderr
    return root


def test_pictures_that_nobody_labelled_are_in_the_sentence_the_json_the_page_and_the_exit_code(
    root: Path, tmp_path: Path
) -> None:
    lines = [
        classification(str(path), label, "job", "2026-01-01T00:00:00.000000")
        for label in ("normal", "anomaly")
        for path in sorted((root / "unseen" / label).glob("*.png"))
    ]
    for line in lines[-2:]:
        line["anomaly-label-metadata"]["class-name"] = "scratched"
    manifest = tmp_path / "test.manifest"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run("evaluate", root / "models/m/1.0.0", manifest, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "note: 2 pictures are left out, and in none of these figures" in done.stdout
    assert "'scratched'" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "edge-agent: 2 of the pictures are in none of these figures; the notes say why"
    )
    result = json.loads((tmp_path / "out" / "EvaluationResult-m.json").read_text())
    assert result["EdgeAgent"]["LeftOut"] == 2
    assert result["EdgeAgent"]["Notes"][0].startswith("2 pictures are left out")
    assert "2 pictures are left out" in (tmp_path / "out" / "evaluation.html").read_text()


def test_pictures_that_the_model_was_trained_on_are_counted(root: Path, tmp_path: Path) -> None:
    done = run("evaluate", root / "models/m/1.0.0", root / "train", "-o", tmp_path / "out", "--json")
    notes = json.loads(done.stdout)["EdgeAgent"]["Notes"]
    assert notes == ["the model was trained on 13 of these 13 pictures; on them its figures say nothing"]
    shutil.copytree(root / "unseen", tmp_path / "mixed")
    for number in range(3):
        Image.open(root / "train" / "normal" / f"{number}.png").save(
            tmp_path / f"mixed/normal/c{number}.jpg", quality=92
        )
    done = run("evaluate", root / "models/m/1.0.0", tmp_path / "mixed", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0
    notes = json.loads(done.stdout)["EdgeAgent"]["Notes"]
    assert notes == ["3 of these 10 pictures are nearly the same as pictures that the model was trained on"]


def test_pictures_that_look_otherwise_are_told(root: Path, tmp_path: Path) -> None:
    for label in ("normal", "anomaly"):
        (tmp_path / "dark" / label).mkdir(parents=True)
        for path in (root / "unseen" / label).glob("*.png"):
            Image.open(path).point(lambda value: value // 8).save(tmp_path / "dark" / label / path.name)
    done = run("evaluate", root / "models/m/1.0.0", tmp_path / "dark", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0
    assert any("much darker" in note for note in json.loads(done.stdout)["EdgeAgent"]["Notes"])
