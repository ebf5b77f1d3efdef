"""What import says of a model whose answer is no function of the picture, or does not depend on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.importing import component
from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.building.importing.probing import draw_probes
from edge_agent.errors import ImportFailed
from tests.building.importing.formats import IMAGE, INPUT, Served, imported, model, pictures, write_dda
from tests.building.importing.test_any_onnx import write
from tests.inference.test_steadiness import KINDS, unsteady

WANTED = Wanted(IMAGE, 0.5)


@pytest.mark.parametrize("how", KINDS)
def test_a_model_that_answers_by_chance_or_by_what_came_before_is_refused(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "net.onnx", unsteady(how))
    output = "brightness" if how == "BatchNormalization" else "score"  # the mean of what is normalised is always 0
    with pytest.raises(ImportFailed, match=r"the same picture .* and then .*, with others between") as caught:
        imported(path, tmp_path / "models", Wanted((64, 64), 0.5), WantedOnnx(score_output=output))
    assert f"({how}) answer by chance or by what came before; export it" in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_two_answers_by_chance_that_happen_to_be_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "differs", lambda *_: "")
    always = property(lambda self: 0.25, lambda self, value: None)
    monkeypatch.setattr(component._Watched, "raw_score", always, raising=False)
    path = write(tmp_path / "net.onnx", unsteady("RandomNormalLike"))
    with pytest.raises(ImportFailed, match=r"the same picture scores 0\.\d+ and then 0\.\d+, with others between"):
        imported(path, tmp_path / "models", Wanted((64, 64), 0.5), WantedOnnx(score_output="score"))


def test_chance_that_only_an_unused_output_has(tmp_path: Path) -> None:
    graph = bright(1 / 255)
    graph.graph.node.append(helper.make_node("RandomNormalLike", ["x"], ["noise"]))
    graph.graph.output.append(helper.make_tensor_value_info("noise", TensorProto.FLOAT, [1, 3, INPUT[1], INPUT[0]]))
    onnx = WantedOnnx(score_output="score", scale=1.0)
    assert imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED, onnx).notes == (
        "no mask is made, though an output may be one: --mask-output noise",
    )


def bright(factor: float, *, offset: float = 0.0, weights: tuple[float, float, float] = (0.5, 0.3, 0.2),
           dtype: int = TensorProto.FLOAT) -> ModelProto:  # fmt: skip
    """The score is a sigmoid of the channels' weighted mean, times a factor, from -4 to 4 if it gets what it wants."""
    real = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    values = {
        "weights": np.array(weights).reshape(1, 3, 1, 1),
        "factor": np.array(8 * factor),
        "offset": np.array(offset),
    }
    nodes = [
        helper.make_node("Conv", ["x", "weights"], ["mixed"]),
        helper.make_node("GlobalAveragePool", ["mixed"], ["mean"]),
        helper.make_node("Mul", ["mean", "factor"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "offset"], ["moved"]),
        helper.make_node("Flatten", ["moved"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["score"]),
    ]
    constants = [numpy_helper.from_array(array.astype(real), name) for name, array in values.items()]
    types = {"x": dtype, "score": dtype}
    return model(nodes, {"x": [1, 3, INPUT[1], INPUT[0]]}, {"score": [1, 1]}, constants, types)


def only(notes: tuple[str, ...]) -> str:
    (note,) = notes
    return note


@pytest.mark.parametrize(
    ("graph", "flags", "found", "advice"),
    [
        # It wants 0..255 and gets 0..1: 0.02 for everything.
        (bright(1 / 255, offset=4.0), {}, "the score hardly depends on the picture: 0.01", "; with --scale 1 the"),
        # It wants 0..1 and gets 0..255: 1 for everything.
        (bright(1.0, offset=4.0), {"scale": 1.0}, "the score hardly depends on the picture", "--scale 0.00392157 the"),
        # It wants -1..1 and gets 0..255.
        (bright(0.5), {"scale": 1.0}, "the score ", "--scale 0.00784314 --mean 1,1,1 the"),
        # It wants ImageNet's normalisation and gets 0..255.
        (bright(0.4), {"scale": 1.0}, "the score ", "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 the scores are"),
    ],
)  # fmt: skip
def test_a_model_that_is_fed_in_the_wrong_range(
    tmp_path: Path, graph: ModelProto, flags: dict[str, Any], found: str, advice: str
) -> None:
    path = write(tmp_path / "net.onnx", graph)
    note = only(imported(path, tmp_path / "models", WANTED, WantedOnnx(**flags)).notes)
    assert note.startswith(found)
    assert advice in note


def test_the_advice_works(tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", bright(1 / 255, offset=4.0))
    wrong = imported(path, tmp_path / "models", WANTED)
    assert wrong.is_doubtful
    assert "--scale 1 " in only(wrong.notes)
    result = imported(path, tmp_path / "models", WANTED, WantedOnnx(scale=1.0))
    assert (result.notes, result.is_doubtful) == ((), False)
    scores = [Served(result.folder)(picture)[0].score for picture in draw_probes(*IMAGE).values()]
    assert max(scores) - min(scores) > 0.3


def test_weights_that_are_all_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", bright(0.0))
    note = only(imported(path, tmp_path / "models", WANTED).notes)
    assert note.startswith(
        "the score hardly depends on the picture: 0.5000 for 10 trial pictures of different brightness"
    )
    assert "no usual scale, normalisation or order of channels spreads the scores: it may be untrained" in note


def test_the_order_of_channels(tmp_path: Path) -> None:
    """Red saturates it at once, and blue is what it looks at."""
    graph = bright(1.0, weights=(400.0, 0.0, 1.0), offset=4.0)
    note = only(imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED, WantedOnnx(bgr=True)).notes)
    assert "hardly depends" in note or "at an end" in note


def test_scores_at_both_ends(tmp_path: Path) -> None:
    graph = bright(255.0, offset=1000.0)
    note = only(imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED).notes)
    assert note.startswith("the score is at an end, 0 or 1, for 9 of 10 trial pictures")


