"""Int8 weights on processors with and without VNNI: the same answer, and who is told that it costs time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.building.training import backbone
from edge_agent.building.training.quantization import quantize
from edge_agent.component.manifest import FILE_NAME, Golden, decode_manifest
from edge_agent.component.writing import write_component
from edge_agent.device.doctor import checks
from edge_agent.device.doctor.finding import Verdict
from edge_agent.errors import ComponentError
from edge_agent.hardware import processor
from edge_agent.inference.engines import onnx_int8
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.engines.onnx_int8 import MOST_WEIGHT, has_wide_int8
from edge_agent.inference.golden import check_golden_samples
from edge_agent.inference.host import HostPipeline
from edge_agent.settings import Settings
from tests.building.importing.formats import imported
from tests.building.importing.test_any_onnx import write
from tests.support.fakes import echo_fields, echo_graph, picture

SIDE = 64


def quantised(most: int, *, is_raw: bool = True) -> ModelProto:
    """A convolution in QDQ form, as ONNX Runtime's tools write it, weights of up to `most`; the score is its mean."""
    weight = np.clip(np.abs(np.random.default_rng(1).normal(90, 25, (8, 16, 3, 3))), 0, most).astype(np.int8)
    stored = (
        numpy_helper.from_array(weight, "w")
        if is_raw
        else helper.make_tensor("w", TensorProto.INT8, weight.shape, weight.reshape(-1).tolist())
    )
    # The largest sum is 1: the score then lies in 0..1.
    scale = float(1 / weight.astype(np.float64).sum(axis=(1, 2, 3)).max())
    constants: dict[str, Any] = {
        "ws": np.full(8, scale, np.float32), "wz": np.zeros(8, np.int8), "s": np.float32(1 / 255), "z": np.uint8(0),
        "mix": np.full((16, 3, 1, 1), 1 / 3, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["picture", "mix"], ["mixed"]),
        helper.make_node("QuantizeLinear", ["mixed", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=0),
        helper.make_node("Conv", ["d", "dw"], ["found"]),
        helper.make_node("QuantizeLinear", ["found", "s", "z"], ["found_q"]),
        helper.make_node("DequantizeLinear", ["found_q", "s", "z"], ["found_d"]),
        helper.make_node("ReduceMean", ["found_d"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "int8", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [])],
        [stored, *(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def trained() -> ModelProto:
    """What `edge-agent train --precision int8` makes of two convolutions, by its own function."""
    random = np.random.default_rng(2)
    weights = {"a": random.normal(0, 0.3, (16, 3, 3, 3)), "b": np.abs(random.normal(0, 0.2, (8, 16, 3, 3)))}
    nodes = [
        helper.make_node("Conv", [backbone.INPUT, "a"], ["x"], name="first"),
        helper.make_node("Relu", ["x"], ["y"], name="bend"),
        helper.make_node("Conv", ["y", "b"], ["z"], name="second"),
        helper.make_node("ReduceMean", ["z"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info(backbone.INPUT, TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    shown = [random.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(4)]
    result: ModelProto = quantize(model, shown, progress=lambda done, total: None)
    return result


@pytest.fixture
def no_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this be a processor of 2013."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(processor, "cpuinfo", lambda: {"flags": "sse4_2 avx avx2 fma"})


def pairs_overflow(weight: Any) -> bool:
    """Emulate PMADDUBSW on the brightest pixels: do two products that are added leave 16 bits?"""
    rows = weight.reshape(weight.shape[0], -1).astype(np.int64)
    largest, least = np.sort(rows, axis=1)[:, -2:].sum(axis=1), np.sort(rows, axis=1)[:, :2].sum(axis=1)
    return bool((255 * largest > 32767).any() or (255 * least < -32768).any())


@pytest.mark.parametrize("is_raw", [True, False])
@pytest.mark.parametrize(("most", "is_wide"), [(127, True), (65, True), (64, False)])
def test_weights_of_more_than_7_bits_are_seen(most: int, is_wide: bool, is_raw: bool) -> None:
    model = quantised(most, is_raw=is_raw)
    assert has_wide_int8(model.SerializeToString()) == is_wide
    assert not has_wide_int8(echo_graph(64, 64, segmentation=True))
    weight = numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == "w"))
    assert pairs_overflow(weight) == is_wide


def test_what_train_makes_can_not_overflow() -> None:
    """In whatever pairs its products are added."""
    model = trained()
    weights = [t for t in model.graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) == 4]
    assert len(weights) == 2
    for tensor in weights:
        assert np.abs(numpy_helper.to_array(tensor).astype(int)).max() <= MOST_WEIGHT
        assert not pairs_overflow(numpy_helper.to_array(tensor))
    assert not has_wide_int8(model.SerializeToString())


@pytest.mark.parametrize(("most", "switch"), [(127, ["1"]), (64, [])])
def test_without_vnni_they_are_multiplied_exactly(
    tmp_path: Path, no_vnni: None, monkeypatch: pytest.MonkeyPatch, most: int, switch: list[str]
) -> None:
    set_to = []
    options = onnxruntime.SessionOptions

    class Watched(options):  # type: ignore[misc, valid-type]
        def add_session_config_entry(self, key: str, value: str) -> None:
            set_to.extend([value] if key == "session.x64quantprecision" else [])
            super().add_session_config_entry(key, value)

    monkeypatch.setattr("onnxruntime.SessionOptions", Watched)
    (tmp_path / "model.onnx").write_bytes(quantised(most).SerializeToString())
    load_on_processor(tmp_path / "model.onnx")
    assert set_to == switch


def test_import_says_it(tmp_path: Path) -> None:
    wanted = Wanted((SIDE, SIDE), 0.5)
    notes = imported(write(tmp_path / "wide.onnx", quantised(127)), tmp_path / "models", wanted, WantedOnnx()).notes
    assert any(note.startswith("its int8 weights use all 8 bits") and "reduce_range" in note for note in notes)
    notes = imported(write(tmp_path / "narrow.onnx", quantised(64)), tmp_path / "models", wanted, WantedOnnx()).notes
    assert notes == ()


def component(models: Path, **changes: Any) -> Path:
    import cv2

    ok, png = cv2.imencode(".png", picture(200))
    assert ok
    files = {"model.onnx": quantised(127).SerializeToString(), "golden.png": png.tobytes()}
    return write_component(models, files, **echo_fields("echo", SIDE, SIDE, segmentation=False), **changes)


def test_a_golden_mismatch_says_it(tmp_path: Path) -> None:
    folder = component(tmp_path, golden=(Golden(image="golden.png", score=0.1),))
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    pipeline = HostPipeline(manifest, load_on_processor(folder / "model.onnx"))
    with pytest.raises(ComponentError, match=r"expected 0\.1000 within 0\.01; its int8 weights use all 8 bits.*VNNI"):
        check_golden_samples(pipeline, folder)


@pytest.mark.parametrize("is_exact", [True, False])
def test_the_doctor_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_exact: bool) -> None:
    flags = "avx2 avx_vnni" if is_exact else "avx2"
    monkeypatch.setattr(processor, "cpuinfo", lambda: {"flags": flags})
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    component(tmp_path / "models")
    settings = Settings(
        model_dir=(str(tmp_path / "models"),), state_dir=str(tmp_path / "state"), socket=f"unix://{tmp_path}/agent.sock"
    )
    (finding,) = [found for found in checks.examine(settings) if found.check == "model echo"]
    assert "its int8 weights use all 8 bits, which overflow on processors without VNNI" in finding.found
    assert finding.verdict == (Verdict.OK if is_exact else Verdict.NOTE)
    assert ("reduce_range" in finding.remedy) == (not is_exact)


_EMULATED = """
import json, sys
import numpy as np
import onnxruntime
from pathlib import Path
from edge_agent.hardware import processor
if sys.argv[1] == "haswell":
    processor.cpuinfo = lambda: {"flags": "sse4_2 avx avx2 fma"}  # an emulator of user programs shows the host's
from edge_agent.inference.engines.engine import load_on_processor
tensor = np.random.default_rng(0).random((1, 3, 64, 64), np.float32) * 0.5 + 0.5
found = {}
for path in sys.argv[2:]:
    name = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()[0].name
    bare = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {name: tensor})[0]
    found[Path(path).stem] = [float(bare), float(load_on_processor(Path(path)).run(name, tensor, ["score"])[0])]
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-user: a processor without VNNI is emulated")
def test_both_instruction_sets(tmp_path: Path) -> None:
    """On an emulated Haswell ONNX Runtime alone is off, the agent is not, and what train makes is never off."""
    for name, model in (("wide", quantised(127)), ("narrow", quantised(64)), ("trained", trained())):
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    paths = [str(tmp_path / f"{name}.onnx") for name in ("wide", "narrow", "trained")]
    answers = {}
    for kind, emulator in (("native", []), ("haswell", ["qemu-x86_64", "-cpu", "Haswell"])):
        command = [*emulator, sys.executable, "-c", _EMULATED, kind, *paths]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"}
        )
        assert done.returncode == 0, done.stderr[-2000:]
        answers[kind] = json.loads(done.stdout)
    exact, old = answers["native"], answers["haswell"]
    assert old["wide"][0] == pytest.approx(0.6425, abs=2e-3), "the emulated processor does not overflow"
    if onnx_int8.multiplies_exactly():
        assert exact["wide"][0] == pytest.approx(0.7141, abs=2e-3)
    assert old["wide"][1] == pytest.approx(exact["wide"][1], abs=1e-3)
    for name in ("narrow", "trained"):
        assert old[name] == pytest.approx(exact[name], abs=1e-3 * max(1, abs(exact[name][0])))
        assert old[name][0] == pytest.approx(old[name][1], abs=1e-6)
