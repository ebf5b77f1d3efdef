"""The command line as a user types it: help, answers, exit codes, and one line for what goes wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import numpy as np
import pytest
from PIL import Image

from edge_agent.cli import command as program
from edge_agent.settings import Settings
from tests.support.commands import failed, run, run_alone
from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import half_bright, picture, write_echo
from tests.support.keys import Signer
from tests.support.poison import poison, run_installed

#: what `edge-agent --help` lists
COMMANDS = program.list_commands(click.Context(program))


@pytest.fixture
def daemon(emptied: Daemon) -> Daemon:
    """One for all tests of this file."""
    return emptied


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(half_bright()).save(folder / "half.png")
    Image.fromarray(picture(255)).convert("L").save(folder / "gray.png")  # converted to RGB
    Image.fromarray(picture(200)).save(folder / "bright.jpg", quality=95)
    (folder / "text.png").write_text("not a picture")
    return folder


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_command_has_help_with_an_example(name: str) -> None:
    """By itself each finds what it needs; those of a group are asked in a process that has it."""
    done = run_alone(*name.split(), "--help")
    assert name or _listed(done.stdout) == COMMANDS
    asked = [([name], done)] if name else [([], done)]
    for command, told in asked:
        assert told.returncode == 0
        assert re.search("Example(, [a-z ]+)?: .*edge-agent", " ".join(told.stdout.split())), command
        if command:
            below = [[*command, found] for found in _listed(told.stdout)]
            asked += [(words, run(*words, "--help")) for words in below]


def _listed(text: str) -> list[str]:
    """Read a group's commands from its help."""
    section = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\S+)", section, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["models"], ["models", "start"], ["detect", "m"], ["serve", "--no"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Usage: edge-agent" in done.stderr


@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "start", "x"], ["detect", "x", __file__]])
def test_without_an_agent(arguments: list[str], tmp_path: Path, photos: Path) -> None:
    arguments = [str(photos / "half.png") if argument == __file__ else argument for argument in arguments]
    line = failed(run(*arguments, "--socket", f"unix://{tmp_path}/none.sock"))
    assert line.startswith(
        f"edge-agent: no agent answers on unix://{tmp_path}/none.sock; is `edge-agent serve` running"
    )


def test_the_life_of_a_model(daemon: Daemon) -> None:
    where = {"EDGE_AGENT_SOCKET": daemon.socket}
    done = run("models", "list", **where)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no model components" in done.stderr
    write_echo(daemon.models, model_arn="arn:x")
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    assert run("models", "start", "echo", "--wait", **where).stdout == "model 'echo' is RUNNING\n"
    assert run("models", "list", **where).stdout.splitlines() == [
        "MODEL  VERSION  STATUS   MESSAGE",
        "echo   1.0.0    RUNNING",
    ]
    assert json.loads(run("models", "list", "--json", **where).stdout) == [
        {"model": "echo", "version": "1.0.0", "status": "RUNNING", "message": "", "arn": "arn:x"}
    ]
    assert run("models", "start", "echo", "--wait", **where).stdout == "model 'echo' is RUNNING\n", "already"
    assert run("models", "describe", "echo", "--json", **where).stdout.count("RUNNING") == 1
    assert "ARN:     arn:x" in run("models", "describe", "echo", **where).stdout
    assert run("models", "stop", "echo", **where).stdout == "model 'echo' is STOPPED\n"
    assert "expected RUNNING" in failed(run("models", "stop", "echo", **where))
    assert "there is no model component 'other'" in failed(run("models", "describe", "other", **where))


