"""A shadow model: it judges the same pictures, in nobody's way, and what it says stands beside the first one's word."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

import edge_agent
from edge_agent.client.client import Client
from edge_agent.errors import CallFailed
from tests.support.commands import run
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.records import rows
from tests.support.scraping import fetch, samples

PAIR = ("echo", "echo", "1.1.0")


class Line:
    """A daemon with echo 1.0.0 (threshold 0.5) and its shadow 1.1.0 (threshold 0.3)."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.records = daemon, daemon.folder / "state" / "records"
        #: whether its shadow was seen at the lowest priority
        self.gave_way = False
        #: whether what was shown last was sent more often than once, and may be judged again
        self.is_late = False

    def models(self, *arguments: str) -> Any:
        return run("models", *arguments, "--socket", self.daemon.socket)

    def compare(self, *arguments: str) -> Any:
        return run("models", "compare", *arguments, "--state-dir", self.daemon.folder / "state")

    def shadows(self) -> list[Any]:
        return rows(self.records, "SELECT agrees, anomalous, score, picture FROM shadows ORDER BY record")

    def process(self) -> psutil.Process:
        """Give the process of the shadow."""
        (found,) = [
            child
            for child in psutil.Process(self.daemon.process.pid).children()
            if "edge_agent.serving.shadowing.process" in child.cmdline()
        ]
        return found

    def metric(self, name: str) -> float:
        return samples(fetch(self.daemon.folder / "metrics.sock")).get((f"edge_agent_{name}_total", PAIR), -1.0)

    def send(self, brightness: int) -> Any:
        return self.daemon.stub("DetectAnomalies", bytes_request("echo", picture(brightness))).detect_anomaly_result


def show(line: Line, brightness: int, send: Callable[[int], Any] | None = None) -> Any:
    """Send a picture, again when the shadow had no time for it, until the shadow has judged it.

    Each call has another brightness than the one before: what comes late is the picture before, sent once too often.
    Where one was, `line.is_late` says so.
    """
    before = len(line.shadows())

    def is_judged() -> bool:
        found = line.shadows()
        return len(found) > before and found[-1][2] == _score(brightness)

    for number in range(int(PATIENCE)):
        line.is_late = number > 0
        answer = (send or line.send)(brightness)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            if is_judged():
                return answer
            time.sleep(0.02)
    raise AssertionError("no picture was judged")


def settle(line: Line) -> None:
    """Show pictures, all normal, until one is judged that was sent once: none that was sent before comes after it."""
    for brightness in itertools.cycle((40, 50)):
        if not line.is_late:
            return
        show(line, brightness)


def judged_along(line: Line) -> None:
    """Have a shadow, whatever a test before has done."""
    if "shadow" not in line.daemon.stub.describe("echo").status_message:
        assert line.models("shadow", "echo", "--with", "echo@1.1.0").returncode == 0
    wait_until(lambda: "pictures judged" in line.daemon.stub.describe("echo").status_message, "the shadow is ready")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("shadow")
    write_echo(folder / "models", "echo")
    write_echo(folder / "models", "echo", version="1.1.0", threshold=0.3)
    write_echo(folder / "models", "small", 80, 64)
    flags = ["--pin", "echo=1.0.0", "--keep-mib", "64", "--metrics", f"unix://{folder}/metrics.sock"]
    with running_daemon(folder, *flags) as daemon:
        wait_until((folder / "state/records/pictures/keeper.sock").exists, "pictures are taken")
        daemon.stub.start("echo")
        line, over = Line(daemon), threading.Event()
        lifting = threading.Thread(target=_lift, args=(line, over))
        lifting.start()
        yield line
        over.set()
        lifting.join()


def _lift(line: Line, over: threading.Event) -> None:
    """Give the shadow what it has on a line: time. Other tests would leave it none, as nothing is less important."""
    while not over.wait(0.2):
        with contextlib.suppress(psutil.Error, OSError, ValueError):  # there is none, or nobody but root may
            process = line.process()
            if process.nice() == 19:
                line.gave_way = True
                for task in Path(f"/proc/{process.pid}/task").iterdir():
                    os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))
                    os.setpriority(os.PRIO_PROCESS, int(task.name), 0)
                Path(f"/proc/{process.pid}/autogroup").write_text("0")


