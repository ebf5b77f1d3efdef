"""The ONNX graphs against plain numpy: what is written is what was fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import ModelProto

from edge_agent.building.training import backbone
from edge_agent.building.training.assembly import assemble
from edge_agent.building.training.bank import (
    F64,
    choose_bank,
    choose_banks,
    choose_whitening,
    distances,
    picture_scores,
)
from edge_agent.building.training.features import Extractor, Features, choose_input_size, input_spec, source_model
from edge_agent.building.training.head import Head, Scale, Wanted, fit_head
from edge_agent.building.training.likeness import likeness_out_of_fold, remember_anomalies
from edge_agent.building.training.usual import usual_distances
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer, Tensor
from tests.support.parts import HEIGHT, WIDTH, draw_part

SIZE = (WIDTH, HEIGHT)


def run(model: ModelProto, picture: U8) -> dict[str, Tensor]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {backbone.INPUT: Normalizer(input_spec(*SIZE))(picture)}), strict=True))


def test_the_backbone_is_small_and_has_its_licence_beside_it() -> None:
    assert backbone.PATH.stat().st_size <= 12_000_000
    assert "Apache License" in backbone.PATH.with_name("LICENSE").read_text()


@pytest.mark.parametrize(
    ("picture", "expected"),
    [((576, 768), (288, 384)), ((640, 480), (384, 288)), ((1000, 1000), (320, 320)), ((64, 64), (128, 128))],
)
def test_the_input_has_the_pictures_proportions(picture: tuple[int, int], expected: tuple[int, int]) -> None:
    assert choose_input_size(*picture) == expected


def test_extreme_proportions_have_an_input_too() -> None:
    for picture in ((4096, 64), (64, 4096), (2048, 128)):
        width, height = choose_input_size(*picture)
        assert width % 32 == height % 32 == 0
        assert width * height <= 1.2 * 320 * 320


@pytest.mark.parametrize("picture", [(576, 768), (640, 480), (1000, 1000)])
def test_quality_is_a_matter_of_pixels(picture: tuple[int, int]) -> None:
    speed, normal, best = (np.prod(choose_input_size(*picture, quality)) for quality in ("speed", "normal", "best"))
    assert speed <= normal / 3
    assert 1.7 * normal <= best <= 4 * normal


def test_features_are_what_they_are_called() -> None:
    picture = draw_part(1)[0]
    stages = run(source_model(*SIZE), picture)
    features = Extractor(*SIZE, source_model(*SIZE))([picture])
    fine, coarse = stages["stage3"][0], stages["stage5"][0]
    assert features.patches.shape == (1, (HEIGHT // 16) * (WIDTH // 16), 152)
    for first, found in ((0, fine), (3 * 40, coarse)):
        count = len(found)
        flat = found.reshape(count, -1)
        for part, values in enumerate((flat.mean(1), flat.std(1), flat.max(1))):
            pooled = features.pooled[0][first + part * count : first + (part + 1) * count]
            np.testing.assert_allclose(pooled, values, rtol=1e-3, atol=1e-4)
    inner = coarse[:, 1:4, 2:5].mean(axis=(1, 2))  # around row 2, column 3
    np.testing.assert_allclose(features.patches[0][2 * (WIDTH // 16) + 3][40:], inner, rtol=1e-3, atol=1e-4)
    assert features.sharp.shape == features.patches.shape
    itself = coarse[:, 2, 3]
    np.testing.assert_allclose(features.sharp[0][2 * (WIDTH // 16) + 3][40:], itself, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(features.sharp[..., :40], features.patches[..., :40])


def test_distances_are_those_to_the_nearest_neighbour() -> None:
    rng = np.random.default_rng(0)
    patches, bank = rng.normal(size=(3, 7, 5)).astype(np.float32), rng.normal(size=(11, 5)).astype(np.float32)
    brute = np.linalg.norm(patches[:, :, None] - bank[None, None], axis=3).min(axis=2)
    np.testing.assert_allclose(distances(patches, bank), brute, rtol=1e-4)


def test_a_bank_covers_what_it_was_chosen_from() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(rng.normal(0, 50, (20, 16)), 30, axis=0)
    points = (clusters + rng.normal(0, 0.1, clusters.shape)).astype(np.float32)
    bank = choose_bank(points, seed=1)
    assert len(bank) == 60
    assert distances(points[None], bank).max() < 5, "one of every cluster is in it"


#: of the squares of two points' lengths: float32 rounds the square of their distance by less
_ROUNDING = 1e-6


def test_each_point_of_a_bank_is_the_furthest_from_those_before() -> None:
    """Of each fold by itself, however the products that tell are divided; which of two that are as far by what float32
    tells apart comes first is left to BLAS."""
    rng = np.random.default_rng(0)
    points, fold = rng.normal(size=(2500, 16)).astype(np.float32), np.arange(2500) % 3
    rng = np.random.default_rng(5)
    projected = points.astype(np.float64) @ rng.normal(size=(16, 32)).astype(np.float32)
    places = {point.tobytes(): place for place, point in enumerate(points)}
    for number, bank in enumerate(choose_banks(points, fold, 3, seed=5)):
        allowed = np.flatnonzero(fold != number)
        first = int(allowed[rng.integers(len(allowed))])
        kept = [places[point.tobytes()] for point in bank]
        assert kept == sorted(set(kept)), "each once, in the order of the points"
        assert len(kept) == round(len(allowed) * 0.1)
        assert set(kept) <= set(allowed.tolist())
        _assert_furthest_first(projected, allowed, first, kept)


def _assert_furthest_first(points: F64, allowed: npt.NDArray[np.intp], first: int, kept: list[int]) -> None:
    """Put the kept in the order in which each is the furthest of them from those before: none that is not kept may be
    further by then."""
    lengths = (points**2).sum(axis=1)
    left, last = set(kept), first
    nearest, rounding = np.full(len(points), np.inf), np.zeros(len(points))
    while True:
        left.remove(last)
        squares = ((points - points[last]) ** 2).sum(axis=1)
        rounding = np.where(squares < nearest, _ROUNDING * (lengths + lengths[last]), rounding)
        nearest = np.minimum(nearest, squares)
        if not left:
            return
        last = max(left, key=nearest.__getitem__)
        missed = int(allowed[nearest[allowed].argmax()])
        short = nearest[missed] - nearest[last]
        assert short <= rounding[missed] + rounding[last], f"{missed} is further than {last}, by {short}"


@pytest.mark.parametrize("anomalies", [0, 1, 8])
@pytest.mark.parametrize("beside", [0.0, 1.2])
def test_the_written_model_scores_as_the_fitted_head(anomalies: int, beside: float) -> None:
    """Also where fine places count beside what the banks of coarse ones say of these, as with the larger input."""
    pictures, source, features, head = _fitted(anomalies)
    without = head.raw_scores(features)
    head = head._replace(beside=beside)
    assert (np.abs(head.raw_scores(features) - without).max() > 0.1) == (beside > 0)
    assert (head.regression is not None) == (anomalies == 8)
    assert (head.likeness is not None) == (anomalies == 8)
    model = assemble(head, *SIZE, source, is_marked=True)
    for number in (0, len(pictures) - 1):
        outputs = run(model, pictures[number])
        expected = head.raw_scores(features.of([number]))
        np.testing.assert_allclose(outputs["score"], expected, rtol=2e-3, atol=2e-3)
        unusual = head.bank_usual(distances(head.whitening(features.of([number]).sharp), head.bank))[0]
        expected_map = ((unusual - head.map_spread.mean) / head.map_spread.deviation).reshape(HEIGHT // 16, WIDTH // 16)
        found = outputs["anomaly_map"][0, 0]
        assert found.shape == (HEIGHT // 4, WIDTH // 4)
        assert found.max() <= expected_map.max() + 0.05
        np.testing.assert_allclose(found[:2, :2].mean(), expected_map[0, 0], rtol=0.02, atol=0.05)
        if found.max() >= head.map_threshold or not (outputs["score"] >= head.least_anomalous).all():
            np.testing.assert_allclose(
                outputs["marks"][0, 0], found / max(0.5 * found.max(), head.map_threshold), rtol=1e-3, atol=1e-3
            )
    scores = picture_scores(distances(head.whitening(features.sharp), head.bank))
    assert scores.shape == (len(pictures),)


def test_no_product_is_one_that_onnxruntime_has_no_fast_way_for(tmp_path: Path) -> None:
    """It takes a factor and a transposition into a product, which then takes up to half as long again."""
    _, source, _, head = _fitted(8)
    assert head.fine
    optimised, options = tmp_path / "optimised.onnx", onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(optimised), 3
    graph = assemble(head, *SIZE, source).SerializeToString()
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    products = [node for node in onnx.load(optimised).graph.node if "MatMul" in node.op_type or node.op_type == "Gemm"]
    assert len(products) >= 8
    for node in products:
        assert node.op_type in ("MatMul", "Gemm")
        assert not any(attribute.i for attribute in node.attribute if attribute.name.startswith("trans"))


def _fitted(anomalies: int) -> tuple[list[U8], Any, Features, Head]:
    """Pictures of twelve good parts and of some with a dent, what they are looked at with, and their verdict."""
    pictures = [draw_part(i)[0] for i in range(12)] + [draw_part(100 + i, ("dent",))[0] for i in range(anomalies)]
    source = source_model(*SIZE)
    features = Extractor(*SIZE, source)(pictures)
    anomalous = np.arange(len(pictures)) >= 12
    head = fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None)
    return pictures, source, features, head


def _around_dent(mask: Any) -> npt.NDArray[np.bool_]:
    """Tell which places of the map a dent's mask marks, and those beside them."""
    dent = (np.asarray(mask)[::4, ::4] != 255).any(axis=2).astype(np.uint8)
    return np.asarray(cv2.dilate(dent, np.ones((9, 9), np.uint8)) > 0)


