"""`edge-agent dataset`, `train` and `evaluate` as a user types them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from edge_agent.building.datasets.checks import looking
from edge_agent.cli import train
from edge_agent.inference.imaging.picture import PixelFormat, read_with_peak
from edge_agent.inference.imaging.picture_file import PictureFile
from edge_agent.inference.imaging.resize import U8
from tests.support.commands import failed, run
from tests.support.parts import write_folders


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("building") / "my parts", normal=8, anomaly=4, masks=True)


def test_check(data: Path, tmp_path: Path) -> None:
    done = run("dataset", "check", data)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["PICTURES", "NORMAL", "ANOMALOUS", "WITH", "MASK", "UNLABELLED"],
        ["all", "8", "4", "4", "0"],
        ["size", "128x96"],
        ["anomaly", "labels", "scratch", "#2CA02C,", "dent", "#1F77B4"],
        ["a", "model", "can", "be", "made", "of", "it"],
    ]
    assert "note: 8 normal pictures, 20 or more are advised" in done.stderr
    found = json.loads(run("dataset", "check", data, "--json").stdout)
    assert found["train"] == {"normal": 8, "anomaly": 4, "unlabelled": 0}
    assert found["problems"] == []
    bad = write_folders(tmp_path / "bad", normal=3, anomaly=1)
    Image.new("RGB", (70, 70)).save(bad / "normal" / "other.png")
    done = run("dataset", "check", bad)
    assert done.returncode == 1
    assert "problem: " in done.stderr
    assert "other.png is 70x70" in done.stderr
    assert "a model can be made" not in done.stdout


def test_show(data: Path, tmp_path: Path) -> None:
    done = run("dataset", "show", data, "-o", tmp_path / "deep" / "sheet.png")
    assert done.stdout == f"12 pictures on {tmp_path}/deep/sheet.png\n"
    with Image.open(tmp_path / "deep" / "sheet.png") as sheet:
        assert sheet.width > 600
    assert run("dataset", "show", data, "-o", tmp_path / "sheet.txt").returncode == 2


def test_export_split_and_csv(data: Path, tmp_path: Path) -> None:
    assert (
        run("dataset", "export", data, "-o", tmp_path / "all.manifest").stdout
        == f"12 lines in {tmp_path}/all.manifest\n"
    )
    done = run("dataset", "split", tmp_path / "all.manifest", "-o", tmp_path / "parts", "--share", "0.25")
    assert done.stdout.splitlines() == [
        f"{tmp_path}/parts/train.manifest: 6 normal, 3 anomalous",
        f"{tmp_path}/parts/test.manifest: 2 normal, 1 anomalous",
    ]
    assert (
        run(
            "dataset", "check", tmp_path / "parts/train.manifest", "--test", tmp_path / "parts/test.manifest"
        ).returncode
        == 0
    )
    (tmp_path / "a.csv").write_text("a.jpg,normal\na.jpg,broken\n")
    line = failed(run("dataset", "from-csv", tmp_path / "a.csv"))
    assert "has 2 errors" in line
    assert "a_errors.csv" in line
    assert "a_deduplicated.csv" in line
    (tmp_path / "a.csv").write_text("a.jpg,normal\n")
    done = run("dataset", "from-csv", tmp_path / "a.csv", "--s3-path", "s3://bucket/")
    assert done.stdout == f"{tmp_path}/a.manifest: 1 normal, 0 anomalous\n"


def test_train_and_evaluate(data: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    done = run("train", data, "-o", models, "--task", "classification", "--holdout", "0.25")
    assert done.returncode == 0, done.stderr
    folder = models / "my-parts" / "1.0.0"
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{folder} was built in ")
    assert lines[1].startswith("each training picture, by a model that had not seen it: F1 ")
    assert lines[2].startswith("the test pictures: F1 1.000")
    assert f"    edge-agent evaluate {folder} DATASET" in lines
    done = run("evaluate", folder, data, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "EvaluationManifest-my-parts.json", "EvaluationResult-my-parts.json", "evaluation.html",
    ]  # fmt: skip
    done = run("train", data, "-o", models, "--name", "again", "--task", "classification", "--json")
    assert json.loads(done.stdout)["figures"]["out_of_fold"]["recall"] == 1.0


def test_pictures_that_are_set_apart_are_checked_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []

    def counted(file: PictureFile, pixel_format: PixelFormat) -> tuple[U8, int]:
        checked.append(file.path)
        return read_with_peak(file, pixel_format)

    monkeypatch.setattr(looking, "read_with_peak", counted)
    arguments = [data, "-o", tmp_path, "--task", "classification", "--holdout", "0.25", "--json"]
    done = CliRunner().invoke(train.command, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert len(checked) == len(set(checked)) == 12
    monkeypatch.undo()
    run("dataset", "split", data, "-o", tmp_path / "parts", "--share", "0.25")
    parts = tmp_path / "parts"
    trained = json.loads(
        run(
            "train", parts / "train.manifest", "--test", parts / "test.manifest", "-o", tmp_path, "--json", "--name",
            "same", "--task", "classification",
        ).stdout
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["sha256"], found["figures"]) == (trained["sha256"], trained["figures"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "a/b"], "can't be the name of a model component"),
        (["--version", "1"], "is not a semantic version"),
        (["--input-size", "300x300"], "has to be of multiples of 32"),
        (["--input-size", "big"], "is not a width and a height"),
        (["--speed", "--quality", "best"], "--speed and --quality best exclude each other"),
        (["--speed", "--input-size", "64x64"], "--input-size and --speed exclude each other"),
        (["--quality", "best", "--input-size", "64x64"], "--input-size and --quality best exclude each other"),
        (["--locate", "--task", "segmentation"], "--locate and --task segmentation exclude each other"),
        (["--recall", "2"], "range"),
        (["--recall", "nan"], "is not a number"),
        (["--holdout", "nan"], "is not a number"),
        (["--seed", "-1"], "range"),
        (["--recall", "0.9", "--target-precision", "0.9"], "exclude each other"),
        (["--holdout", "0.2", "--test", "x"], "exclude each other"),
    ],
)
def test_wrong_options_are_wrong_usage(data: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run("train", data, "-o", tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("quality", ["auto", "normal"])
def test_what_says_nothing_of_its_own_goes_with_an_input_size(tmp_path: Path, quality: str) -> None:
    arguments = ["-o", tmp_path / "models", "--input-size", "64x64", "--quality", quality]
    assert "does not exist" in failed(run("train", tmp_path / "none", *arguments))


def test_what_is_left_of_masks_and_of_a_folders_name_is_said(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Pr\u00fcfung \u96f6\u4ef6"
    shutil.copytree(data, folder)
    done = run("train", folder, "-o", tmp_path / "models", "--locate", "--speed")
    assert done.returncode == 0, done.stderr
    assert "there are masks; with --locate they are not learned, and the model knows one label" in done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'models' / 'Prufung' / '1.0.0'} was built in ")
    plain = run("train", folder, "-o", tmp_path / "models", "--task", "classification", "--speed")
    assert "there are masks" not in plain.stderr, "it was asked for"


def test_a_holdout_that_leaves_too_few_says_so(data: Path, tmp_path: Path) -> None:
    said = failed(run("train", data, "-o", tmp_path / "models", "--task", "classification", "--holdout", "0.99"))
    assert "--holdout 0.99 leaves 1 of 8 normal pictures for the training, expected 2 or more" in said


def test_a_dataset_that_is_none(tmp_path: Path) -> None:
    assert "does not exist" in failed(run("train", tmp_path / "none", "-o", tmp_path / "models"))
    (tmp_path / "a.csv").write_text("a.jpg,normal\n")
    done = run("train", tmp_path / "a.csv", "-o", tmp_path / "models")
    assert done.returncode == 1
    assert "a.csv, line 1: the picture a.jpg can't be found" in done.stderr
    assert not (tmp_path / "models").exists()


def test_an_output_that_can_not_be_is_noticed_at_once(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in (["train", data], ["evaluate", tmp_path, data]):
        line = failed(run(*command, "-o", tmp_path / "file" / "models"))
        assert f"{tmp_path}/file is not a folder" in line


@pytest.mark.long
def test_what_is_not_installed_is_said(data: Path, tmp_path: Path) -> None:
    """As in an installation for serving alone: no onnx, no threadpoolctl, no torch."""
    program = (
        "import sys\n"
        "missing = sys.argv.pop(1).split(',')\n"
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name in missing else find(name, *more)\n"
        "from edge_agent.cli import main\n"
        "main()\n"
    )

    def without(packages: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, packages, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for missing, package in (("onnx", "onnx"), ("threadpoolctl", "threadpoolctl")):
        line = failed(without(missing, "train", data, "-o", tmp_path / "models"))
        assert f"need the package '{package}'; install edge-agent with its extras [cpu,train]" in line
    line = failed(without("onnx", "evaluate", tmp_path, data))
    assert "need the package 'onnx'" in line
    done = without("torch", "train", data, "-o", tmp_path / "models", "--name", "part")
    assert done.returncode == 0, done.stderr
    assert "without the package 'torch' only the verdict is learned" in done.stderr
    done = without("torch", "train", data, "-o", tmp_path / "models", "--name", "part", "--task", "segmentation")
    assert "needs the package 'torch'" in done.stderr
    assert done.returncode == 1


def test_neither_scikit_learn_nor_scipy_is_needed(data: Path, tmp_path: Path) -> None:
    """They are there for tests and benchmarks; an import of one would go unnoticed where they are installed."""
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('sklearn', 'scipy'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "try:\n"
        "    import scipy\n"
        "except ModuleNotFoundError:\n"
        "    from edge_agent.cli import main\n"
        "    main()\n"
    )

    def without(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    models = tmp_path / "models"
    done = without("train", data, "-o", models, "--name", "part", "--task", "classification")
    assert done.returncode == 0, done.stderr
    assert f"{models}/part/1.0.0 was built" in done.stdout
    done = without("evaluate", models / "part" / "1.0.0", data, "-o", tmp_path / "evaluation")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "evaluation" / "evaluation.html").is_file()
