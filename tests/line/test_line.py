"""A line at work: a real agent, files; and each of its processes killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.support.daemon import PATIENCE, Daemon, running_daemon, suspend, wait_until
from tests.support.fakes import write_echo
from tests.support.line import Line
from tests.support.scraping import fetch, samples

pytestmark = pytest.mark.long

NORMAL, ANOMALOUS = 60, 220


def test_pictures_become_outcomes_pins_and_events(agent: Daemon, make: Callable[..., Line], tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.sock"
    line = make(agent.socket, keys=f'show_picture = true\nmetrics = "unix://{metrics}"\n')
    line.start()
    line.wait_able()
    line.wait_pin("reject", "0")
    line.put("good", NORMAL)
    told = line.event_of("good")
    assert (told["outcome"], told["verdict"], told["line"], told["model"]) == ("pass", "normal", "flange", "echo")
    line.put("bad", ANOMALOUS)
    assert line.event_of("bad")["outcome"] == "reject"
    line.wait_pin("reject", "1")
    line.put("unsure", 110)
    told = line.event_of("unsure")
    assert (told["outcome"], told["verdict"]) == ("look", "normal")
    assert "confidence below 60.00%" in told["reason"]
    line.wait_pin("reject", "0")

    def moved() -> bool:
        found = sorted(str(path.relative_to(line.pictures)) for path in line.pictures.rglob("*.png"))
        return found == ["done/look/unsure.png", "done/pass/good.png", "done/reject/bad.png"]

    wait_until(moved, "each is where its outcome says")
    line.put("dark", 2)
    told = line.event_of("dark")
    assert (told["outcome"], told["verdict"]) == ("failed", "")
    assert "black" in told["reason"]
    line.wait_able()
    (line.pictures / "broken.png").write_bytes(b"not a picture")
    assert line.event_of("broken")["outcome"] == "failed"
    line.wait_able()

    def counted() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(line.command("status", line.file, "--json").stdout)
        return found

    wait_until(lambda: counted()["failed"] == 2 and counted()["able"], "the status is written")
    assert [counted()[name] for name in ("passed", "rejected", "looked", "early")] == [1, 1, 1, 0]

    def listed() -> dict[str, Any]:
        (found,) = json.loads(line.command("list", "--lines", line.folder, "--state-dir", line.folder, "--json").stdout)
        return dict(found)

    def is_shown(line: dict[str, Any]) -> bool:
        return line["state"] == "able" and bool(line["pins"]) and line["pins"][0]["value"] == 1

    told = wait_until(lambda: is_shown(found := listed()) and found, "others see that it can inspect")
    assert (told["name"], told["file"], told["problem"]) == ("flange", str(line.file), "")
    assert told["status"]["last"]["part"] == "broken.png"
    assert (told["status"]["source"], told["status"]["models"]) == (f"folder {line.pictures}", ["echo"])
    assert told["status"]["longest_ms"] > 0
    with Image.open(told["picture"]) as shown:
        assert (shown.format, shown.size) == ("JPEG", (64, 64))
    counts = samples(fetch(metrics))
    for outcome, count in (("pass", 1), ("reject", 1), ("look", 1), ("failed", 2), ("early", 0)):
        assert counts["edge_agent_line_parts_total", ("flange", outcome)] == count
    assert counts["edge_agent_line_safe_states_total", ("part", "flange")] == 2
    assert counts["edge_agent_line_cycle_seconds_count", ("flange",)] == 3
    assert counts["edge_agent_line_able", ("flange",)] == 1
    assert "last part: broken.png, failed" in line.command("status", line.file).stdout
    assert line.process is not None
    line.process.terminate()
    assert line.process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert (line.pin("able"), line.pin("reject")) == ("0", "1"), "it ends in its safe state"
    told = listed()
    assert (told["state"], told["status"]["problem"]) == ("stopped", "not running")
    assert [pin["value"] for pin in told["pins"]] == [0, 1]


def test_each_process_killed_is_the_safe_state(agent: Daemon, make: Callable[..., Line]) -> None:
    line = make(agent.socket)
    line.start()
    line.wait_able()
    first = line.inspecting()
    away = line.file.rename(line.folder / "away.toml")  # so that no other takes its place before anybody has looked
    first.kill()
    line.wait_safe()
    away.rename(line.file)
    line.wait_able()
    line.put("after", NORMAL)
    assert line.event_of("after")["outcome"] == "pass", "another process has taken its place"
    hanging = line.inspecting()
    assert hanging.pid != first.pid
    suspend(hanging)
    line.wait_safe()
    hanging.resume()
    line.wait_able()
    assert line.process is not None
    line.process.kill()
    line.process.wait()
    line.wait_safe()
    psutil.wait_procs([hanging], PATIENCE)
    assert not hanging.is_running()


def test_agent_and_model_that_fail_are_the_safe_state(tmp_path: Path, make: Callable[..., Line]) -> None:
    write_echo(tmp_path / "agent" / "models")
    with running_daemon(tmp_path / "agent") as daemon:
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        line = make(daemon.socket)
        line.start()
        line.wait_able()
        daemon.stub("StopModel", _stop())
        line.wait_safe()
        daemon.stub.start("echo")
        line.wait_able()
        (graph,) = daemon.models.rglob("model.onnx")
        graph.rename(tmp_path / "model.onnx")  # so that its worker does not come back at once
        for worker in daemon.workers("echo"):
            worker.kill()
        line.wait_safe()
        line.put("worker killed", NORMAL)
        assert line.event_of("worker killed")["outcome"] == "failed"
        (tmp_path / "model.onnx").rename(graph)
        line.wait_able()
        daemon.process.kill()
        daemon.process.wait()
        line.wait_safe()
        line.put("lost", NORMAL)
        assert line.event_of("lost")["outcome"] == "failed"
        daemon.restart()
        line.wait_able()
        line.put("found", NORMAL)
        assert line.event_of("found")["outcome"] == "pass"
        suspend(psutil.Process(daemon.process.pid))
        line.wait_safe()
        daemon.process.send_signal(signal.SIGCONT)
        line.wait_able()
        line.pictures.rename(tmp_path / "away")
        line.wait_safe()
        (tmp_path / "away").rename(line.pictures)
        line.wait_able()

        def states() -> list[str]:
            return [event["state"] for event in line.events() if event.get("kind") == "line"]

        told = wait_until(lambda: states()[-1:] == ["able"] and states(), "the end is told")
        assert all(one != other for one, other in pairwise(told)), "each change once"
        assert told.count("able") >= 4


def test_try_record_check_and_safe(agent: Daemon, make: Callable[..., Line], tmp_path: Path) -> None:
    line = make(agent.socket)
    for name, brightness in (("a", NORMAL), ("b", ANOMALOUS)):
        line.put(name, brightness)
    done = line.command("try", line.file, "--json", "--output", tmp_path / "tried")
    assert done.returncode == 0, done.stderr
    tried = [(row["part"], row["outcome"]) for row in json.loads(done.stdout)]
    assert tried == [
        ("a.png", "pass"),
        ("b.png", "reject"),
    ]
    assert sorted(path.name for path in (tmp_path / "tried").iterdir()) == ["001-pass-a.png", "002-reject-b.png"]
    done = line.command("record", line.file, tmp_path / "kept")
    assert done.stdout == f"2 pictures stored in {tmp_path / 'kept'}\n", done.stderr
    assert len(list(line.pictures.glob("*.png"))) == 2, "they stay where they are"
    assert not line.events()
    assert line.command("check", line.file).stdout == f"{line.file}: line 'flange' is right\n"
    assert line.command("safe", line.file).returncode == 0
    assert line.pin("reject") == "1"
    line.start("--parts", "2")
    assert line.process is not None
    assert line.process.wait(PATIENCE) == 0, line.log()
    assert {path.parent.name for path in line.pictures.rglob("*.png")} == {"pass", "reject"}
    line.file.write_text(line.file.read_text().replace("cycle_ms", "cycle"))
    wrong = line.command("check", line.file)
    assert wrong.returncode == 1
    assert "cycle is not a key" in wrong.stderr


def test_tiles_and_several_models(agent: Daemon, make: Callable[..., Line], tmp_path: Path) -> None:
    tiled = '[[model]]\nname = "echo"\ntiles = {width = 64, height = 64, overlap = 14}\n'
    line = make(agent.socket, model=tiled)
    line.start()
    line.wait_able()
    pixels = np.full((64, 114, 3), NORMAL, np.uint8)
    line.put_pixels("good", pixels)
    assert line.event_of("good")["outcome"] == "pass"
    pixels[10:20, 100:110] = 255  # the echo model marks what is bright, but its score is the mean of a picture
    pixels[:, 64:100] = ANOMALOUS
    line.put_pixels("bad", pixels)
    told = line.event_of("bad")
    assert (told["outcome"], told["model"]) == ("reject", "echo")
    right = float(pixels[:, 50:].mean()) / 255
    assert abs(told["anomaly_score"] - right) < 0.01, "the score of the right tile"
    marked = float((pixels[..., 0] > 127).mean())
    assert abs(sum(told["areas"].values()) - marked) < 0.02, "of the whole picture, what two tiles see is counted once"
    line.put_pixels("small", np.full((32, 32, 3), NORMAL, np.uint8))
    told = line.event_of("small")
    assert (told["outcome"], told["reason"]) == ("failed", "model 'echo': a tile is 64x64, expected 32x32 at most")
    line.put_pixels("again", pixels)
    done = line.command("record", line.file, tmp_path / "kept")
    assert "stored in" in done.stdout, done.stderr
    halves = "".join(
        f'[[model]]\nname = "echo"\nregion = {{x = {x}, y = 0, width = 32, height = 64}}\n'
        "resize = {width = 64, height = 64}\n"
        for x in (0, 32)
    )
    for join, outcome in (("any", "reject"), ("all", "pass")):
        both = make(agent.socket, model=f"{halves}[[rule]]\n", more="")
        both.file.write_text(f'join = "{join}"\n{both.file.read_text()}')
        pixels = np.full((64, 64, 3), NORMAL, np.uint8)
        pixels[:, 32:] = ANOMALOUS
        both.put_pixels("half", pixels)
        both.start("--parts", "1")
        assert both.process is not None
        assert both.process.wait(PATIENCE) == 0, both.log()
        told = both.event_of("half")
        assert told["outcome"] == outcome
        assert [one["verdict"] for one in told["models"]] == ["normal", "anomalous"]


def _stop() -> Any:
    from edge_agent.serving.rpc import edge_agent_pb2 as pb2

    return pb2.StopModelRequest(model_component="echo")