@pytest.mark.parametrize("anomalies", [0, 8])
@pytest.mark.parametrize("beside", [0.0, 1.2])
def test_what_is_called_anomalous_is_marked_where_its_score_comes_from(anomalies: int, beside: float) -> None:
    """Though no place is as far out as marks begin."""
    pictures, source, features, head = _fitted(anomalies)
    head = head._replace(beside=beside)
    picture, mask = draw_part(200, ("dent",))
    (score,), (of_good,) = head.raw_scores(Extractor(*SIZE, source)([picture])), head.raw_scores(features.of([0]))
    assert score > of_good
    between = float(score + of_good) / 2
    head = head._replace(map_threshold=1e6, threshold=between, middle=between)
    dent = _around_dent(mask)
    marks = run(assemble(head, *SIZE, source, is_marked=True), picture)["marks"][0, 0] >= 1
    assert 0 < marks.sum() < 0.1 * marks.size
    assert dent[marks].mean() > 0.9
    assert not (run(assemble(head, *SIZE, source, is_marked=True), pictures[0])["marks"] >= 1).any(), (
        "a good part has none"
    )
    just = head._replace(threshold=float(score) + 0.01, middle=float(score) + 0.01)
    assert not (run(assemble(just, *SIZE, source, is_marked=True), picture)["marks"] >= 1).any()