@pytest.mark.long
def test_from_the_command_to_the_comparison(line: Line, tmp_path: Path) -> None:
    line.send(10)  # without a shadow
    done = line.models("shadow", "echo", "--with", "echo@1.1.0")
    assert done.returncode == 0 and "model 'echo': shadow echo@1.1.0: loading" in done.stdout, done
    wait_until(lambda: "0 pictures judged" in line.daemon.stub.describe("echo").status_message, "the shadow is ready")
    show(line, 30)  # workers look for it every second
    for brightness in (20, 100, 200, 240):  # by 1.0.0: normal, normal, anomalous, anomalous
        answer = show(line, brightness)
        assert answer.is_anomalous == (brightness > 128) and answer.anomaly_threshold == 0.5
        assert line.shadows()[-1][:3] == ((brightness != 100), (brightness > 76), _score(brightness))
    with Client(line.daemon.socket) as client:  # through segments, whose pixels are overwritten at once
        for brightness in (60, 220):
            show(line, brightness, lambda bright: _detect_and_overwrite(client, bright))
            assert line.shadows()[-1][:3] == (1, brightness > 128, _score(brightness))
    settle(line)
    differing = rows(line.records, "SELECT record, picture FROM shadows WHERE NOT agrees")
    record, kept = differing[0]
    assert rows(line.records, "SELECT picture FROM records WHERE id = ?", record) == [(kept,)]
    _look_at_the_picture(line.records / "pictures", kept)
    run("records", "confirm", str(record), "anomaly", "--state-dir", line.daemon.folder / "state")
    found = json.loads(line.compare("echo@1.0.0", "echo@1.1.0", "--json", "--output", str(tmp_path / "differ")).stdout)
    count = found["pictures"]
    assert (found["agree"], found["only_a"], found["only_b"]) == (count - len(differing), 0, len(differing))
    assert found["both_anomalous"] >= 2 and found["correlation"] == pytest.approx(1.0)
    assert found["confirmed"]["b_right"] == 1 and found["confirmed"]["a"]["escapes"]["wrong"] == 1
    assert [one["id"] for one in found["differing"]] == [number for number, _ in differing]
    assert sum(day["pictures"] for day in found["days"]) == count
    page = (tmp_path / "differ" / "index.html").read_text()
    assert page.count("data:image/jpeg") == 2 * len(differing) and "a person says: anomaly" in page
    turned = json.loads(line.compare("echo@1.1.0", "echo@1.0.0", "--json").stdout)
    assert (turned["only_a"], turned["only_b"], turned["confirmed"]["a_right"]) == (len(differing), 0, 1)
    assert "only echo@1.1.0 says anomalous:" in line.compare("echo@1.0.0", "echo@1.1.0").stdout
    seen = run("doctor", "--state-dir", line.daemon.folder / "state", "--model-dir", line.daemon.models, "--json")
    checks = {finding["check"]: finding["found"] for finding in json.loads(seen.stdout)}
    assert checks["shadow of echo"] == f"echo@1.1.0 has judged {count} pictures in 7 days, {len(differing)} otherwise"
    wait_until(lambda: line.metric("shadow_pictures") == count, "all are counted")
    assert line.metric("shadow_disagreements") == len(differing)
    said = f"{len(differing)} otherwise"
    wait_until(lambda: said in line.daemon.stub.describe("echo").status_message, "the model says so")


def _detect_and_overwrite(client: Client, brightness: int) -> Any:
    answer = client.detect("echo", picture(brightness))
    for path in Path("/dev/shm").glob(f"edge-agent-*-{os.getpid()}-*"):
        path.write_bytes(bytes(path.stat().st_size))
    return answer


def _score(brightness: int) -> Any:
    return pytest.approx(brightness / 255, abs=1e-4)


