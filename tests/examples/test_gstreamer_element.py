"""The GStreamer element, in Debian's GStreamer with Debian's Python, against a real agent."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from edge_agent.client.client import Client
from edge_agent.inference.imaging.overlay import draw
from tests.support.daemon import PATIENCE, Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
WIDTH, HEIGHT = 90, 64  # rows of 270 bytes, which GStreamer pads to 272
_PYTHON = "/usr/bin/python3"
_CAPS = f"video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate=25/1"
_READ_META = """
import sys, gi
gi.require_version('Gst', '1.0'); gi.require_version('GstApp', '1.0'); gi.require_version('GstVideo', '1.0')
from gi.repository import Gst, GstApp, GstVideo
Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1] + ' ! appsink name=sink sync=false')
pipeline.set_state(Gst.State.PLAYING)
sample = pipeline.get_by_name('sink').try_pull_sample(180 * Gst.SECOND)
meta = GstVideo.buffer_get_video_region_of_interest_meta_id(sample.get_buffer(), 0)
print(meta.w, meta.h, meta.get_param('edge-agent-verdict').to_string() if meta else 'none')
pipeline.set_state(Gst.State.NULL)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    made = os.environ | {
        "GST_PLUGIN_PATH": str(ROOT / "examples" / "gstreamer"),
        "PYTHONPATH": f"{ROOT}:{Path(grpc.__file__).parents[1]}",
        "GST_REGISTRY": str(tmp_path_factory.mktemp("gst") / "registry"),
    }
    if shutil.which("gst-launch-1.0") is None or not Path(_PYTHON).exists():
        pytest.skip("needs apt install gstreamer1.0-tools gstreamer1.0-python3-plugin-loader python3-gst-1.0")
    if subprocess.run([_PYTHON, "-c", "import edge_agent.client.client"], env=made, check=False).returncode:
        pytest.skip("the system's Python can't import what this one has: it is of another version")
    if subprocess.run(["gst-inspect-1.0", "edgeagent"], env=made, capture_output=True, check=False).returncode:
        pytest.skip("GStreamer has no loader of plugins in Python: apt install gstreamer1.0-python3-plugin-loader")
    return made


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("agent")
    write_echo(folder / "models", width=WIDTH, height=HEIGHT)
    with running_daemon(folder) as daemon:
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        yield daemon


def _launch(pipeline: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["gst-launch-1.0", "-m", *pipeline.split()]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)


def _frames(path: Path) -> np.ndarray:
    return np.fromfile(path, np.uint8).reshape(-1, HEIGHT, 272)[:, :, : WIDTH * 3].reshape(-1, HEIGHT, WIDTH, 3)


def test_verdicts_as_messages_and_the_overlay(agent: Daemon, environment: dict[str, str], tmp_path: Path) -> None:
    source = f"videotestsrc num-buffers=3 pattern=smpte ! {_CAPS} ! tee name=t"
    element = f"edgeagent model=echo socket={agent.socket} overlay=true"
    plain, marked = tmp_path / "plain", tmp_path / "marked"
    done = _launch(
        f"{source} t. ! queue ! filesink location={plain} t. ! queue ! {element} ! filesink location={marked}",
        environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"edge-agent-verdict, (.*)", done.stdout)
    assert len(told) == 3
    before, after = _frames(plain), _frames(marked)
    with Client(agent.socket) as client:
        for frame, drawn, text in zip(before, after, told, strict=True):
            found = client.detect("echo", np.ascontiguousarray(frame))
            assert f"anomalous=(boolean){str(found.is_anomalous).lower()}" in text
            score = re.search(r"score=\(double\)([0-9.]+)", text)
            assert score
            assert abs(float(score[1]) - found.score) < 1e-6
            assert (drawn == draw(frame, found)).all()
    assert (before != after).any(), "something was drawn"


def test_the_verdict_is_the_frame_s_meta(agent: Daemon, environment: dict[str, str]) -> None:
    pipeline = f"videotestsrc num-buffers=1 pattern=white ! {_CAPS} ! edgeagent model=echo socket={agent.socket}"
    done = subprocess.run(
        [_PYTHON, "-c", _READ_META, pipeline],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.stdout.startswith(f"{WIDTH} {HEIGHT} edge-agent-verdict, "), done.stdout + done.stderr
    assert "anomalous=(boolean)true" in done.stdout
    assert "area-" in done.stdout


def test_without_a_model_or_an_answer(agent: Daemon, environment: dict[str, str]) -> None:
    def through(element: str, caps: str = _CAPS) -> subprocess.CompletedProcess[str]:
        return _launch(f"videotestsrc num-buffers=2 ! {caps} ! {element} ! fakesink", environment)

    refused = through(f"edgeagent model=none socket={agent.socket}")
    assert refused.returncode != 0
    assert "none" in refused.stderr
    assert "the property model is not set" in through("edgeagent").stderr
    done = through(f"edgeagent model=echo socket={agent.socket}", _CAPS.replace(f"width={WIDTH}", "width=70"))
    assert len(re.findall(r"edge-agent-failed, .*reason=", done.stdout)) == 2, done.stdout + done.stderr
    assert "edge-agent-verdict" not in done.stdout
