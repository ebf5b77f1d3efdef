"""The camera has changed: real pictures made dark, bright, blurred, black, and sent again and again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

import edge_agent
from edge_agent.component.manifest import Image, Manifest
from edge_agent.inference.imaging.appearance import summarize
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.imaging.sight import copy_rows, measure, summarize_sharpness
from edge_agent.serving.workers import watch as watching
from edge_agent.serving.workers.messages import Baseline
from edge_agent.serving.workers.watch import CameraWatch, Opinion
from tests.support.commands import run
from tests.support.daemon import running_daemon, wait_until, whole_lines
from tests.support.fakes import U8, echo_fields, write_echo
from tests.support.parts import draw_part
from tests.support.scraping import fetch, samples

#: training pictures, and others
Pictures = tuple[list[U8], list[U8]]


@pytest.fixture(scope="module")
def drawn() -> Pictures:
    """Parts as the demo draws them, with the noise of a sensor."""
    found = [draw_part(seed)[0] for seed in range(30)]
    return found[:20], found[20:]


@pytest.fixture(scope="module")
def photographed(cookies: Path) -> Pictures:
    """Photographs of cookies."""
    paths = sorted((cookies / "data" / "cookies" / "training-images").glob("*.jpg"))[:40]
    found = [np.ascontiguousarray(read_picture(path)) for path in paths]
    return found[:28], found[28:]


@pytest.fixture(params=["drawn", "photographed"])
def pictures(request: pytest.FixtureRequest) -> Pictures:
    found: Pictures = request.getfixturevalue(request.param)
    return found


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(watching, "time", found)
    return found


def manifest_of(pictures: list[U8], *, trained: bool) -> Manifest:
    height, width, _ = pictures[0].shape
    sights = [measure(copy_rows(ArrayPixels(picture), width, height)) for picture in pictures]
    training = {
        "appearance": msgspec.to_builtins(summarize([sight.look for sight in sights])),
        "sharpness": msgspec.to_builtins(summarize_sharpness(sights)),
    }
    fields = echo_fields("echo", 64, 64, segmentation=False) | {"image": Image(width=width, height=height)}
    artifact = {"path": "model.onnx", "sha256": "0" * 64}
    return msgspec.convert(
        {"format": 1, "artifacts": [artifact], "training": training if trained else {}, **msgspec.to_builtins(fields)},
        Manifest,
    )


class Line:
    """A watch that is shown a picture a second."""

    def __init__(self, clock: Clock, manifest: Manifest, learned: Baseline | None = None) -> None:
        self.clock, self.watch = clock, CameraWatch(manifest, learned)

    def show(self, pictures: list[U8]) -> str:
        for picture in pictures:
            self.clock.now += 1.0
            self.watch.see(ArrayPixels(picture))
            self.watch.judge()
        return self.watch.opinion.state if self.watch.opinion else "unknown"


def darkened(picture: U8) -> U8:
    return np.asarray(picture * 0.4, np.uint8)


def brightened(picture: U8) -> U8:
    return np.clip(picture.astype(np.int16) + 110, 0, 255).astype(np.uint8)


def blurred(picture: U8) -> U8:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 5), np.uint8)


def black(picture: U8) -> U8:
    return np.random.default_rng(int(picture[0, 0, 0])).integers(0, 4, picture.shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "state"), [(darkened, "dark"), (brightened, "bright"), (blurred, "blurred"), (black, "black")]
)
def test_what_happens_to_cameras(pictures: Pictures, clock: Clock, change: Callable[[U8], U8], state: str) -> None:
    before, others = pictures
    line = Line(clock, manifest_of(before, trained=True))
    assert line.show(others) == "ok" and line.watch.opinion == Opinion()
    assert line.show([change(picture) for picture in others]) == state
    assert line.watch.opinion is not None and line.watch.opinion.text
    assert line.show(others * 3) == "ok"


def test_one_odd_part_is_not_the_camera(pictures: Pictures, clock: Clock) -> None:
    before, others = pictures
    line = Line(clock, manifest_of(before, trained=True))
    for other in others[:8]:
        assert line.show([other, *others, black(other), *others, blurred(other)]) == "ok"


def test_the_same_picture_again_and_again(pictures: Pictures, clock: Clock) -> None:
    before, others = pictures
    line = Line(clock, manifest_of(before, trained=True))
    line.show(others)
    assert line.show([others[0]] * 19) == "ok"
    assert line.show([others[0]]) == "frozen"
    assert line.show(others[:9]) == "frozen"  # until it has been over for ten seconds
    assert line.show(others) == "ok"


def test_a_line_that_stands_still_is_not_frozen(drawn: Pictures, clock: Clock) -> None:
    """The same part before a camera that works: its sensor's noise makes each shot another."""
    before, others = drawn
    noise = np.random.default_rng(5)
    shots = [
        np.clip(others[0].astype(np.int16) + noise.normal(0, 1.0, others[0].shape).round().astype(np.int16), 0, 255)
        for _ in range(60)
    ]
    line = Line(clock, manifest_of(before, trained=True))
    assert line.show([shot.astype(np.uint8) for shot in shots]) == "ok"