@pytest.mark.parametrize("anomalies", [0, 8])
def test_it_is_marked_though_no_place_gives_anything_to_its_score(anomalies: int) -> None:
    """As where what was learned from anomalies decides, and places are nearer than good parts' furthest ones."""
    _, source, _, head = _fitted(anomalies)
    picture, mask = draw_part(200, ("dent",))

    def lower(scale: Scale) -> Scale:
        return scale._replace(spread=scale.spread._replace(mean=scale.spread.mean + 100 * scale.spread.deviation))

    head = head._replace(
        bank_scale=lower(head.bank_scale),
        placed=head.placed._replace(scale=lower(head.placed.scale)),
        fine=head.fine and head.fine._replace(scale=lower(head.fine.scale)),
        map_threshold=1e6,
    )
    (score,) = head.raw_scores(Extractor(*SIZE, source)([picture]))
    head = head._replace(threshold=float(score) - 0.05, middle=float(score) - 0.05)
    outputs = run(assemble(head, *SIZE, source, is_marked=True), picture)
    dent = _around_dent(mask)
    marks = outputs["marks"][0, 0] >= 1
    assert 0 < marks.sum() < 0.1 * marks.size
    assert dent[marks].mean() > 0.9


def test_a_place_where_good_parts_differ_counts_for_less() -> None:
    rng = np.random.default_rng(0)
    rows, columns = 8, 10
    found = np.abs(rng.normal(1.0, 0.1, (20, rows * columns))).astype(np.float32)
    digits = 3 * columns + 4
    found[:, digits] = rng.uniform(1, 9, 20)
    usual = usual_distances(found, (rows, columns))
    surface = 70
    for place, distance in ((digits, 9.0), (surface, 3.0)):
        picture = np.ones((1, rows * columns), np.float32)
        picture[0, place] = distance
        assert usual(picture).argmax() == place
    strange, of_digits = np.ones((2, rows * columns), np.float32)
    strange[surface], of_digits[digits] = 6.0, 7.0
    assert usual(strange[None]).max() > usual(of_digits[None]).max()