def _look_at_the_picture(folder: Path, name: str) -> None:
    """The picture has both verdicts and both masks."""
    path = wait_until(lambda: [*folder.glob(f"{name}.json")], "the picture is kept")[0]
    told = json.loads(path.read_text())
    assert name.startswith("disagreement/")
    assert (told["version"], told["verdict"]["is_anomalous"]) == ("1.0.0", False)
    assert (told["shadow"]["version"], told["shadow"]["verdict"]["is_anomalous"]) == ("1.1.0", True)
    assert np.asarray(Image.open(path.with_suffix(".png"))).mean() == 100
    assert path.with_name(f"{path.stem}.mask.png").exists() and path.with_name(f"{path.stem}.shadow-mask.png").exists()


@pytest.mark.long
def test_a_shadow_that_stands_still_is_waited_for_by_nobody(line: Line) -> None:
    judged_along(line)
    show(line, 31)
    shadow, skipped = line.process(), line.metric("shadow_skipped_pictures")
    wait_until(lambda: line.gave_way, "it was seen at the lowest priority")
    suspend(shadow)
    try:
        for _ in range(6):
            assert line.send(32).anomaly_score == _score(32)
        wait_until(lambda: line.metric("shadow_skipped_pictures") >= skipped + 3, "what it has no time for is counted")
    finally:
        shadow.send_signal(signal.SIGCONT)
    show(line, 33)


@pytest.mark.long
def test_a_shadow_that_is_killed_comes_back(line: Line) -> None:
    judged_along(line)
    show(line, 34)
    shadow = line.process().pid
    os.kill(shadow, signal.SIGKILL)
    assert line.send(35).anomaly_score == _score(35)
    show(line, 36)


def test_what_can_not_be_a_shadow_is_refused(line: Line) -> None:
    with edge_agent.Client(line.daemon.socket) as client:
        for model, other, version, said in (
            ("echo", "echo", "1.0.0", "echo 1.0.0 is served itself: name another version, echo@VERSION, or another"),
            ("echo", "echo", "", "echo 1.0.0 is served itself"),
            ("echo", "echo", "3.0.0", "there is no model component version 3.0.0 of 'echo' that can be served on"),
            ("echo", "small", "", "'small' 1.0.0 takes pictures of 80x64, 'echo' of 64x64"),
            ("nothing", "echo", "", "there is no model component 'nothing'"),
        ):
            with pytest.raises(CallFailed, match=re.escape(said)):
                client.shadow(model, other, version)
    done = line.models("shadow", "echo", "--with", "small", "--off")
    assert done.returncode == 2 and "expected either --with MODEL[@VERSION] or --off" in done.stderr
    done = line.compare("echo@1.0.0", "small")
    assert done.returncode == 1
    assert "begin with `edge-agent models shadow echo --with small`" in done.stderr


@pytest.mark.long
def test_it_is_remembered_until_it_is_switched_off(line: Line) -> None:
    judged_along(line)
    line.daemon.stop()
    line.daemon.restart()
    line.daemon.stub.wait_for("echo", "RUNNING")
    wait_until(lambda: "pictures judged" in line.daemon.stub.describe("echo").status_message, "the shadow is back")
    show(line, 37)
    refused = line.models("shadow", "nothing", "--with", "echo")
    assert refused.returncode == 1, refused.stderr
    done = line.models("shadow", "echo", "--off")
    assert done.returncode == 0 and done.stdout == "model 'echo' has no shadow\n"
    assert "shadow" not in line.daemon.stub.describe("echo").status_message
    place = line.daemon.folder / "state" / "shadows" / "echo.sock"
    wait_until(lambda: not place.exists(), "its socket is gone")
    audit = [json.loads(text) for text in (line.daemon.folder / "state" / "audit.jsonl").read_text().splitlines()]
    told = [(entry["outcome"], entry.get("details", "")) for entry in audit if entry.get("event") == "SetShadow"]
    assert told[0] == ("done", "with echo@1.1.0") and told[-1] == ("done", "off")
    assert ("ModelNotFound", "there is no model component 'nothing', this device has 'echo', 'small'") in told


def test_without_records_there_is_no_shadow(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with (
        running_daemon(tmp_path, "--records", "off") as daemon,
        edge_agent.Client(daemon.socket) as client,
        pytest.raises(CallFailed, match="records are off"),
    ):
        client.shadow("echo", "other")
