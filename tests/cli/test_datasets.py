"""What every command that takes a DATASET says of labels and pictures that it can't use, as a user types it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import failed, run, run_in
from tests.support.manifests import classified, is_bad, labelled, write_lines, write_pictures


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ok.manifest, and named.manifest in which anomalies are called defect."""
    root = tmp_path_factory.mktemp("named")
    names = write_pictures(root, normal=6, anomaly=4)
    write_lines(root / "ok.manifest", *map(labelled, names))
    write_lines(root / "named.manifest", *(classified(name, "defect" if is_bad(name) else "normal") for name in names))
    return root


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    done = run("train", data / "ok.manifest", "-o", models, "--name", "part", "--task", "classification")
    assert done.returncode == 0, done.stderr
    return models / "part" / "1.0.0"


def test_every_command_names_a_class_that_is_not_understood(data: Path, model: Path, tmp_path: Path) -> None:
    manifest = data / "named.manifest"
    commands: list[list[object]] = [
        ["dataset", "check", manifest],
        ["dataset", "show", manifest, "-o", tmp_path / "sheet.png"],
        ["dataset", "export", manifest, "-o", tmp_path / "a.manifest"],
        ["dataset", "split", manifest, "-o", tmp_path / "parts"],
        ["train", manifest, "-o", tmp_path / "models", "--task", "classification"],
        ["evaluate", model, manifest, "-o", tmp_path / "out"],
    ]
    for command in commands:
        done = run(*command)
        assert done.returncode == 1, command
        assert "4 pictures have the class 'defect' in 'job'" in done.stderr, command
        assert "add: --anomaly defect" in done.stderr, command
        if command[0] == "train":
            continue  # as the model was
        done = run(*command, "--anomaly", "defect")
        assert done.returncode == 0, (command, done.stderr)
        assert "'defect'" not in done.stderr
    assert not (tmp_path / "models" / "named" / "2.0.0").exists()
    for name in ("a.manifest", "parts/train.manifest"):
        lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        said = {line["anomaly-label-metadata"]["class-name"] for line in lines if "anomaly-label" in line}
        assert "defect" not in said, "what is written is read without the option"
    assert run("dataset", "check", tmp_path / "a.manifest").returncode == 0
    result = json.loads((tmp_path / "out" / "EvaluationResult-part.json").read_text())["EdgeAgent"]
    assert result["TruePositives"] + result["FalseNegatives"] == 4


def test_reasons_are_data(data: Path) -> None:
    done = run("dataset", "check", data / "named.manifest", "--json")
    reasons = json.loads(done.stdout)["reasons"]
    unknown = [reason for reason in reasons if reason["code"] == "class-unknown"]
    assert [(r["value"], r["attribute"], r["count"], r["weight"]) for r in unknown] == [("defect", "job", 4, "problem")]
    assert [place["line"] for place in unknown[0]["places"]] == [7, 8, 9, 10]


def test_all_faults_in_one_run_and_a_way_on(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "faults"
    names = write_pictures(root, normal=30, anomaly=9)
    lines: list[object] = [json.dumps(labelled(name)) for name in names]
    lines[0] = "{"
    lines[1] = str(lines[1]) + ","
    lines[2] = {"source_ref": names[2]}
    lines[3] = labelled("normal/gone.png")
    (root / names[4]).write_bytes((root / names[4]).read_bytes()[:200])
    (root / names[5]).write_text("no picture")
    lines[6] = {**labelled(names[6]), **classified(names[6], "anomaly", "other")}
    write_lines(root / "all.manifest", *lines)
    done = _in(tmp_path, "dataset", "check", "faults/all.manifest", "--json")
    broken = [reason for reason in json.loads(done.stdout)["reasons"] if reason["weight"] == "broken"]
    assert [reason["places"][0]["line"] for reason in broken] == [1, 2, 3, 4, 5, 6, 7]
    assert done.returncode == 1
    assert not (tmp_path / "all-left.manifest").exists()
    done = _in(tmp_path, "dataset", "check", "faults/all.manifest", "--skip-broken")
    assert done.returncode == 0, done.stderr
    assert "7 lines and pictures are left out: line 1, line 2, line 3, line 4, line 5 (n4.png) and 2" in done.stderr
    assert len((tmp_path / "all-problems.txt").read_text().splitlines()) == 7
    found = json.loads(_in(tmp_path, "dataset", "check", "all-left.manifest", "--json").stdout)
    assert (found["train"], found["problems"]) == ({"normal": 23, "anomaly": 9, "unlabelled": 0}, [])
    for command in (["dataset", "split"], ["dataset", "export"], ["dataset", "show"]):
        out = {"split": "parts", "export": "b.manifest", "show": "s.png"}[command[1]]
        refused = _in(tmp_path, *command, "faults/all.manifest", "-o", out)
        assert refused.returncode == 1
        assert "--skip-broken goes on without" in refused.stderr
        assert _in(tmp_path, *command, "faults/all.manifest", "-o", out, "--skip-broken").returncode == 0
    assert len((tmp_path / "b.manifest").read_text().splitlines()) == 32


def test_more_problems_than_a_screen_are_written_to_a_file(data: Path, tmp_path: Path) -> None:
    lines = [labelled(f"gone/{number}.png") for number in range(25)]
    manifest = write_lines(tmp_path / "many.manifest", *lines)
    done = _in(tmp_path, "dataset", "check", manifest)
    assert done.stderr.count("problem: ") == 20
    assert "and 5 more; many-problems.txt lists all 25" in done.stderr
    assert (tmp_path / "many-problems.txt").read_text().count("can't be found") == 25


def test_leaving_out_a_whole_side_is_a_problem(data: Path, tmp_path: Path) -> None:
    names = write_pictures(tmp_path, normal=4, anomaly=2)
    lines = [labelled(name.replace("anomaly/", "anomaly/gone")) for name in names]
    done = _in(tmp_path, "dataset", "check", write_lines(tmp_path / "a.manifest", *lines), "--skip-broken")
    assert done.returncode == 1
    assert "every picture that could be anomaly is lost" in done.stderr


def test_names_on_both_sides_are_wrong_usage(data: Path) -> None:
    done = run("dataset", "check", data / "ok.manifest", "--normal", "x", "--anomaly", "y,X")
    assert done.returncode == 2
    assert "'x' can't be normal and anomaly" in done.stderr


def test_a_single_problem_is_one_line(data: Path, tmp_path: Path) -> None:
    assert "does not exist" in failed(run("dataset", "export", tmp_path / "none", "-o", tmp_path / "a.manifest"))


def _in(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, where it may write."""
    return run_in(folder, *arguments)
