"""The bank of each place alone: what good parts show elsewhere does not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.building.training.features import STRIDE_8_CHANNELS, Features
from edge_agent.building.training.half_precision import in_half_precision
from edge_agent.building.training.head import Head, Wanted, fit_head
from edge_agent.building.training.place_bank import (
    Moved,
    PlaceBank,
    View,
    choose_view,
    chosen_to_move,
    compare_places,
    move,
    straying,
)

ROWS, COLUMNS, FINE, ALL = 3, 4, STRIDE_8_CHANNELS + 5, STRIDE_8_CHANNELS + 4


def made_up(count: int, *, seed: int = 0) -> Features:
    """Parts whose fine places differ from each other, and hardly from part to part."""
    rng = np.random.default_rng(7)
    fine, coarse = rng.normal(size=(4 * ROWS * COLUMNS, FINE)), rng.normal(size=(ROWS * COLUMNS, ALL))
    noise = np.random.default_rng(seed)

    def of(like: np.ndarray) -> np.ndarray:
        return (like + noise.normal(0, 0.05, (count, *like.shape))).astype(np.float32)

    patches = of(coarse)
    return Features(patches, patches, of(fine), of(rng.normal(size=6)), (ROWS, COLUMNS))


def every(features: Features) -> np.ndarray:
    return np.ones(len(features.fine), bool)


def remember_places(
    features: Features, good: np.ndarray, view: View, *, seed: int, moved: Moved | None = None
) -> PlaceBank:
    """Keep what `good` parts and their `moved` copies show, without comparing any."""
    return compare_places(features, view, ~good, np.zeros(len(good), np.int64), 0, seed=seed, moved=moved)[1]


def fit(features: Features) -> Head:
    normal = np.zeros(len(features.fine), bool)
    return fit_head(features, normal, seed=0, wanted=Wanted(), progress=lambda done, total: None)


def test_distances_are_those_to_the_nearest_of_the_same_place() -> None:
    good, asked = made_up(6), made_up(3, seed=1)
    view = choose_view(good, every(good), seed=0)
    found = remember_places(good, every(good), view, seed=0)(asked)
    for look, of in ((view.__call__, found.fine), (view.see_finest, found.finest)):
        brute = np.linalg.norm(look(asked)[:, None] - look(good)[None], axis=3).min(axis=1)
        np.testing.assert_allclose(of, brute, rtol=0.02, atol=0.02)


def test_places_are_compared_as_they_are_kept() -> None:
    values = np.random.default_rng(0).normal(0, 3, (50, 40)).astype(np.float32)
    values[0, :4] = 0, 1 + 2**-11, 1 + 3 * 2**-11, -2049  # the last three lie in the middle: to the even one
    as_kept = values.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(in_half_precision(values), as_kept, rtol=0, atol=2**-24)


def test_a_fine_place_is_seen_with_what_is_around_it() -> None:
    good = made_up(6)
    view = choose_view(good, every(good), seed=0)
    around = good.sharp.copy()
    around[0, COLUMNS + 2, STRIDE_8_CHANNELS:] += 5  # row 1, column 2 of the coarse places
    moved = np.abs(view(good._replace(sharp=around)) - view(good))[0].max(axis=1).reshape(2 * ROWS, 2 * COLUMNS) > 0.1
    assert moved[2:4, 4:6].all()
    assert moved.sum() == 4


def test_what_lies_in_anothers_place_is_far_from_good_parts() -> None:
    good, bad = made_up(8), made_up(1, seed=2)
    fine = bad.fine.copy()
    fine[0, [9, 40]] = fine[0, [40, 9]]
    bank = remember_places(good, every(good), choose_view(good, every(good), seed=0), seed=0)
    for found in bank(bad._replace(fine=fine)):
        assert set(np.argsort(-found[0])[:2]) == {9, 40}


def test_each_stride_is_seen_by_itself() -> None:
    good, asked = made_up(8), made_up(1, seed=2)
    bank = remember_places(good, every(good), choose_view(good, every(good), seed=0), seed=0)
    plain = bank(asked)
    for channels, changed, same in ((slice(STRIDE_8_CHANNELS), 0, 1), (slice(STRIDE_8_CHANNELS, None), 1, 0)):
        fine = asked.fine.copy()
        fine[0, 17, channels] += 1
        found = bank(asked._replace(fine=fine))
        np.testing.assert_array_equal(found[same], plain[same])
        assert np.flatnonzero(found[changed] != plain[changed]).tolist() == [17]


def test_a_picture_is_not_compared_with_itself() -> None:
    good = made_up(6)
    view = choose_view(good, every(good), seed=0)
    found = compare_places(good, view, np.zeros(6, bool), np.arange(6) % 3, 3, seed=0)[0]
    itself = remember_places(good, every(good), view, seed=0)(good)
    alone = compare_places(good, view, np.zeros(6, bool), np.zeros(6, np.int64), 1, seed=0)[0]
    for which in range(2):
        assert found[which].min() > 0.02
        assert itself[which].max() < 0.02
        assert alone[which].max() < 0.02, "there are no others"


def _copies(good: Features, *, seed: int) -> Moved:
    """Make four copies of each part that are something else."""
    other = made_up(4 * len(good.fine), seed=seed)
    return Moved(other._replace(fine=other.fine + 1.0), np.repeat(np.arange(len(good.fine)), 4))


def test_a_part_that_lies_as_a_copy_does_is_near() -> None:
    good = made_up(6)
    view, copies = choose_view(good, every(good), seed=0), _copies(good, seed=3)
    moved_part = copies.features.of([5])
    plain = remember_places(good, every(good), view, seed=0)
    both = remember_places(good, every(good), view, seed=0, moved=copies)
    for alone, known in zip(plain(moved_part), both(moved_part), strict=True):
        assert alone.mean() > 3 * known.mean()
    assert both.finest.shape == (4 * ROWS * COLUMNS, FINE - STRIDE_8_CHANNELS, 16)
    assert both.bank.shape == (4 * ROWS * COLUMNS, ALL, 16), "30 of them, of which 16 cover the others"
    fewer = np.arange(6) < 2
    assert remember_places(good, fewer, view, seed=0, moved=copies).bank.shape[2] == 10


def test_a_picture_is_not_compared_with_its_own_copies() -> None:
    good = made_up(6)
    view, fold, normal = choose_view(good, every(good), seed=0), np.arange(6) % 3, np.zeros(6, bool)
    itself = Moved(good.of(np.repeat(np.arange(6), 4)), np.repeat(np.arange(6), 4))
    assert min(of.min() for of in compare_places(good, view, normal, fold, 3, seed=0, moved=itself)[0]) > 0.02
    copies = _copies(good, seed=3)
    others, all_of_them = compare_places(good, view, normal, fold, 3, seed=0, moved=copies)
    known = remember_places(good, every(good), view, seed=0, moved=copies)
    np.testing.assert_array_equal(all_of_them.bank, known.bank)
    np.testing.assert_array_equal(all_of_them.finest, known.finest)
    bank = [remember_places(good, fold != number, view, seed=0, moved=copies) for number in range(3)]
    for number in range(3):
        held = fold == number
        for of, without in zip(others, bank[number](good.of(held)), strict=True):
            np.testing.assert_allclose(of[held], without, rtol=0.02, atol=0.02)


def test_copies_of_some_parts_know_their_new_numbers() -> None:
    copies = _copies(made_up(5), seed=3)
    some = copies.of(np.array([False, True, False, True, False]))
    assert some is not None
    assert some.owner.tolist() == [0] * 4 + [1] * 4
    taken = [4, 5, 6, 7, 12, 13, 14, 15]
    np.testing.assert_array_equal(some.row(1).fine, copies.row(1).fine[taken])
    fewer = some.of(np.array([False, True]))
    assert fewer is not None
    assert fewer.owner.tolist() == [0] * 4
    np.testing.assert_array_equal(fewer.row(2).sharp, copies.row(2).sharp[taken[4:]])
    assert copies.of(np.zeros(5, bool)) is None
    assert Moved.join([], np.zeros(0, np.intp)) is None


def test_a_picture_is_moved_by_two_pixels_each_way() -> None:
    picture = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
    down, up, right, left = move(picture)
    np.testing.assert_array_equal(down[2:], picture[:-2])
    np.testing.assert_array_equal(down[:2], picture[[0, 0]])
    np.testing.assert_array_equal(up[:-2], picture[2:])
    np.testing.assert_array_equal(right[:, 2:], picture[:, :-2])
    np.testing.assert_array_equal(left[:, :-2], picture[:, 2:])
    assert len(chosen_to_move(np.ones(90, bool))) == 20


def test_hundreds_of_good_parts_cost_no_more_than_a_few() -> None:
    many = made_up(60)
    assert remember_places(many, every(many), choose_view(many, every(many), seed=0), seed=0).bank.shape == (
        4 * ROWS * COLUMNS,
        ALL,
        16,
    )


def test_only_good_parts_are_remembered_and_only_those_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    many, good = made_up(60), np.arange(60) % 3 > 0
    apart = many.of(good)
    copied = []
    plain = Features.of

    def of(self: Features, index: Any) -> Features:
        found = plain(self, index)
        copied.append(len(found.fine))
        return found

    monkeypatch.setattr(Features, "of", of)
    view = choose_view(many, good, seed=0)
    known = remember_places(many, good, view, seed=0)
    assert copied == [16], "of a thousand pictures a copy of all would be most of a gigabyte"
    view_of_apart = choose_view(apart, every(apart), seed=0)
    np.testing.assert_array_equal(known.bank, remember_places(apart, every(apart), view_of_apart, seed=0).bank)


def test_places_count_without_anomalies_where_parts_lie_alike() -> None:
    alike = made_up(20)
    steady = fit(alike)
    assert steady.fine is not None and steady.fine.scale.weight > 0.4
    rng = np.random.default_rng(3)
    turned = alike.fine.copy()
    for part in turned:  # a few places of each are like nothing that the others show
        part[rng.choice(len(part), 2, replace=False)] += rng.normal(0, 4, (2, FINE)).astype(np.float32)
    unsteady = fit(alike._replace(fine=turned))
    assert unsteady.fine is None or unsteady.fine.scale.weight < 0.1


def turned(features: Features) -> Features:
    """The same parts, each shifted by so many fine places as its number says."""
    fine = np.stack([np.roll(one, 5 * number, axis=0) for number, one in enumerate(features.fine)])
    return features._replace(fine=fine, sharp=np.zeros_like(features.sharp))


def test_parts_that_turn_stray_and_parts_in_place_do_not() -> None:
    still, moved = made_up(12), turned(made_up(12))
    assert straying(still, every(still), choose_view(still, every(still), seed=0), seed=0) == pytest.approx(1, abs=0.02)
    assert straying(moved, every(moved), choose_view(moved, every(moved), seed=0), seed=0) > 2
    alone = made_up(1)
    assert straying(alone, every(alone), choose_view(still, every(still), seed=0), seed=0) == 1


def test_places_do_not_count_where_whole_parts_turn() -> None:
    still, moved = made_up(12), turned(made_up(12))
    assert fit(still).fine is not None
    assert fit(moved).fine is None