def test_a_test_picture_now_and_then_is_not_frozen(drawn: Pictures, clock: Clock) -> None:
    before, others = drawn
    line = Line(clock, manifest_of(before, trained=True))
    for _ in range(12):
        assert line.show([others[0], others[0], *others[1:4]]) == "ok"


def test_a_measurement_that_sends_one_picture_a_thousand_times_is_not_frozen(drawn: Pictures, clock: Clock) -> None:
    before, others = drawn
    line = Line(clock, manifest_of(before, trained=True))
    line.show(others)
    for _ in range(1000):
        clock.now += 0.009
        line.watch.see(ArrayPixels(others[0]))
        line.watch.judge()
    assert line.watch.opinion is not None and line.watch.opinion.state == "ok"


def test_without_training_the_first_pictures_are_learned(drawn: Pictures, clock: Clock) -> None:
    before, others = drawn
    manifest = manifest_of(before, trained=False)
    line = Line(clock, manifest)
    assert line.show(before * 4) == "ok"
    assert line.watch.learned is None
    assert line.show([black(others[0])] * 30) == "black"  # that is known without having learned anything
    assert line.watch.learned is None
    line.show(others * 6)
    assert line.watch.learned is not None and line.watch.learned.appearance is not None
    again = Line(clock, manifest, line.watch.learned)  # a worker that is started after a restart
    assert again.show(others) == "ok"
    assert again.show(list(map(darkened, others))) == "dark"
    said = again.watch.opinion
    assert said is not None and "much darker than the first ones that came (mean" in said.text, "nothing of training"
    blurry = Line(clock, manifest, line.watch.learned)
    assert blurry.show(list(map(blurred, others))) == "blurred"


class Told:
    """What a daemon says of one model's camera, in all the places."""

    def __init__(self, folder: Path, socket: str) -> None:
        self.folder, self.socket = folder, socket

    @property
    def message(self) -> str:
        listed = run("models", "list", "--json", "--socket", self.socket)
        return str(json.loads(listed.stdout)[0]["message"])

    @property
    def events(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in whole_lines(self.folder / "events.jsonl")]

    def metric(self, state: str) -> float:
        return samples(fetch(self.folder / "metrics.sock"))["edge_agent_camera", ("echo", state)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, drawn: Pictures) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("camera")
    before, _ = drawn
    height, width, _ = before[0].shape
    manifest = manifest_of(before, trained=True)
    write_echo(folder / "models", "echo", width, height, training=manifest.training)
    (folder / "config.toml").write_text(
        f'metrics = "unix://{folder}/metrics.sock"\n[[event]]\nname = "x"\nsender = "file"\n'
        f'path = "{folder}/events.jsonl"\nverdicts = "none"\nnotices = true\n'
    )
    with running_daemon(folder, "--config", str(folder / "config.toml")) as daemon:
        daemon.stub.start("echo")
        yield Told(folder, daemon.socket)


def test_everybody_is_told_of_a_camera(told: Told, drawn: Pictures) -> None:
    _, others = drawn
    with edge_agent.Client(told.socket) as client:
        for other in others:
            client.detect("echo", other)
        wait_until(lambda: told.metric("ok") == 1, "all is well")
        assert "picture" not in told.message
        wait_until(lambda: client.detect("echo", darkened(others[1])) and told.metric("dark") == 1, "it is dark")
    assert told.metric("ok") == 0
    assert "these pictures are much darker than those that the model was trained on" in told.message
    wait_until(lambda: "much darker" in (told.folder / "log").read_text(), "it is logged")
    assert (told.folder / "log").read_text().count("much darker") == 1
    (event,) = wait_until(lambda: told.events, "the event is written")
    assert (event["kind"], event["state"], event["model"]) == ("camera", "dark", "echo")
