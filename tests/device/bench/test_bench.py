"""`edge-agent bench`: its table, its sentence, and that it leaves nothing behind. How fast it is, is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from PIL import Image

from edge_agent.device.bench.measurement import Load, Measured, Sample
from edge_agent.device.bench.report import sentence
from tests.support.commands import failed, run
from tests.support.daemon import alive
from tests.support.fakes import half_bright, write_echo

SHORT = ("--seconds", "0.2", "--rounds", "2", "--clients", "1,2")


def test_the_figures_of_a_component(tmp_path: Path) -> None:
    done = run("bench", write_echo(tmp_path), *SHORT, "--json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert (measured["model"], measured["version"]) == ("echo", "1.0.0")
    assert [(row["clients"], row["way"]) for row in measured["agent"]] == [
        (1, "shared memory"), (2, "shared memory"), (1, "bytes"), (2, "bytes"),
    ]  # fmt: skip
    for row in (measured["engine"], measured["pipeline"], *measured["agent"]):
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["per_second"] > 0
    assert measured["engine"]["p50_ms"] < measured["agent"][0]["p50_ms"], "a call is the engine and more"
    assert measured["busy"] == pytest.approx(10 / measured["capacity_per_second"], abs=0.001)
    # The names have the number of the process that made them; other tests' are alive.
    made = Path("/dev/shm").glob("edge-agent-bench-*")
    assert not [path for path in made if not alive(int(path.name.split("-")[4]))]
    assert not [line for line in map(_command_line, psutil.process_iter()) if str(tmp_path) in line]


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.long
def test_the_table_of_a_model_that_serve_would_find(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    picture = tmp_path / "part.png"
    Image.fromarray(half_bright()).save(picture)
    done = run("bench", "echo", *SHORT, "--picture", picture, EDGE_AGENT_MODEL_DIR=str(tmp_path / "models"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["P50", "MS", "P99", "MS", "PICTURES/S"]
    assert [line.split("  ")[0] for line in lines[1:7]] == [
        "onnxruntime-cpu alone", "with preparation and mask, one process", "1 client, shared memory",
        "2 clients, shared memory", "1 client, bytes", "2 clients, bytes",
    ]  # fmt: skip
    assert lines[7].startswith("at 10 parts a second this device is ")


@pytest.mark.long
def test_what_can_not_be_measured(tmp_path: Path) -> None:
    nothing = {"EDGE_AGENT_MODEL_DIR": str(tmp_path / "none"), "EDGE_AGENT_STATE_DIR": str(tmp_path)}
    assert "'cookies' is neither a folder nor a model component, this device has no model components" in failed(
        run("bench", "cookies", **nothing)
    )
    assert "is not a model component: manifest.json is missing; expected the folder of one" in failed(
        run("bench", tmp_path)
    )
    component = write_echo(tmp_path / "models")
    picture = tmp_path / "part.png"
    Image.fromarray(half_bright(80, 64)).save(picture)
    assert "part.png is 80x64, model 'echo' was trained on 64x64" in failed(
        run("bench", component, "--picture", picture)
    )
    assert "0,x' is not a list of numbers from 1 to 64" in run("bench", component, "--clients", "0,x").stderr
    (component / "model.onnx").write_bytes(b"damaged")
    assert "artifact 'model.onnx' has SHA-256" in failed(run("bench", component))


def test_what_the_figures_mean_for_a_line() -> None:
    engine = Sample(0.010, 0.012, 100.0)
    loads = {
        Load(1, "shared memory"): Sample(0.011, 0.0154, 80.0),
        Load(2, "shared memory"): Sample(0.030, 0.04, 61.0),
        Load(8, "bytes"): Sample(0.1, 0.2, 90.0),
    }
    measured = Measured("onnxruntime-cpu", engine, engine, loads)
    assert sentence(measured, 25) == (
        "at 25 parts a second this device is 31 % busy (it inspects 80.0 at the most); 99 of 100 verdicts come within "
        "15.4 ms, and a part passes every 40 ms"
    )
    assert sentence(measured, 100) == (
        "100 parts a second are too many: this device inspects 80.0 a second at the most"
    )