def test_detect(daemon: Daemon, photos: Path, tmp_path: Path) -> None:
    where = {"EDGE_AGENT_SOCKET": daemon.socket}
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    pictures = [photos / name for name in ("half.png", "gray.png", "bright.jpg")]
    assert "is STOPPED, expected RUNNING" in failed(run("detect", "echo", *pictures, **where))
    marked = tmp_path / "marked"
    done = run("detect", "echo", *pictures, "--start", "--overlay", marked, **where)
    assert done.returncode == 0, done.stderr
    heading, *rows = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert heading == ["PICTURE", "VERDICT", "CONFIDENCE", "SCORE", "AREAS", "MS"]
    assert [row[1:5] for row in rows] == [
        ["normal", "0.750", "0.2500", "bright 25.00%"],
        ["anomalous", "1.000", "1.0000", "bright 100.00%"],
        ["anomalous", "0.784", "0.7843", "bright 100.00%"],
    ]
    with Image.open(marked / "half.png") as overlay:
        shown = np.asarray(overlay.convert("RGB"))
    bar = shown.shape[0] - 64
    assert bar > 0
    assert (shown[-64:, 40:] == 0).all(), "where there is no anomaly the picture is as it was"
    assert (shown[-64:, :10] != 255).any(), "the mask is laid over"
    (first, *_) = json.loads(run("detect", "echo", *pictures, "--json", **where).stdout)
    assert first.pop("milliseconds") > 0
    assert first == {
        "picture": str(photos / "half.png"),
        "is_anomalous": False,
        "confidence": pytest.approx(0.75),
        "anomaly_score": pytest.approx(0.25),
        "anomaly_threshold": 0.5,
        "areas": [
            {"name": "background", "hex_color": "#FFFFFF", "total_percentage_area": 0.75},
            {"name": "bright", "hex_color": "#23A436", "total_percentage_area": 0.25},
        ],
    }
    assert f"{photos}/text.png is not a PNG, JPEG, BMP, TIFF or WebP picture" in failed(
        run("detect", "echo", photos / "text.png", **where)
    )
    assert "none.png can't be read: No such file" in failed(run("detect", "echo", photos / "none.png", **where))
    Image.fromarray(picture(0, 640, 480)).save(photos / "large.png")
    assert "bitmap is 640x480, model 'echo' was trained on 64x64" in failed(
        run("detect", "echo", photos / "large.png", **where)
    )


def test_one_bad_picture_does_not_lose_the_others(daemon: Daemon, photos: Path, tmp_path: Path) -> None:
    where = {"EDGE_AGENT_SOCKET": daemon.socket}
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    (photos / "more").mkdir()
    Image.fromarray(picture(0)).save(photos / "more" / "half.png")
    Image.fromarray(np.full((64, 64), 51 * 257, np.uint16)).save(photos / "deep.png")
    names = ("half.png", "text.png", "more/half.png", "deep.png")
    pictures = [photos / name for name in names]
    done = run("detect", "echo", *pictures, "--start", "--json", "--overlay", tmp_path / "marked", **where)
    assert done.returncode == 1
    noted, refused = done.stderr.splitlines()
    assert noted.startswith("note: the values of 1 picture of 16 bits stay below 16384, and were taken for full ones")
    assert refused == f"edge-agent: {photos}/text.png is not a PNG, JPEG, BMP, TIFF or WebP picture"
    scores = {Path(found["picture"]).relative_to(photos): found["anomaly_score"] for found in json.loads(done.stdout)}
    assert scores == {
        Path("half.png"): pytest.approx(0.25),
        Path("more/half.png"): 0,
        Path("deep.png"): pytest.approx(0.2, abs=1e-5),  # 16 bits are scaled, not clipped
    }
    assert sorted(path.name for path in (tmp_path / "marked").iterdir()) == ["deep.png", "half-2.png", "half.png"]
    line = failed(run("detect", "echo", photos / "half.png", "--overlay", photos / "text.png" / "x", **where))
    assert "Not a directory" in line


def test_output_that_can_not_be_written(daemon: Daemon) -> None:
    command = f"{sys.executable} -m edge_agent models list --json --socket {daemon.socket} > /dev/full"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "edge-agent: No space left on device\n"


