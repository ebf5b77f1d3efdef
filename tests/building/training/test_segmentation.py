"""Masks of several labels. Needs torch; .ci/run installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.evaluation.inspection import inspect, load_component
from edge_agent.building.evaluation.results import Evaluation, evaluate
from edge_agent.building.training import backbone
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import class_scores_shape, source_model
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.trainer import train
from edge_agent.component.manifest import decode_manifest
from tests.support.parts import write_folders

#: a minute alone; more where others compute too
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

FAST = Options(steps=150, input_size=(128, 96))


@pytest.fixture(autouse=True, scope="module")
def torch() -> Iterator[Any]:
    """Give torch, loaded by who runs these tests and not by everybody who collects them."""
    found = pytest.importorskip("torch", reason="torch is not installed: pip install 'edge-agent[segmentation]'")
    # Where others want the processor too, several threads would wait for each other most of the time.
    threads = found.get_num_threads()
    found.set_num_threads(1)
    yield found
    found.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("data"), normal=10, anomaly=16, masks=True)


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("unseen"), normal=6, anomaly=10, masks=True, first=500)


def build(data: Path, models: Path, options: Options) -> Path:
    steps = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)
    return train(read_datasets(data), models, Identity("part", "1.0.0"), options, steps).folder


def measure(folder: Path, data: Path) -> Evaluation:
    return evaluate(inspect(load_component(folder), read_datasets(data).train, lambda *_: None, lambda *_: None))


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(data, tmp_path_factory.mktemp("models"), FAST)


def test_several_labels_in_their_own_colours(model: Path, unseen: Path) -> None:
    manifest = decode_manifest((model / "manifest.json").read_bytes(), source="manifest.json")
    assert [(label.name, label.color) for label in manifest.labels] == [
        ("background", "#FFFFFF"), ("scratch", "#2CA02C"), ("dent", "#1F77B4"),
    ]  # fmt: skip
    evaluation = measure(model, unseen)
    assert evaluation.classification.f1 == 1.0, "the verdict does not come from the mask"
    assert [pixels.label for pixels in evaluation.pixels] == ["scratch", "dent"]
    for pixels in evaluation.pixels:
        assert pixels.iou > 0.4, pixels
        assert pixels.pictures == 5


def test_int8_keeps_the_masks(data: Path, model: Path, unseen: Path, tmp_path: Path) -> None:
    folder = build(data, tmp_path, FAST._replace(precision="int8"))
    assert (folder / "model.onnx").stat().st_size < 0.4 * (model / "model.onnx").stat().st_size
    evaluation = measure(folder, unseen)
    assert evaluation.classification.f1 == 1.0
    for whole, small in zip(measure(model, unseen).pixels, evaluation.pixels, strict=True):
        assert small.iou > whole.iou - 0.1


def test_the_onnx_nodes_are_the_torch_network(torch: Any) -> None:
    from edge_agent.building.training.segmentation.frozen import FrozenStages
    from edge_agent.building.training.segmentation.network import Network

    torch.manual_seed(0)
    network = Network(3).eval()
    with torch.no_grad():  # away from what the backbone's copy began as
        for parameter in network.tuned.parameters():
            parameter.mul_(1.02)
    picture = np.random.default_rng(0).normal(size=(1, 3, 96, 128)).astype(np.float32)
    assert class_scores_shape(3, 128, 96) == (3, 96, 128)
    assert class_scores_shape(21, 128, 96) == (21, 48, 64)
    session = onnxruntime.InferenceSession(
        source_model(128, 96, network.add_to, 3).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(["class_scores"], {"picture": picture})[0]
    with torch.no_grad():
        learned = network(FrozenStages(network.reads)(picture))
    assert learned.shape == found.shape == (1, 3, 96, 128)
    np.testing.assert_allclose(found, learned.numpy(), atol=1e-3 * np.abs(found).max())


def test_the_same_seed_gives_the_same_masks(data: Path, tmp_path: Path) -> None:
    first, second = (
        (build(data, tmp_path / name, FAST._replace(steps=4)) / "model.onnx").read_bytes() for name in ("a", "b")
    )
    assert first == second


@pytest.mark.parametrize(("side", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (5, 1, 2), (5, 2, 0)])
def test_depthwise_convolutions_learn_what_torch_would(torch: Any, side: int, stride: int, padding: int) -> None:
    from edge_agent.building.training.segmentation.convolution import depthwise

    torch.manual_seed(0)
    values = torch.randn(2, 7, 12, 17, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    parts = [values, torch.randn(7, 1, side, side), torch.randn(7)]
    ours, theirs = ([part.clone().requires_grad_() for part in parts] for _ in range(2))
    found = depthwise(ours[0], ours[1], ours[2], stride, padding)
    wanted = torch.nn.functional.conv2d(*theirs, stride, padding, groups=7)
    torch.testing.assert_close(found, wanted)
    gradient = torch.randn_like(wanted)
    found.backward(gradient)
    wanted.backward(gradient)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our.grad, their.grad, rtol=1e-4, atol=1e-4)


def test_bfloat16_learns_the_same_masks(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways on any processor; that the fast one is for those that gain by it is has_bfloat16's part."""
    from edge_agent.building.training.segmentation import learning
    from edge_agent.building.training.segmentation.frozen import FrozenStages

    rng = np.random.default_rng(0)
    pictures = [rng.integers(90, 110, (96, 96, 3), np.uint8) for _ in range(6)]
    classes = [np.zeros((96, 96), np.uint8) for _ in pictures]
    for picture, marked in zip(pictures[:4], classes[:4], strict=True):
        y, x = rng.integers(10, 60, 2)
        picture[y : y + 24, x : x + 24] = (200, 40, 40)
        marked[y : y + 24, x : x + 24] = 1
    shown = (np.stack(pictures).transpose(0, 3, 1, 2) - np.float32(backbone.MEAN)) / np.float32(backbone.STD)
    scores = []
    for faster in (False, True):
        monkeypatch.setattr(learning, "has_bfloat16", lambda faster=faster: faster)
        network = learning.learn(
            learning.Labelled(pictures, classes), 2, seed=0, steps=40, progress=lambda done, total: None
        )
        with torch.no_grad():
            scores.append(network(FrozenStages(network.reads)(shown)))
    assert not torch.equal(*scores), "both were learned in the same precision"
    whole, short = (np.asarray(found.argmax(1)) for found in scores)
    assert whole.any()
    assert (whole != short).mean() < 0.02
    for found in (whole, short):
        wanted = np.stack(classes).astype(bool)
        assert (found.astype(bool) & wanted).sum() > 0.7 * (found.astype(bool) | wanted).sum()


