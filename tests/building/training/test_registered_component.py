"""A component of parts that lie at any angle, in pictures that are not square: what it is made of, and who uses it."""

from __future__ import annotations

import json
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.evaluation.inspection import load_component
from edge_agent.building.training import backbone, trainer
from edge_agent.building.training.assembly import assemble
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import Extractor, input_spec
from edge_agent.building.training.marks import SCORE
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.registration import Registrar
from edge_agent.building.training.registration_graph import REGISTERED
from edge_agent.building.training.shrinking import shrink
from edge_agent.building.training.trainer import Trained
from edge_agent.client.client import Client
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.imaging.tensor import Normalizer
from tests.support.commands import run
from tests.support.daemon import Daemon, running_daemon
from tests.support.turned import Place, draw_turned

CUT = 24  # rows above and below a part, which is seen whole at every angle without them
INPUT = (192, 160)  # of a third of the usual one's pixels, and a training of a third of the time


def draw(count: int, *, is_bad: bool, seed: int) -> list[tuple[U8, Place]]:
    """Draw wide pictures of parts at any angle, with the place of what is wrong."""
    rng = np.random.default_rng(seed)
    drawn = [
        draw_turned(rng, rng.uniform(-180, 180), tuple(rng.uniform(-4, 4, 2)), is_bad=is_bad) for _ in range(count)
    ]
    return [(np.ascontiguousarray(picture[CUT:-CUT]), (x, y - CUT)) for picture, (x, y) in drawn]


def write(root: Path, good: int, bad: int, seed: int, *, masks: bool = False) -> Path:
    for folder, count, is_bad in (("normal", good, False), ("anomaly", bad, True)):
        (root / folder).mkdir(parents=True)
        for number, (picture, (x, y)) in enumerate(draw(count, is_bad=is_bad, seed=2 * seed + is_bad)):
            Image.fromarray(picture).save(root / folder / f"{folder}-{number}.png")
            if masks and is_bad:
                (root / "mask").mkdir(exist_ok=True)
                rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
                marked = np.hypot(columns - x, rows - y) < 10
                Image.fromarray(np.uint8(255) * marked.astype(np.uint8)).save(root / "mask" / f"{folder}-{number}.png")
    return root


def build(data: Path, models: Path, notes: list[str], **options: Any) -> Trained:
    steps = Steps(lambda what: nullcontext(lambda done, total: None), notes.append)
    return trainer.train(read_datasets(data), models, Identity("wide", "1.0.0"), Options(**options), steps)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("wide") / "data", 16, 6, 0)


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """What the newest model was put together of."""
    return {}