def overflowing() -> ModelProto:
    """A softmax by hand: exp(255) is infinite, and infinity by infinity is no number."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Exp", ["mean"], ["power"]),
        helper.make_node("Add", ["power", "one"], ["sum"]),
        helper.make_node("Div", ["power", "sum"], ["score"]),
    ]
    one = numpy_helper.from_array(np.array(1, np.float32), "one")
    return model(nodes, {"x": [1, 3, INPUT[1], INPUT[0]]}, {"score": []}, [one])


def test_a_model_that_overflows_is_refused_with_what_helps(tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", overflowing())
    with pytest.raises(ImportFailed, match=r"not a number \(NaN\); with .*--scale 0\.00392157 the scores are 0"):
        imported(path, tmp_path / "models", WANTED, WantedOnnx(scale=1.0))
    assert imported(path, tmp_path / "models", WANTED).notes == ()


def test_pictures_that_have_no_score_are_told(tmp_path: Path) -> None:
    """Divided by the contrast between red and blue, which grey pictures have not."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Conv", ["x", "weights"], ["contrast"]),
        helper.make_node("ReduceMax", ["contrast"], ["most"], keepdims=0),
        helper.make_node("ReduceMin", ["contrast"], ["least"], keepdims=0),
        helper.make_node("Sub", ["most", "least"], ["range"]),
        helper.make_node("Div", ["range", "range"], ["one"]),
        helper.make_node("Mul", ["mean", "one"], ["score"]),
    ]
    weights = numpy_helper.from_array(np.array([1, 0, -1], np.float32).reshape(1, 3, 1, 1), "weights")
    graph = model(nodes, {"x": [1, 3, INPUT[1], INPUT[0]]}, {"score": []}, [weights])
    note = only(imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED).notes)
    assert note.startswith(
        "the model answers 2 of 10 trial pictures with what is no number (a gradient, of full contrast)"
    )


def test_keys_of_dda_are_named_where_flags_are_not(tmp_path: Path) -> None:
    graph = bright(1 / 255, offset=4.0)
    graph.graph.node[-1].output[0] = "normal"
    one = numpy_helper.from_array(np.array(1, np.float32), "one")
    graph.graph.initializer.append(one)
    graph.graph.node.append(helper.make_node("Sub", ["one", "normal"], ["anomalous"]))
    graph.graph.node.append(helper.make_node("Concat", ["anomalous", "normal"], ["score"], axis=1))
    graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
    folder = write_dda(tmp_path / "dda", graph=graph, segmentation_head_enabled=False, normalize=False)
    notes = [note for note in imported(folder, tmp_path / "models").notes if "hardly depends" in note]
    assert "with image_range_scale false and normalize false in manifest.json the scores are" in notes[0]


def test_a_good_model_is_passed_without_a_word(tmp_path: Path) -> None:
    result = imported(write(tmp_path / "net.onnx", bright(1.0, offset=4.0)), tmp_path / "models", WANTED)
    assert result.notes == ()
    assert len({round(Served(result.folder)(picture)[0].score, 3) for picture in pictures()}) > 3
