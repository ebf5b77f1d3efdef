"""Components that bring a plan of TensorRT along: used where it fits, refused or built anew where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inference.engines.orin import check_answers, nvidia, rewrite, start, write_plan
from tests.support.commands import run
from tests.support.daemon import Daemon
from tests.support.fakes import write_echo


@pytest.mark.parametrize("with_onnx", [True, False])
def test_a_components_own_plan_is_used_where_it_fits(device: Daemon, builds: Path, with_onnx: bool) -> None:
    folder = write_echo(device.folder / "made", width=96, height=64, batch="batch")
    write_plan(folder)
    builds.write_text("")
    if with_onnx:
        rewrite(folder, plan="model.plan", target=nvidia())
    else:
        (folder / "model.onnx").unlink()
        rewrite(folder, model="model.plan", target=nvidia())
    folder.parent.rename(device.models / "echo")
    start(device)
    check_answers(device)
    assert sorted(builds.read_text().split()) == ["conclusion", "preparation"]


def test_a_plan_for_another_device_is_built_anew_where_there_is_an_onnx_file(device: Daemon, builds: Path) -> None:
    folder = write_echo(device.folder / "made", width=96, height=64)
    write_plan(folder)
    builds.write_text("")
    rewrite(folder, plan="model.plan", target=nvidia(**{"trt-ver": "8.5.2"}))
    folder.parent.rename(device.models / "echo")
    start(device)
    check_answers(device)
    assert len(builds.read_text().split()) == 3


def test_a_plan_for_another_device_alone_is_refused_and_both_versions_are_named(device: Daemon) -> None:
    folder = write_echo(device.folder / "made", width=96, height=64)
    write_plan(folder)
    (folder / "model.onnx").unlink()
    rewrite(folder, model="model.plan", target=nvidia(**{"trt-ver": "8.5.2", "gpu-code": "sm_72"}))
    folder.parent.rename(device.models / "echo")
    message = start(device, "FAILED")
    assert "it was packaged for gpu-code sm_72, this device has Orin (sm_87)" in message
    assert "it was packaged for TensorRT 8.5.2, this device has 10.3.0" in message


def test_a_plan_that_is_none_is_refused_with_tensorrts_words(device: Daemon) -> None:
    folder = write_echo(device.folder / "made", width=96, height=64)
    (folder / "model.onnx").rename(folder / "model.plan")
    rewrite(folder, model="model.plan", target=nvidia())
    folder.parent.rename(device.models / "echo")
    assert "TensorRT can't load the plan of the model: magicTag mismatch" in start(device, "FAILED")


def test_another_precision_than_its_own_plans_has_one_built(tmp_path: Path, builds: Path) -> None:
    folder = write_echo(tmp_path / "made", width=96, height=64)
    write_plan(folder)
    rewrite(folder, plan="model.plan", target=nvidia())
    builds.write_text("")
    done = run("models", "build", "echo", "--model-dir", tmp_path / "made", "--state-dir", tmp_path / "state",
               "--precision", "fp16")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert " in fp16 " in done.stdout
    assert len(builds.read_text().split()) == 3
