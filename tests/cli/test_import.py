"""`edge-agent import` as a user types it, on a terminal and off, and what it made in a daemon."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edge_agent.client.client import Client
from tests.building.importing.formats import IMAGE, Served, network, pictures, write_dda
from tests.building.importing.test_any_onnx import classifier, masks
from tests.support.commands import failed, run
from tests.support.daemon import PATIENCE, running_daemon


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "my net.onnx").write_bytes(classifier().SerializeToString())
    return tmp_path / "my net.onnx"


def test_a_component_of_dda_in_a_daemon(tmp_path: Path) -> None:
    """From the folder that DDA has to the verdict and mask that a client gets."""
    models = tmp_path / "models"
    done = run("import", write_dda(tmp_path / "dda part"), "-o", models)
    assert done.returncode == 0, done.stderr
    folder = models / "dda-part" / "1.0.0"
    assert done.stdout.splitlines()[:2] == [
        f"{folder} was imported (dda) and answers",
        "segmentation of pictures of 120x72, threshold 0.45, labels rust, ink",
    ]
    served, said = Served(folder), set()
    with running_daemon(tmp_path, models=models) as daemon, Client(daemon.socket) as client:
        client.start("dda-part")  # compares the golden sample
        for picture in pictures():
            found = client.detect("dda-part", picture)
            verdict, mask = served(picture)
            said.add(found.is_anomalous)
            assert found.is_anomalous == verdict.is_anomalous
            assert found.score == pytest.approx(verdict.score, abs=1e-4)
            assert found.mask is not None
            assert mask is not None
            assert np.array_equal(found.mask, mask)
    assert said == {True, False}


def test_flags_and_json(net: Path, tmp_path: Path) -> None:
    command = ["import", net, "-o", tmp_path / "models", "--score-index", "1", "--activation", "softmax"]
    command += ["--threshold", "0.6", "--image-size", "120x72", "--mean", "0.5,0.5,0.5", "--name", "net", "--json"]
    done = run(*command)
    found = json.loads(done.stdout)
    assert found["component"] == str(tmp_path / "models" / "net" / "1.0.0")
    assert (found["format"], found["task"], found["threshold"]) == ("onnx", "classification", 0.6)
    assert found["image"] == {"width": 120, "height": 72}
    manifest = json.loads((tmp_path / "models" / "net" / "1.0.0" / "manifest.json").read_bytes())
    assert manifest["input"]["mean"] == [0.5, 0.5, 0.5]
    again = run(*command)
    assert again.stderr.count("note: ") == 1
    assert json.loads(again.stdout)["notes"] == [
        f"{tmp_path / 'models' / 'net' / '1.0.0'} is there and will be replaced; --version makes another"
    ]


def test_what_is_missing_is_named(net: Path, tmp_path: Path) -> None:
    line = failed(run("import", net, "-o", tmp_path / "models"))
    assert "--score-index is missing: which of the 2 values of 'logits' says that a part is anomalous" in line
    line = failed(run("import", net, "-o", tmp_path / "models", "--score-index", "1"))
    assert "--threshold is missing" in line
    assert "such as --threshold 0.5" in line
    assert not (tmp_path / "models").exists()
    assert "does not exist" in failed(run("import", tmp_path / "none", "-o", tmp_path / "models"))
    assert "is not a folder" in failed(run("import", net, "-o", net))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "a/b"], "can't be the name of a model component"),
        (["--version", "1"], "is not a semantic version"),
        (["--image-size", "big"], "is not a width and a height such as 640x480"),
        (["--image-size", "0x9"], "is not a width and a height"),
        (["--label", "rust"], "is not a name and a colour such as scratch=#23A436"),
        (["--mean", "1,2"], "three numbers for R, G and B"),
        (["--std", "nan,1,1"], "three numbers for R, G and B"),
        (["--scale", "inf"], "is not a number"),
        (["--calibration", "1"], "is not a slope and an intercept"),
        (["--threshold", "2"], "range"),
        (["--scale", "1e300"], "is out of range"),
        (["--std", "1,0,1"], "is not three numbers that can be divided by"),
        (["--std", "1e-300,1,1"], "is out of range"),
        (["--label", "a\x1b[2J=#102030"], "is not a name and a colour"),
        (["-o", ""], "it is empty, expected a path"),
        (["--threshold", "nan"], "is not a number"),
        (["--score-index", "-1"], "range"),
        (["--format", "dlr"], "is not one of"),
    ],
)
def test_wrong_options_are_wrong_usage(net: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run("import", net, "-o", tmp_path / "models", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_no_source_is_not_the_current_folder(tmp_path: Path) -> None:
    done = run("import", "", "-o", tmp_path / "models")
    assert done.returncode == 2
    assert "it is empty, expected a path" in done.stderr


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "loop can not be read" in failed(run("import", tmp_path / "loop", "-o", tmp_path / "models"))


def test_without_standard_input(net: Path, tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m edge_agent import '{net}' -o '{tmp_path / 'models'}' <&-"
    line = failed(subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False))
    assert "--score-index is missing" in line


def test_what_is_no_component_is_left_alone(net: Path, tmp_path: Path) -> None:
    """Said before anything is converted."""
    (tmp_path / "models" / "my-net" / "1.0.0").mkdir(parents=True)
    line = failed(run("import", net, "-o", tmp_path / "models"))
    assert line.endswith("1.0.0 is there and is not replaced, expected nothing or a folder with manifest.json")
    (tmp_path / "loop").symlink_to("loop")
    assert "loop is not a folder" in failed(run("import", net, "-o", tmp_path / "loop"))


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """A wrong answer is asked again; an empty one takes the suggestion."""
    (tmp_path / "net.onnx").write_bytes(network(["mask", "score"]).SerializeToString())
    command = ["import", tmp_path / "net.onnx", "-o", tmp_path / "models", "--image-size", "120x72"]
    answers = {
        r"0\.\.255 .*--scale": "", "--mean": "0.485,0.456", r"three numbers.*\n.*--mean": "0.485,0.456,0.406",
        "--std": "0.2,0,0.2", r"divided by\n.*--std": "0.229,0.224,0.225",
        "--score-index": "2", r"of 0 to 1\n.*--score-index": "0", "--mask-output": "mask", "--threshold": "0.7",
    }  # fmt: skip
    output = typed(command, answers)
    assert "input   'picture' float32 [1, 3, 32, 48]" in output
    assert "output  'mask' float32 [1, 3, 16, 24]" in output
    manifest = Served(tmp_path / "models" / "net" / "1.0.0").manifest
    assert manifest.input.mean == (0.485, 0.456, 0.406)
    assert manifest.threshold == 0.7
    assert manifest.outputs.mask is not None
    assert (manifest.image.width, manifest.image.height) == IMAGE


def test_a_size_or_an_output_that_can_not_be_is_asked_again(tmp_path: Path) -> None:
    graph = masks("class_ids")
    for value in (graph.graph.input[0], graph.graph.output[0]):
        for dimension in value.type.tensor_type.shape.dim[-2:]:
            dimension.dim_param = "free"
    node = next(node for node in graph.graph.node if list(node.output) == ["score"])
    graph.graph.node.append(helper.make_node("Identity", list(node.output), ["other"]))
    graph.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 2]))
    (tmp_path / "net.onnx").write_bytes(graph.SerializeToString())
    command = ["import", tmp_path / "net.onnx", "-o", tmp_path / "models", "--scale", "1", "--threshold", "0.5"]
    answers = {
        r"--image-size": "20x20", r"expected 64 to 4096 pixels a side\n.*--image-size": "120x72",
        "--score-output": "out", r"not one of score, other\n.*--score-output": "other",
        "--score-index": "0", "--mask-output": "none",
    }  # fmt: skip
    typed(command, answers)
    assert Served(tmp_path / "models" / "net" / "1.0.0").manifest.image.width == IMAGE[0]


def typed(command: list[object], answers: dict[str, str]) -> str:
    """Run a command on a terminal and type each answer when its question has come; return what it printed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "edge_agent", *map(str, command)], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        printed, seen = "", 0
        for question, answer in answers.items():
            while not (match := re.search(question + r"[^\n]*: ?$", printed[seen:])):
                assert select.select([ours], [], [], PATIENCE)[0], f"no question {question!r} in {printed!r}"
                printed += os.read(ours, 4096).decode().replace("\r", "")
            seen += match.end()
            os.write(ours, f"{answer}\n".encode())
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # how a terminal ends
                break
            if not block:
                break
            printed += block.decode().replace("\r", "")
        assert process.wait(PATIENCE) == 0, printed
    os.close(ours)
    return printed


def test_what_is_not_installed_is_said(net: Path, tmp_path: Path) -> None:
    program = (
        "import importlib.util as util, sys\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'onnx' else find(name, *more)\n"
        "from edge_agent.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "import", str(net), "-o", str(tmp_path / "models")]
    line = failed(subprocess.run(command, capture_output=True, text=True, check=False))
    assert line.endswith("needs the package 'onnx'; install edge-agent with its extras [cpu,import]")