def test_places_count_only_where_all_pictures_tell_them_apart() -> None:
    rng = np.random.default_rng(0)
    alike = np.abs(rng.normal(1.0, 0.2, (20, 80))).astype(np.float32)
    assert np.ptp(usual_distances(alike, (8, 10)).middle) < 0.5 * np.ptp(alike.mean(axis=0))
    apart = alike + np.linspace(0, 2, 80, dtype=np.float32)
    np.testing.assert_allclose(np.ptp(usual_distances(apart, (8, 10)).middle), 2, rtol=0.2)


def test_half_whitened_patches_differ_by_the_root_of_what_they_did() -> None:
    rng = np.random.default_rng(0)
    patches = (rng.normal(size=(4000, 3)) * np.array([9.0, 1.0, 0.25]) + 5).astype(np.float32)
    found = choose_whitening(patches)(patches)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(sorted(found.std(axis=0)), [0.5, 1.0, 3.0], rtol=0.05)


def test_a_place_is_like_an_anomaly_in_whatever_direction_that_lies() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=(6, 20, 8)).astype(np.float32), rng.normal(size=(3, 20, 8)).astype(np.float32)
    unusual = np.zeros((3, 20), np.float32)
    bad[:, 7:9, 2] += 12
    unusual[:, 7:9] = 1
    known = remember_anomalies(bad, unusual, np.ones(8, np.float32))
    assert known.directions.shape == (8, 6)
    like, unlike = good[:1].copy(), good[:1].copy()
    like[0, 11:15, 2] += 6
    unlike[0, 11:15, 5] += 6
    assert known(like)[0] > known(unlike)[0] > 0
    both = np.concatenate([good, bad])
    anomalous = np.arange(9) >= 6
    scores = likeness_out_of_fold(
        both, np.concatenate([np.zeros((6, 20), np.float32), unusual]), np.ones(8, np.float32), anomalous,
        np.arange(9) % 3, 3,
    )  # fmt: skip
    assert scores[anomalous].min() > scores[~anomalous].max()


def test_good_parts_that_never_differ_leave_something_to_divide_by() -> None:
    usual = usual_distances(np.zeros((3, 6), np.float32), (2, 3))
    assert np.isfinite(usual(np.ones((1, 6), np.float32))).all()
