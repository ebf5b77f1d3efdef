"""Building models of small pictures, as a user would: files in, component out, served by a daemon."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.evaluation.inspection import inspect, load_component
from edge_agent.building.evaluation.results import Evaluation, evaluate
from edge_agent.building.training import fitting
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import Extractor, source_model
from edge_agent.building.training.fitting import Fitted
from edge_agent.building.training.head import Wanted, fit_head
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.pictures import TrainingPictures
from edge_agent.building.training.resolution import Trial
from edge_agent.building.training.shrinking import shrink
from edge_agent.building.training.trainer import train
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest, decode_manifest
from edge_agent.errors import ComponentError, DatasetError, TrainingError
from edge_agent.inference.imaging.picture import read_picture
from tests.support.commands import run
from tests.support.daemon import Daemon, running_daemon
from tests.support.parts import HEIGHT, WIDTH, write_folders

NORMAL, ANOMALY = 10, 6
FAST = Options(task="classification")


def build(data: Path, models: Path, options: Options = FAST, name: str = "part", **more: Any) -> Path:
    notes: list[str] = []
    steps = Steps(lambda what: nullcontext(lambda done, total: None), notes.append)
    return train(read_datasets(data, **more), models, Identity(name, "1.0.0"), options, steps).folder


def read(folder: Path) -> Manifest:
    return decode_manifest((folder / "manifest.json").read_bytes(), source="manifest.json")


def measure(folder: Path, data: Path) -> Evaluation:
    component = load_component(folder)
    return evaluate(inspect(component, read_datasets(data).train, lambda *_: None, lambda *_: None))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("data"), normal=NORMAL, anomaly=ANOMALY, masks=True)


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("unseen"), normal=8, anomaly=8, masks=True, first=500)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(data: Path, models: Path) -> Path:
    return build(data, models)


def test_a_model_that_is_right_about_pictures_it_has_not_seen(model: Path, unseen: Path) -> None:
    evaluation = measure(model, unseen)
    assert evaluation.classification.f1 == 1.0
    assert evaluation.pixels == (), "a classification model makes no masks"


def test_so_is_one_of_parts_that_lie_elsewhere_and_are_brought_to_lie_alike(tmp_path: Path) -> None:
    data = write_folders(tmp_path / "data", normal=NORMAL, anomaly=ANOMALY, shift=3)
    folder = build(data, tmp_path / "models")
    assert read(folder).training["registration"]["key"] == "elsewhere"
    unseen = write_folders(tmp_path / "unseen", normal=8, anomaly=8, first=500, shift=3)
    assert measure(folder, unseen).classification.f1 == 1.0


def test_the_component_says_what_it_was_made_from(model: Path) -> None:
    manifest = read(model)
    assert (manifest.image.width, manifest.image.height) == (WIDTH, HEIGHT)
    assert manifest.task == "classification"
    assert manifest.threshold == 0.5
    training = manifest.training
    assert "registration" not in training, "parts that lie alike are left alone"
    assert (training["dataset"]["normal"], training["dataset"]["anomaly"]) == (NORMAL, ANOMALY)
    assert len(base64.b64decode(training["dataset"]["pixel_digests"])) == 8 * (NORMAL + ANOMALY)
    assert len(base64.b64decode(training["dataset"]["fingerprints"])) == 32 * (NORMAL + ANOMALY)
    assert training["pixel_format"] == {"bits": 16, "bayer": ""}
    assert len(training["dataset"]["sha256"]) == 64
    assert training["seed"] == 0
    assert {"numpy", "onnx", "onnxruntime"} <= training["libraries"].keys()
    assert training["figures"]["out_of_fold"]["f1"] == 1.0
    assert manifest.appearance is not None
    assert manifest.appearance.pictures == NORMAL + ANOMALY
    assert manifest.appearance.mean == pytest.approx((101, 104, 110), abs=6)
    assert manifest.sharpness is not None and manifest.sharpness.mean > 0
    assert manifest.scores is not None and sum(manifest.scores) == NORMAL
    below = int(manifest.threshold * len(manifest.scores))
    assert sum(manifest.scores[:below]) > 0.8 * NORMAL
    assert [(sample.image, sample.score >= 0.5) for sample in manifest.golden] == [
        ("golden/normal.png", False), ("golden/anomaly.png", True),
    ]  # fmt: skip


def test_of_pictures_that_were_set_apart_nothing_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[np.ndarray]] = []
    held: dict[str, int] = {}

    def watched(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        found = shrink(picture, size)
        made.append(weakref.ref(found))
        return found

    def bar(what: str) -> Any:
        held[what] = sum(one() is not None for one in made)
        return nullcontext(lambda done, total: None)

    monkeypatch.setattr("edge_agent.building.training.pictures.shrink", watched)
    datasets, pictures = read_datasets(data), TrainingPictures(FAST)
    for example in datasets.train.examples:
        pictures.see(example, read_picture(example.path))
    assert len(made) == NORMAL + ANOMALY
    some = datasets._replace(train=datasets.train._replace(examples=datasets.train.examples[2:]))
    train(some, tmp_path, Identity("part", "1.0.0"), FAST, Steps(bar, print), check_datasets(some), pictures)
    assert {held[what] for what in held if what.startswith("looking at pictures")} == {NORMAL + ANOMALY - 2}


def test_the_same_seed_gives_the_same_model(data: Path, model: Path, tmp_path: Path) -> None:
    again = build(data, tmp_path / "again")
    assert (again / "model.onnx").read_bytes() == (model / "model.onnx").read_bytes()
    assert read(again).calibration == read(model).calibration
    other = build(data, tmp_path / "other", FAST._replace(seed=1))
    assert (other / "model.onnx").read_bytes() != (model / "model.onnx").read_bytes()


def test_a_picture_gets_the_same_score_in_training_and_in_the_agent(
    data: Path, model: Path, models: Path, tmp_path: Path
) -> None:
    """Pixels to features in the trainer, and pixels through shared memory, worker and engine, are one preparation."""
    assert model.is_dir()
    datasets = read_datasets(data)
    manifest = read(model)
    size = (manifest.input.width, manifest.input.height)
    from edge_agent.building.training.fitting import resized_pictures

    features = Extractor(*size, source_model(*size))(resized_pictures(datasets.train.labelled, size))
    anomalous = np.array([example.label == "anomaly" for example in datasets.train.labelled])
    head = fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None)
    expected = head.calibrated(head.raw_scores(features))
    with running_daemon(tmp_path, models=models) as daemon, Client(daemon.socket) as client:
        client.start("part")
        for example, score in zip(datasets.train.labelled, expected, strict=True):
            detection = client.detect("part", read_picture(example.path))
            assert detection.score == pytest.approx(score, abs=2e-3), example.path
            assert detection.is_anomalous == (example.label == "anomaly")


@pytest.mark.parametrize("anomalies", [0, 1, 2])
def test_few_anomalies_or_none(tmp_path: Path, unseen: Path, anomalies: int) -> None:
    folder = build(write_folders(tmp_path / "data", normal=16, anomaly=anomalies), tmp_path / "models")
    assert (measure(folder, unseen).classification.f1 or 0) >= 0.9
    assert len(read(folder).golden) == (2 if anomalies else 1)


def test_the_threshold_can_be_chosen_for_recall_or_precision(data: Path, tmp_path: Path, model: Path) -> None:
    usual = read(model).threshold
    careful = read(build(data, tmp_path / "a", FAST._replace(wanted=Wanted(recall=1.0))))
    strict = read(build(data, tmp_path / "b", FAST._replace(wanted=Wanted(precision=1.0))))
    assert careful.threshold <= usual <= strict.threshold
    assert careful.calibration == strict.calibration == read(model).calibration


def test_int8_is_smaller_and_as_good(data: Path, tmp_path: Path, model: Path, unseen: Path) -> None:
    folder = build(data, tmp_path, FAST._replace(precision="int8"))
    # Convolutions shrink to a quarter; what is remembered of good parts does not.
    assert (folder / "model.onnx").stat().st_size < (model / "model.onnx").stat().st_size - 1_500_000
    found = measure(folder, unseen).classification
    assert found.roc_auc == 1.0
    assert found.f1 is not None and found.f1 > 0.9
    assert read(folder).training["precision"] == "int8"


def test_speed_looks_at_fewer_pixels(data: Path, tmp_path: Path, model: Path) -> None:
    folder = build(data, tmp_path, FAST._replace(quality="speed"))
    fast, usual = read(folder), read(model)
    assert fast.training["quality"] == "speed"
    assert usual.training["quality"] == "auto"
    assert fast.input.width * fast.input.height < usual.input.width * usual.input.height


def test_the_best_quality_takes_the_usual_input_where_there_are_no_more_pixels_and_says_so(
    data: Path, tmp_path: Path, model: Path
) -> None:
    best, usual = read(build(data, tmp_path, FAST._replace(quality="best"))), read(model)
    assert best.input == usual.input
    assert best.training["resolution"]["key"] == "untried_size", "pictures of 128x96 have no more pixels to show"


@pytest.mark.long
def test_the_best_quality_takes_more_pixels_only_where_they_help_and_says_which_and_why(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarged = tmp_path / "enlarged"
    for path in (*data.glob("normal/*.png"), *data.glob("anomaly/*.png")):
        (enlarged / path.parent.name).mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((4 * WIDTH, 4 * HEIGHT)).save(enlarged / path.parent.name / path.name)
    usual = read(build(enlarged, tmp_path, FAST))
    kept = read(build(enlarged, tmp_path, FAST._replace(quality="best")))
    assert kept.input == usual.input and "resolution" not in usual.training
    assert kept.training["resolution"]["key"] in ("untried_sure", "refused_specks", "refused_both")

    def take(usual: Fitted, anomalous: Any, fit_larger: Callable[[], Fitted], *_: Any) -> tuple[Fitted, Trial]:
        return fit_larger(), Trial(True, (0.7, 0.9), (0.04, 0.01))

    monkeypatch.setattr(fitting, "choose_larger", take)
    larger = read(build(enlarged, tmp_path, FAST._replace(quality="best")))
    assert 1.5 <= larger.input.width * larger.input.height / (usual.input.width * usual.input.height) <= 2.5
    said = larger.training["resolution"]
    assert said["key"] == "chosen_both"
    assert f"an input of {larger.input.width}x{larger.input.height} was chosen" in said["text"]


def test_locate_marks_the_place_without_any_mask(tmp_path: Path, unseen: Path) -> None:
    data = write_folders(tmp_path / "data", normal=16, anomaly=0)
    folder = build(data, tmp_path / "models", FAST._replace(locate=True))
    manifest = read(folder)
    assert [label.name for label in manifest.labels] == ["background", "anomaly"]
    (pixels,) = measure(folder, unseen).pixels
    assert pixels.recall > 0.5
    assert pixels.precision > 0.1, "coarse: defects of a few pixels, features of sixteen"


def test_figures_of_a_test_dataset_are_kept(data: Path, unseen: Path, tmp_path: Path) -> None:
    folder = build(data, tmp_path, test=unseen)
    assert read(folder).training["figures"]["test"]["f1"] == 1.0


def test_masks_of_test_pictures_alone_are_nothing_to_learn(unseen: Path, tmp_path: Path) -> None:
    bare = write_folders(tmp_path / "data", normal=6, anomaly=3)
    assert read(build(bare, tmp_path / "models", Options(), test=unseen)).task == "classification"


@pytest.mark.long
def test_an_agent_starts_it_and_checks_its_golden_samples(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "part" / "1.0.0"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(model)
    with running_daemon(tmp_path) as daemon:
        _expect_running(daemon)
    folder.unlink()
    folder.mkdir()
    changed = msgspec.json.decode((model / "manifest.json").read_bytes())
    changed["golden"][0]["score"] = 0.99
    for path in model.rglob("*.*"):
        if path.is_file():
            (folder / path.relative_to(model)).parent.mkdir(exist_ok=True)
            (folder / path.relative_to(model)).write_bytes(path.read_bytes())
    (folder / "manifest.json").write_bytes(msgspec.json.encode(changed))
    with running_daemon(tmp_path) as daemon, Client(daemon.socket) as client, pytest.raises(Exception, match="golden"):
        client.start("part")


def test_the_threshold_may_be_changed_afterwards(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "part" / "1.0.0"
    shutil.copytree(model, folder)
    path = folder / "manifest.json"
    changed = msgspec.json.decode(path.read_bytes()) | {"threshold": 0.9999}
    path.write_bytes(msgspec.json.encode(changed))
    with running_daemon(tmp_path) as daemon:
        _expect_running(daemon)


def _expect_running(daemon: Daemon) -> None:
    with Client(daemon.socket) as client:
        client.start("part")
        assert client.describe("part").status == "RUNNING"


def test_what_can_not_be_trained_is_refused_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    bad = write_folders(tmp_path / "bad", normal=3, anomaly=1)
    Image.new("RGB", (99, 77)).save(bad / "normal" / "other.png")
    with pytest.raises(DatasetError, match=r"other\.png is 99x77, the other pictures are 128x96"):
        build(bad, tmp_path / "models")
    with pytest.raises((ValueError, ComponentError), match="can't be the name of a model component"):
        build(data, tmp_path / "models", name="../evil")
    assert not list((tmp_path / "models").rglob("*.onnx"))
    without = write_folders(tmp_path / "without", normal=4, anomaly=2)
    with pytest.raises(TrainingError, match="no masks that mark anything"):
        build(without, tmp_path / "models", Options(task="segmentation"))


def test_a_killed_training_leaves_nothing_and_can_be_run_again(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_agent", "train", str(data), "-o", str(tmp_path / "models"), "--name", "part"]
    command += ["--task", "classification"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        # It has begun to read pictures when its notes about them come.
        assert process.stderr is not None
        assert b"note:" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not list((tmp_path / "models").rglob("manifest.json"))
    assert run(*command[3:]).returncode == 0
    assert (tmp_path / "models" / "part" / "1.0.0" / "manifest.json").exists()


@pytest.mark.parametrize("anomalies", [0, 3])
def test_two_normal_pictures_are_still_a_model(tmp_path: Path, anomalies: int) -> None:
    folder = build(write_folders(tmp_path / "data", normal=2, anomaly=anomalies), tmp_path / "models")
    assert read(folder).training["dataset"]["normal"] == 2