def test_bfloat16_is_for_processors_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_agent.building.training.segmentation import learning

    for known, faster in (("avx2 avx512_bf16", True), ("amx_bf16", True), ("avx512f avx512_vnni bf16", False)):
        monkeypatch.setattr(learning, "has_flag", known.split().__contains__)
        assert learning.has_bfloat16() == faster


def test_a_label_that_covers_little_counts_more() -> None:
    from edge_agent.building.training.segmentation.learning import label_weights

    crack, scratch = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    crack[:20, :20] = 1  # four hundredths
    scratch[50, :9] = 2  # nine ten-thousandths
    nothing = np.zeros((100, 100), np.uint8)
    background, usual, rare, unseen = label_weights([crack, scratch, nothing], 4)
    assert (background, usual, unseen) == (1.0, 2.0, 2.0)
    assert rare == pytest.approx(2 * 20**0.5)


def test_a_few_pixels_do_not_outweigh_the_picture() -> None:
    """Whether a hand slipped or a defect is that small: fewer pixels count no more, each, than a dozen does."""
    from edge_agent.building.training.segmentation.learning import label_weights

    weights = []
    for pixels in (1, 3, 200):
        classes = np.zeros((200, 200), np.uint8)
        classes[100, :pixels] = 1
        weights.append(label_weights([classes], 2)[1])
    assert weights[0] == weights[1] == 20
    assert 2 < weights[2] < 20