@pytest.fixture(scope="module")
def trained(data: Path, parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    def watched(head: Any, width: int, height: int, source: Any, classes: Any, search: Any, **marked: bool) -> Any:
        parts.update(head=head, size=(width, height), source=source, search=search)
        return assemble(head, width, height, source, classes, search, **marked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_agent.building.training.trainer.assemble", watched)
        return build(data, tmp_path_factory.mktemp("models"), [], task="classification", locate=True, input_size=INPUT)


@pytest.fixture(scope="module")
def unseen() -> list[tuple[U8, bool, Place]]:
    return [
        (picture, is_bad, place)
        for is_bad in (False, True)
        for picture, place in draw(10, is_bad=is_bad, seed=9 + is_bad)
    ]


def test_the_graph_gives_what_registering_looking_and_judging_give_one_after_another(
    trained: Trained, parts: dict[str, Any], unseen: list[tuple[U8, bool, Place]]
) -> None:
    assert trained.registration is not None
    assert trained.registration.key == "any_angle"
    width, height = parts["size"]
    assert width > height
    registrar, extract = Registrar(parts["search"], width, height), Extractor(width, height, parts["source"])
    model = onnx.load(next(trained.folder.glob("*.onnx")))
    model.graph.output.append(helper.make_tensor_value_info(REGISTERED, TensorProto.FLOAT, [1, 3, height, width]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    spec = input_spec(width, height)
    normalize = Normalizer(spec)
    for picture, _, _ in unseen:
        small = shrink(picture, (width, height))
        ((found,), (registered,)) = session.run([SCORE, REGISTERED], {backbone.INPUT: normalize(small)})
        seen = (registered + np.asarray(spec.mean, np.float32)[:, None, None]) / spec.scale
        laid = registrar(small)
        assert np.abs(seen.transpose(1, 2, 0) - laid).max() < 0.51, "the same, in whole grey levels"
        (expected,) = parts["head"].raw_scores(extract([laid]))
        assert found == pytest.approx(expected, abs=0.3), "as much as half a grey level makes"


def marked(folder: Path, picture: U8) -> np.ndarray:
    """True where the mask that an application gets is coloured."""
    _, mask = load_component(folder).pipeline.run(ArrayPixels(picture))
    assert mask is not None
    pixels = np.frombuffer(b"".join(mask), np.uint8).reshape(picture.shape)
    return np.asarray((pixels != 255).any(axis=2))


def test_marks_lie_where_the_part_lies_in_the_picture_as_it_came(trained: Trained) -> None:
    for picture, (x, y) in draw(8, is_bad=True, seed=3):
        stained = cv2.circle(picture.copy(), (round(x), round(y)), 12, (200, 40, 40), -1)
        rows, columns = np.nonzero(marked(trained.folder, np.asarray(stained, np.uint8)))
        assert len(rows), "a stain is marked"
        assert np.hypot(columns.mean() - x, rows.mean() - y) < 12


def verdicts(folder: Path, unseen: list[tuple[U8, bool, Place]]) -> list[bool]:
    pipeline = load_component(folder).pipeline
    return [pipeline.run(ArrayPixels(picture)).verdict.is_anomalous for picture, _, _ in unseen]


def test_in_int8_nearly_all_is_judged_alike(
    trained: Trained, data: Path, tmp_path: Path, unseen: list[tuple[U8, bool, Place]]
) -> None:
    smaller = build(data, tmp_path, [], task="classification", precision="int8", input_size=INPUT)
    assert smaller.registration is not None
    exact, found = (verdicts(folder, unseen) for folder in (trained.folder, smaller.folder))
    truth = [is_bad for _, is_bad, _ in unseen]
    assert sum(a == b for a, b in zip(exact, found, strict=True)) >= 18
    assert sum(a == b for a, b in zip(found, truth, strict=True)) >= 17


@pytest.mark.long
def test_with_masks_pictures_stay_as_they_lie_and_a_sentence_says_so(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    notes: list[str] = []
    folder = write(tmp_path / "data", 12, 6, 3, masks=True)
    found = build(folder, tmp_path / "models", notes, input_size=(128, 96), steps=4)
    assert found.registration is not None
    assert found.registration.key == "refused_masks"
    assert "--task classification" in found.registration.text
    assert load_component(found.folder).manifest.task == "segmentation"


@pytest.fixture(scope="module")
def daemon(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running_daemon(tmp_path_factory.mktemp("agent"), models=trained.folder.parent.parent) as found:
        yield found


def test_the_agent_gives_the_verdict_and_the_marks_through_its_socket(
    daemon: Daemon, trained: Trained, unseen: list[tuple[U8, bool, Place]]
) -> None:
    expected = verdicts(trained.folder, unseen)
    with Client(daemon.socket) as client:
        client.start("wide")
        for (picture, _, _), is_anomalous in zip(unseen, expected, strict=True):
            found = client.detect("wide", picture)
            assert found.is_anomalous == is_anomalous
            assert found.mask is not None
            assert ((np.asarray(found.mask) != 255).any(axis=2) == marked(trained.folder, picture)).all()


def test_it_is_evaluated_benched_and_packaged_as_any_other(trained: Trained, tmp_path: Path) -> None:
    unseen = write(tmp_path / "unseen", 8, 8, 7)
    said = run("evaluate", str(trained.folder), str(unseen), "-o", str(tmp_path / "evaluated"), "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["AggregatedEvaluationResults"]["Metrics"]["F1Score"] > 0.85
    page = (tmp_path / "evaluated" / "evaluation.html").read_text()
    assert "anomaly-0.png" in page
    said = run("bench", str(trained.folder), "--clients", "1", "--seconds", "0.1", "--rounds", "1", "--json")
    assert said.returncode == 0, said.stderr
    words = ("--location", tmp_path / "packages", "--target-platform", "LINUX/X86_64", "--jobs-dir", tmp_path / "jobs")
    said = run("package", str(trained.folder), *words, "--json")
    assert said.returncode == 0, said.stderr
    (artifact,) = (tmp_path / "packages").rglob("*.zip")
    with zipfile.ZipFile(artifact) as packed:
        assert any(name.endswith("model.onnx") for name in packed.namelist())
        (manifest,) = (json.loads(packed.read(name)) for name in packed.namelist() if name.endswith("manifest.json"))
    assert manifest["training"]["registration"]["key"] == "any_angle"
