"""Parts that lie at any angle, or a little elsewhere, are brought to lie alike; those that lie alike are left alone."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.evaluation.inspection import inspect, load_component
from edge_agent.building.evaluation.results import evaluate
from edge_agent.building.training import backbone, registration_choice, trainer
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import input_spec
from edge_agent.building.training.graph import Graph
from edge_agent.building.training.marks import ANOMALY_MAP
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.registration import Registrar, Registration, describe, registration_of
from edge_agent.building.training.registration_graph import (
    FITS,
    POSE,
    VIEW,
    add_search,
    registration_model,
    tried_angles,
)
from edge_agent.building.training.registration_search import find_poses, make_search, see
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer
from tests.support.commands import run
from tests.support.turned import INPUT, SIDE, draw_many, draw_turned, write_turned

SIZE = (SIDE, SIDE)
GOOD = 12


def resized(picture: U8, side: tuple[int, int], how: int = cv2.INTER_AREA) -> U8:
    return np.asarray(cv2.resize(picture, side, interpolation=how), np.uint8)


def all_good(pictures: list[U8]) -> np.ndarray:
    return np.ones(len(pictures), bool)


@pytest.mark.parametrize(("angle", "shift", "is_circle"), [(180, 6, True), (8, 8, False)])
def test_parts_that_lie_elsewhere_are_brought_to_lie_alike(angle: float, shift: float, is_circle: bool) -> None:
    pictures = draw_many(GOOD, angle, shift)
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    assert registration.search.is_circle == is_circle
    assert registration.registered > 0.9
    assert registration.as_they_lie < 0.6
    registrar = Registrar(registration.search, *SIZE)
    unseen = draw_many(GOOD, angle, shift, seed=9)
    middle = slice(SIDE // 4, -SIDE // 4)
    registered = np.stack([registrar(picture) for picture in unseen])[:, middle, middle].astype(float)
    assert registered.std(axis=0).mean() < 0.4 * np.stack(unseen)[:, middle, middle].std(axis=0).mean()


def test_a_pose_tells_by_how_much_a_part_is_turned_and_shifted() -> None:
    pictures = draw_many(GOOD, 180, 6)
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    rng = np.random.default_rng(1)
    first, second = (
        find_poses(registration.search, [see(draw_turned(rng, angle, shift, is_bad=False)[0])])[0][0]
        for angle, shift in ((20.0, (0.0, 0.0)), (65.0, (5.0, -3.0)))
    )
    assert np.degrees(second[0] - first[0]) % 360 == pytest.approx(360 - 45, abs=1)


@pytest.mark.parametrize(("angle", "shift"), [(0.5, 1), (2, 3)])
def test_parts_that_lie_alike_are_left_alone(angle: float, shift: float) -> None:
    pictures = draw_many(GOOD, angle, shift)
    assert registration_of(pictures, all_good(pictures)) is None


def test_parts_that_lie_alike_are_laid_closer_where_defects_may_be_small() -> None:
    pictures = draw_many(GOOD, 1, 3)
    registration = registration_of(pictures, all_good(pictures), closely=True)
    assert registration is not None and registration.lie_alike
    assert not registration.search.is_circle
    assert registration.registered > registration.as_they_lie > 0.7
    registrar = Registrar(registration.search, *SIZE)
    unseen = draw_many(GOOD, 1, 3, seed=9)
    middle = slice(SIDE // 4, -SIDE // 4)
    registered = np.stack([registrar(picture) for picture in unseen])[:, middle, middle].astype(float)
    assert registered.std(axis=0).mean() < 0.6 * np.stack(unseen)[:, middle, middle].std(axis=0).mean()


def test_parts_that_lie_as_closely_as_can_be_are_left_alone() -> None:
    pictures = draw_many(GOOD, 0, 0)
    assert registration_of(pictures, all_good(pictures), closely=True) is None


def test_parts_of_which_no_two_are_alike_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    pictures = [resized(rng.integers(0, 256, (64, 64, 3), np.uint8), SIZE, cv2.INTER_LINEAR) for _ in range(GOOD)]
    assert registration_of(pictures, all_good(pictures)) is None
    assert registration_of(pictures, all_good(pictures), closely=True) is None


def test_a_few_parts_tell_nothing() -> None:
    pictures = draw_many(5, 180, 6)
    assert registration_of(pictures, all_good(pictures)) is None


def test_the_sentence_says_how_parts_lie() -> None:
    keys = set()
    for angle, shift in ((180, 6), (8, 8)):
        pictures = draw_many(GOOD, angle, shift)
        registration = registration_of(pictures, all_good(pictures))
        assert registration is not None
        sentence = describe(registration, SIZE)
        assert all(value in sentence.text for key, value in sentence.values.items() if key != "moved")
        keys.add(sentence.key)
    assert keys == {"any_angle", "elsewhere"}


def build(data: Path, models: Path, name: str) -> Path:
    steps = Steps(lambda what: nullcontext(lambda done, total: None), lambda note: None)
    options = Options(task="classification", input_size=INPUT)
    return trainer.train(read_datasets(data), models, Identity(name, "1.0.0"), options, steps).folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_turned(tmp_path_factory.mktemp("turned"), normal=16, anomaly=4)


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(data, tmp_path_factory.mktemp("models"), "turned")


def f1(folder: Path, unseen: Path) -> float:
    found = evaluate(inspect(load_component(folder), read_datasets(unseen).train, lambda *_: None, lambda *_: None))
    return found.classification.f1 or 0.0


def test_a_hole_too_many_is_seen_at_any_angle_because_pictures_are_registered(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unseen = write_turned(tmp_path / "unseen", normal=10, anomaly=10, seed=5)
    monkeypatch.setattr(registration_choice, "registration_of", lambda *of, **how: None)
    without = build(data, tmp_path, "without")
    assert f1(model, unseen) >= 0.94
    assert f1(without, unseen) <= 0.85


def test_the_anomaly_map_lies_as_the_picture_does(model: Path) -> None:
    session = onnxruntime.InferenceSession(next(model.glob("*.onnx")), providers=["CPUExecutionProvider"])
    height, width = session.get_inputs()[0].shape[2:]
    rng = np.random.default_rng(3)
    hits = 0
    for angle in range(0, 360, 30):
        picture, (across, down) = draw_turned(rng, angle, (2, -2), is_bad=True)
        small = resized(picture, (width, height))
        normalized = Normalizer(input_spec(width, height))(small)
        (found,) = session.run([ANOMALY_MAP], {backbone.INPUT: normalized})
        row, column = np.unravel_index(found[0, 0].argmax(), found.shape[2:])
        away = np.hypot(column / found.shape[3] * SIDE - across, row / found.shape[2] * SIDE - down)
        hits += away < 24
    assert hits >= 9


def test_the_command_says_that_parts_lie_at_any_angle(data: Path, tmp_path: Path) -> None:
    size = ("--input-size", "{}x{}".format(*INPUT))
    said = run("train", str(data), "-o", str(tmp_path), "--name", "turned", *size, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["registration"]["key"] == "any_angle"
    said = run("train", str(data), "-o", str(tmp_path), "--name", "again", *size)
    assert "parts lie at any angle: each picture is turned and shifted" in said.stdout


def test_parts_that_lie_the_same_way_are_not_turned_around() -> None:
    """Wide ones that are nearly alike the other way round, shifted alone."""
    rng = np.random.default_rng(1)

    def wide() -> U8:
        part = np.full((640, 640, 3), 60, np.uint8)
        cv2.rectangle(part, (60, 270), (580, 370), (150, 150, 150), -1)
        for place in ((80, 320), (560, 320), (200, 300), (350, 340)):
            cv2.circle(part, place, 12, (40, 40, 40), -1)
        how = np.eye(2, 3)
        how[:, 2] = rng.uniform(-20, 20, 2)
        shifted = cv2.warpAffine(part, how, (640, 640), borderMode=cv2.BORDER_REPLICATE)
        noisy = np.clip(shifted + rng.normal(0, 3, shifted.shape), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(noisy[240:400])

    pictures = [wide() for _ in range(GOOD)]
    registration = registration_of(pictures, all_good(pictures))
    if registration is not None:
        assert not registration.search.is_circle
        poses, _ = find_poses(registration.search, [see(picture) for picture in pictures])
        angles = (poses[:, 0] + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(angles).max() < np.radians(10)


def draw_wide(rng: np.random.Generator, angle: float) -> U8:
    """Draw a printed strip that is turned by `angle` degrees: its ends move, its middle hardly does."""
    part = np.full((128, 512, 3), 60, np.uint8)
    cv2.rectangle(part, (24, 36), (488, 92), (150, 150, 150), -1)
    for place in (50, 96, 130, 210, 300, 330, 402, 440, 466):
        cv2.rectangle(part, (place, 48), (place + 9, 78), (50, 50, 50), -1)
    turned = cv2.warpAffine(
        part, cv2.getRotationMatrix2D((256, 64), angle, 1.0), (512, 128), borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.clip(turned + rng.normal(0, 2, turned.shape), 0, 255), np.uint8)


def test_wide_parts_that_are_turned_a_little_are_brought_to_lie_alike() -> None:
    rng = np.random.default_rng(2)
    pictures = [draw_wide(rng, rng.uniform(-4, 4)) for _ in range(GOOD)]
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    assert not registration.search.is_circle
    assert registration.registered > registration.as_they_lie + 0.1
    registrar = Registrar(registration.search, 512, 128)
    unseen = [draw_wide(rng, angle) for angle in (-4, -2, 2, 4)]
    registered = np.stack([registrar(picture) for picture in unseen])[:, 16:-16, 32:-32].astype(float)
    assert registered.std(axis=0).mean() < 0.4 * np.stack(unseen)[:, 16:-16, 32:-32].std(axis=0).mean()


@pytest.mark.parametrize(("angle", "shift"), [(180, 6), (8, 8)])
def test_a_training_finds_the_poses_that_the_model_finds(angle: float, shift: float) -> None:
    pictures = draw_many(GOOD, angle, shift)
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    views = [see(picture) for picture in draw_many(GOOD, angle, shift, seed=9)]
    poses, fits = find_poses(registration.search, views)
    graph = Graph()
    add_search(graph, registration.search)
    shapes = {VIEW: [1, 1, *registration.search.grid]}, {POSE: [1, 3], FITS: [tried_angles(registration.search), 1]}
    session = onnxruntime.InferenceSession(
        graph.model(*shapes, "pose").SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for view, pose, fit in zip(views, poses, fits, strict=True):
        there, how_well = session.run([POSE, FITS], {VIEW: view[None, None]})
        np.testing.assert_allclose(there[0], pose, atol=0.004)  # a tenth of a place
        assert how_well.max() == pytest.approx(fit, abs=0.005)


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_pictures_of_one_colour_are_left_alone(gray: int) -> None:
    blank = np.full((SIDE, SIDE, 3), gray, np.uint8)
    assert registration_of([blank] * GOOD, np.ones(GOOD, bool)) is None
    # Beside one that is not, too.
    assert registration_of([*[blank] * GOOD, *draw_many(1, 0, 0)], np.ones(GOOD + 1, bool)) is None


def test_a_blank_picture_is_registered_to_something() -> None:
    """As a camera gives it whose light has failed."""
    pictures = draw_many(6, 180, 6)  # as few as can be
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    for gray in (0, 255):
        blank = np.full((SIDE, SIDE, 3), gray, np.uint8)
        poses, fits = find_poses(registration.search, [see(blank)])
        assert np.isfinite(poses).all() and np.isfinite(fits).all()
        registered = Registrar(registration.search, *SIZE)(blank)
        middle = slice(SIDE // 4, -SIDE // 4)
        assert (registered[middle, middle] == gray).all()


def test_what_a_turned_picture_lacks_is_filled_in_its_own_light() -> None:
    """Else the picture's border is an edge on every part, each time elsewhere."""
    rng = np.random.default_rng(4)

    def lit(pictures: list[U8]) -> list[U8]:
        return [np.clip(picture * rng.uniform(0.7, 1.5), 0, 255).astype(np.uint8) for picture in pictures]

    pictures = lit(draw_many(GOOD, 180, 6))
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    for picture in lit(draw_many(GOOD, 180, 6, seed=9)):
        background = picture[:16, :16].astype(float).mean()
        registered = Registrar(registration.search, *SIZE)(picture).astype(float)
        for corner in (registered[:24, :24], registered[:24, -24:], registered[-24:, :24], registered[-24:, -24:]):
            assert abs(corner.mean() - background) < 4


