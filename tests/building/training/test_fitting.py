"""Pictures become the model's input on several cores as on one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Example, MaskFile
from edge_agent.building.training.features import Extractor, Joining, join, source_model
from edge_agent.building.training.fitting import resized_pictures
from edge_agent.building.training.options import Options
from edge_agent.building.training.pictures import TrainingPictures
from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.sight import Sight

SOURCE = (150, 110)


def build_pictures(folder: Path, count: int) -> tuple[Example, ...]:
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (*SOURCE[::-1], 3), np.uint8)).save(folder / f"{number}.png")
    return tuple(Example(folder / f"{number}.png", f"{number}.png", NORMAL) for number in range(count))


@pytest.mark.parametrize("target", [(64, 64), SOURCE])
def test_several_cores_shrink_the_same_pictures_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: tuple[int, int]
) -> None:
    def shrink(cores: int) -> tuple[list[np.ndarray], list[Sight]]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
        pictures = TrainingPictures(Options(input_size=target))
        return pictures.take(examples, target), pictures.sights(examples)

    examples = build_pictures(tmp_path, 12)
    (one, seen_by_one), (several, seen_by_several) = shrink(1), shrink(4)
    np.testing.assert_array_equal(one, several)
    np.testing.assert_array_equal(one, resized_pictures(examples, target))
    assert seen_by_one == seen_by_several
    assert len({picture.tobytes() for picture in several}) == 12


def test_pictures_that_were_checked_are_not_decoded_again(tmp_path: Path) -> None:
    examples = build_pictures(tmp_path, 6)
    read, checked = TrainingPictures(Options(input_size=(64, 64))), TrainingPictures(Options(input_size=(64, 64)))
    expected = read.take(examples, (64, 64))
    for example in examples:
        checked.see(example, read_picture(example.path))
        example.path.unlink()
    np.testing.assert_array_equal(checked.take(examples, (64, 64)), expected)
    assert checked.sights(examples) == read.sights(examples)


def test_for_the_larger_input_few_pictures_are_kept_and_no_file_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    examples = tuple(Example(tmp_path / f"{number}.png", "", NORMAL) for number in range(3))
    for example in examples:
        Image.fromarray(rng.integers(0, 256, (900, 900, 3), np.uint8)).save(example.path)
    pictures, many = TrainingPictures(Options()), TrainingPictures(Options())
    usual, larger = pictures.sizes((900, 900))
    assert (usual, larger) == ((320, 320), (640, 640))
    assert larger is not None
    with monkeypatch.context() as few:
        few.setattr("edge_agent.building.training.pictures.MOST_PICTURES", 2)
        for example in examples:
            many.see(example, read_picture(example.path))
        # Some were set apart since, so that a larger input is tried all the same: what was let go is read.
        of_many = many.take(examples[:2], larger)
    assert [picture.shape for picture in pictures.take(examples, usual)] == [(320, 320, 3)] * 3
    for example in examples:
        example.path.unlink()
    expected = pictures.take(examples, larger)
    assert [picture.shape for picture in expected] == [(640, 640, 3)] * 3
    np.testing.assert_array_equal(of_many, expected[:2])
    assert len(many.take(examples, usual)) == 3
    with pytest.raises(InvalidRequest):  # neither kept nor there
        many.take(examples, larger)


@pytest.mark.parametrize("picture", [(640, 480), (1600, 1200)])
@pytest.mark.parametrize("most", [150, 2])
def test_where_the_best_quality_learns_masks_no_file_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: tuple[int, int], most: int
) -> None:
    monkeypatch.setattr("edge_agent.building.training.pictures.MOST_PICTURES", most)
    examples = tuple(
        Example(tmp_path / f"{of}.png", "", ANOMALY, mask=MaskFile(tmp_path / "mask.png", {})) for of in range(3)
    )
    pictures = TrainingPictures(Options(quality="best"))
    for example in examples:
        pictures.see(example, np.zeros((*picture[::-1], 3), np.uint8))
    (usual, larger), with_masks = pictures.sizes(picture), pictures.size_with_masks(picture)
    assert with_masks == (512, 384) != usual
    assert [one.shape for one in pictures.take(examples, with_masks)] == [(384, 512, 3)] * 3, "no file is there"
    assert len(pictures.take(examples, usual)) == 3
    if larger != with_masks and larger and most == 2:
        with pytest.raises(InvalidRequest):
            pictures.take(examples, larger)
    bare = Options(quality="best", locate=True)
    assert TrainingPictures(bare).size_with_masks(picture) is None, "none are learned"


def test_good_parts_in_full_size_are_kept_as_far_as_there_is_room_and_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    examples = tuple(Example(tmp_path / f"{number}.png", "", NORMAL) for number in range(3))
    expected = [rng.integers(0, 256, (900, 900, 3), np.uint8) for _ in examples]
    monkeypatch.setattr("edge_agent.building.training.pictures._MOST_IN_FULL", 2 * expected[0].nbytes)
    pictures = TrainingPictures(Options())
    usual, larger = pictures.sizes((900, 900))
    assert larger is not None
    for example, picture in zip(examples, expected, strict=True):
        Image.fromarray(picture).save(example.path)
        pictures.see(example, picture.copy())
    pictures.keep(examples, (usual, larger))
    for example, picture in zip(examples, expected, strict=True):
        np.testing.assert_array_equal(pictures.read(example), picture)
        example.path.unlink()
        with pytest.raises(InvalidRequest):
            pictures.read(example)


def test_of_pictures_that_were_seen_only_those_to_train_on_are_kept(tmp_path: Path) -> None:
    examples = build_pictures(tmp_path, 3)
    pictures = TrainingPictures(Options(input_size=(64, 64)))
    for example in examples:
        pictures.see(example, read_picture(example.path))
        example.path.unlink()
    pictures.keep(examples[:2], [(64, 64)])
    with pytest.raises(InvalidRequest):
        pictures.take(examples[2:], (64, 64))
    assert len(pictures.take(examples[:1], (64, 64))) == 1
    pictures.keep(examples[:2], [])
    with pytest.raises(InvalidRequest):
        pictures.take(examples[1:2], (64, 64))


def test_several_threads_see_what_one_sees() -> None:
    size = (96, 64)
    extract = Extractor(*size, source_model(*size))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size[::-1], 3), np.uint8) for _ in range(64)]
    one = join([extract([picture]) for picture in pictures])
    with ThreadPoolExecutor(4) as pool:
        several = join(list(pool.map(extract, [[picture] for picture in pictures])))
        joining = Joining(len(pictures))
        # From the last to the first, two at a time.
        firsts = range(len(pictures) - 2, -1, -2)
        list(pool.map(lambda first: joining.put(first, extract(pictures[first : first + 2])), firsts))
    for found in (several, joining.features):
        assert found.grid == one.grid
        for seen, expected in zip(found[:4], one[:4], strict=True):
            np.testing.assert_array_equal(seen, expected)


def test_a_network_that_rested_sees_the_same() -> None:
    extract = Extractor(96, 64, source_model(96, 64))
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    before = extract([picture])
    extract.rest()
    extract.rest()
    for seen, expected in zip(extract([picture])[:4], before[:4], strict=True):
        np.testing.assert_array_equal(seen, expected)