def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_echo(models, "good")
    flags = ("--model-dir", models, "--state-dir", tmp_path, "--socket", f"unix://{tmp_path}/a.sock")
    done = run("doctor", *flags)
    assert done.returncode == 0, done.stdout
    assert "model good" in done.stdout
    os.truncate(write_echo(models, "bad") / "model.onnx", 10)
    models.chmod(0o777)
    groups = {"EDGE_AGENT_SOCKET_GROUP": "root", "EDGE_AGENT_CONTROL_GROUP": "no-such-group"}
    done = run("doctor", *flags, "--json", **groups)
    assert done.returncode == 1
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert findings["model bad"]["verdict"] == "wrong"
    assert "artifact 'model.onnx' has SHA-256" in findings["model bad"]["found"]
    assert findings["model bad"]["remedy"]
    assert findings["model good"]["verdict"] == "ok"
    assert findings["socket_group"]["found"] == "members of the group 'root' may connect"
    assert findings["control_group"]["found"] == "control_group 'no-such-group' is not a group of this device"
    assert findings["control_group"]["verdict"] == "wrong"
    assert findings["model folder"]["found"] == f"every user may put models into {models}"
    assert {
        "architecture",
        "Python",
        "processor",
        "memory",
        "storage",
        "shared memory",
        "socket",
        "engine onnxruntime-cpu",
    } < set(findings)


def test_doctor_says_who_has_signed(tmp_path: Path) -> None:
    models, signer = tmp_path / "models", Signer(tmp_path, "release")
    signer.sign(write_echo(models, "good"))
    write_echo(models, "bare")
    flags = [
        "--model-dir",
        models,
        "--state-dir",
        tmp_path / "state",
        "--socket",
        f"unix://{tmp_path}/a.sock",
        "--json",
    ]
    environ = {"EDGE_AGENT_REQUIRE_SIGNATURE": "true", "EDGE_AGENT_TRUSTED_KEY": str(signer.public)}
    tmp_path.chmod(0o775)
    done = run("doctor", *flags, **environ)
    assert done.returncode == 1
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert found["model good"]["found"].endswith(", signed with release.pub.pem")
    assert found["model bare"]["verdict"] == "wrong"
    assert "it is not signed, and a signature is required" in found["model bare"]["found"]
    assert "edge-agent sign" in found["model bare"]["remedy"]
    ok, note = [finding for finding in json.loads(done.stdout) if finding["check"] == "signatures"]
    assert re.fullmatch(r"required, by release\.pub\.pem \([0-9a-f]{16}\)", ok["found"])
    assert (note["verdict"], note["remedy"]) == ("note", f"chmod go-w {tmp_path}")
    done = run("doctor", *flags, EDGE_AGENT_REQUIRE_SIGNATURE="true")
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert (found["signatures"]["verdict"], found["model bare"]["verdict"]) == ("wrong", "ok")


def test_doctor_finds_a_serving_agent(daemon: Daemon) -> None:
    assert (
        f"an agent serves {daemon.path}"
        in run("doctor", "--socket", daemon.socket, "--model-dir", daemon.models).stdout
    )