def draw_patch(size: tuple[int, int], background: int, shift: int) -> U8:
    """Draw a patterned square on a background of one colour, `shift` pixels to the right of the middle."""
    width, height = size
    side = min(size) // 2
    picture = np.full((height, width, 3), background, np.uint8)
    rng = np.random.default_rng(0)
    pattern = resized(rng.integers(60, 200, (12, 12, 3)).astype(np.uint8), (side, side), cv2.INTER_CUBIC)
    row, column = (height - side) // 2, (width - side) // 2 + shift
    picture[row : row + side, column : column + side] = pattern
    return picture


def registration_by(picture: U8, mean: U8) -> Registration:
    """Register pictures as one picture lies, that turn and shift a little; `mean` fills in what they lack."""
    search = make_search(see(picture), np.radians(5) * np.arange(-2, 3), 0.12, is_circle=False, mean=mean)
    return Registration(search, lie_alike=False, as_they_lie=0, registered=1, angle=0, moved=0)


@pytest.mark.parametrize("size", [(448, 448), (512, 256)])
@pytest.mark.parametrize("background", [20, 235])
@pytest.mark.parametrize("shift", [6, 24, 40])
def test_the_light_of_what_is_filled_in_is_that_of_what_is_seen(
    size: tuple[int, int], background: int, shift: int
) -> None:
    template, moved = (draw_patch(size, background, by) for by in (0, shift))
    registration = registration_by(template, resized(template, (size[0] // 2, size[1] // 2)))
    filled = slice(-shift - 1, None)
    laid = Registrar(registration.search, *size)(moved)
    assert np.abs(laid[:, filled].astype(int) - background).max() <= 3


@pytest.mark.parametrize("size", [(448, 448), (512, 128)])
def test_the_outermost_pixels_of_a_part_that_lies_right_are_its_own(size: tuple[int, int]) -> None:
    picture = draw_patch(size, 128, 0)
    for border in (picture[:1], picture[-1:], picture[:, :1], picture[:, -1:]):
        border[:] = 200
    registration = registration_by(picture, np.full((size[1] // 2, size[0] // 2, 3), 128, np.uint8))
    laid = Registrar(registration.search, *size)(picture)
    assert np.abs(laid.astype(int) - picture).max() <= 3


def test_a_registration_adds_little_to_a_model() -> None:
    pictures = [resized(picture, (640, 640), cv2.INTER_CUBIC) for picture in draw_many(GOOD, 180, 6)]
    registration = registration_of(pictures, all_good(pictures))
    assert registration is not None
    assert len(registration_model(registration.search, 640, 640).SerializeToString()) < 2_000_000