def test_doctor_on_a_device_that_lacks_things(tmp_path: Path) -> None:
    done = run("doctor", "--socket", f"unix://{tmp_path}/no/such/folder.sock", "--model-dir", tmp_path / "none")
    assert done.returncode == 1
    assert "can't be made by this user" in done.stdout
    assert re.search(r"note\s+model folder\s+.*none does not exist", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--socket", "localhost:1"], "socket 'localhost:1' is not an address such as unix:///tmp/"),
        (["--queue-size", "-1"], "Expected 'int' >= 0 at setting 'queue_size'"),
        (["--pin", "x"], "pin 'x' is not NAME=VERSION"),
        (["--config", "/none.toml"], "/none.toml can't be read: No such file or directory"),
        (
            ["--socket", "unix:///no/such/folder/a.sock"],
            "the folder of the socket /no/such/folder/a.sock does not exist",
        ),
        (["--socket-group", "no-such-group"], "socket_group 'no-such-group' is not a group of this device"),
        (["--control-group", "no-such-group"], "control_group 'no-such-group' is not a group of this device"),
        (
            ["--require-signature"],
            "require_signature is set, but no key is trusted: name the public key in trusted_key",
        ),
    ],
)
def test_serve_with_a_bad_setting(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run("serve", "--socket", f"unix://{tmp_path}/a.sock", "--state-dir", tmp_path, *arguments)
    assert said in failed(done)


def test_a_setting_that_is_one_of_a_few_words_shows_them() -> None:
    shown = run("serve", "--help").stdout
    assert "--log-level [debug|info|warning|error]" in shown
    assert "--audit [on|off]" in shown
    done = run("serve", "--engine", "magic")
    assert done.returncode == 2
    assert "Invalid value for '--engine': 'magic' is not one of 'auto', 'tensorrt', " in done.stderr


def test_every_setting_is_a_flag_that_takes_its_own_default(tmp_path: Path) -> None:
    """serve would refuse the socket's folder, after it has accepted every flag."""
    flags: list[str] = []
    for field, value in msgspec.to_builtins(Settings()).items():
        if isinstance(value, bool):
            flags.append("--" + field.replace("_", "-"))
            continue
        values = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else value
        for one in values if isinstance(values, list | tuple) else [values]:
            flags += ["--" + field.replace("_", "-"), str(one)]
    flags += ["--trusted-key", str(Signer(tmp_path, "release").public)]  # --require-signature is among them
    done = run(
        "serve", *flags, "--model-dir", "/a", "--model-dir", "/b", "--pin", "x=1.0.0", "--socket", "unix:///no/a.sock"
    )
    assert done.returncode == 1
    assert "the folder of the socket /no/a.sock does not exist" in done.stderr  # after a line of the log


@pytest.mark.long
def test_the_demo(tmp_path: Path) -> None:
    """What `make demo` runs: right on every picture, also over what is there; its folder is of use afterwards.

    Also on a device that serves signed models alone, and in a folder that must not be imported from.
    """
    output, foreign = tmp_path / "demo", tmp_path / "foreign"
    imported = poison(foreign)
    for _ in range(2):
        done = run_installed(foreign, "demo", "--output", output, EDGE_AGENT_REQUIRE_SIGNATURE="true")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(" anomalous ") == done.stdout.count(" normal ") == 6
        assert "12 of 12 verdicts are right" in done.stdout
        assert f"edge-agent serve --model-dir {output}/models" in done.stdout
    assert len(list((output / "overlays").glob("*.png"))) == 12
    assert {path.parent.name for path in (output / "pictures").glob("*/*.png")} == {"normal", "anomaly"}
    assert run("doctor", "--model-dir", output / "models", "--socket", f"unix://{tmp_path}/a.sock").returncode == 0
    assert not imported.exists()


def test_the_demo_in_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("demo", "--output", tmp_path / "file" / "demo")
    assert done.returncode == 1
    assert "can't write to" in done.stderr
    assert "Traceback" not in done.stderr


def test_detect_reads_files_as_those_of_the_training_were(daemon: Daemon, tmp_path: Path) -> None:
    """The echo model's score is the brightness: 2048 of 12 bits are half of it, and of 16 bits nearly nothing."""
    where = {"EDGE_AGENT_SOCKET": daemon.socket}
    write_echo(daemon.models, segmentation=False, training={"pixel_format": {"bits": 12, "bayer": ""}})
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((64, 64), 2048, np.uint16)).save(path)
    done = run("detect", "echo", path, "--start", "--json", **where)
    assert done.returncode == 0, done.stderr
    assert "the training pictures' files were read with --bits 12" in done.stderr
    (found,) = json.loads(done.stdout)
    assert found["anomaly_score"] == pytest.approx(2048 / 4095, abs=0.003)
    said = run("detect", "echo", path, "--json", "--bits", "16", **where)
    assert "--bits 16 is taken, the training pictures were read with --bits 12" in said.stderr
    assert json.loads(said.stdout)[0]["anomaly_score"] == pytest.approx(2048 / 65535, abs=0.003)
