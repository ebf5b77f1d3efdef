"""The bench of many kinds of parts: what is held out stays so, and what is drawn is what it is called."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from benchmarks import model_quality
from benchmarks.objects.in_turn import compare
from benchmarks.objects.kinds import KINDS, panels
from benchmarks.objects.masks import measure_masks
from benchmarks.objects.price import price
from benchmarks.objects.results import Results
from benchmarks.objects.verdicts import calibration_error, choose, features_of, in_full_size, larger_than, measure
from tests.support.fakes import write_echo


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kinds", "vial", "wood"], "wood: held out; --final measures them"),
        (["--kinds", "wood@"], "wood@: held out; --final measures them"),
        (["--kinds", "wood#"], "wood#: held out; --final measures them"),
        (["--kinds", "cookies#"], "'cookies#': a panel is drawn, and cookies are photographs"),
        (["--kinds", "vial@@"], "'vial@@' is no kind; expected one of cookies, flange"),
        (["cost", "--kinds", "vial~"], "vial~: only verdicts and price have parts that lie otherwise"),
        (["price", "--models", "old", "new"], "--models: only speed compares finished models"),
    ],
)
def test_what_is_not_measured_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["model_quality", *arguments])
    with pytest.raises(SystemExit) as ended:
        model_quality.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_half_of_the_kinds_are_held_out() -> None:
    halves = ["development", *(kind.half for kind in KINDS.values())]  # cookies are the first
    assert (halves.count("development"), halves.count("held-out")) == (15, 12)


@pytest.mark.parametrize("name", ["label", "seal", "connector", "plate", "rotor"])
def test_each_defect_is_marked_where_it_is(name: str) -> None:
    kind = KINDS[name]
    good = kind.draw(None, np.random.default_rng(0))
    assert not good.classes.any()
    for number, defect in enumerate(kind.defects, start=1):
        part = kind.draw(defect, np.random.default_rng(number))
        assert set(np.unique(part.classes)) == {0, number}
        assert part.picture.shape == (*part.classes.shape, 3)


def test_a_panel_has_six_parts_of_which_one_is_bad_where_it_is() -> None:
    (good, none), (bad, defect) = panels("flange", 1, 1)
    assert (none, defect) == ("", KINDS["flange"].defects[0])
    assert good.shape == bad.shape == (750, 1500, 3)
    assert len({part.tobytes() for row in np.split(good, 2) for part in np.split(row, 3, axis=1)}) == 6


@pytest.mark.long
def test_a_kind_for_which_the_larger_input_is_tried_is_measured() -> None:
    of = ("plate", Path("none"), None)
    kept = features_of(*of, shares=0.2)
    larger = larger_than(*of, kept, 0.2, "auto")
    assert larger is not None and larger.plain.half is not None
    trial = measure(kept, (12, 2), 0, larger, in_full_size("plate", Path("none"), 0.2))  # of which specks decide
    assert len(trial.right) == 4 + 8
    assert 0 < trial.f1 <= trial.best_f1 <= 1


def test_confidence_that_is_as_often_right_as_it_says_has_no_error() -> None:
    confidence, right = np.full(100, 0.9), np.arange(100) < 90
    assert calibration_error(confidence, right) == pytest.approx(0)
    assert calibration_error(np.full(100, 1.0), right) == pytest.approx(0.1)


def test_the_same_pictures_train_for_the_same_seed() -> None:
    anomalous = np.arange(50) >= 30
    chosen = choose(anomalous, 20, 10, 3)
    assert (chosen[~anomalous].sum(), chosen[anomalous].sum()) == (20, 10)
    assert (chosen == choose(anomalous, 20, 10, 3)).all()
    assert (chosen != choose(anomalous, 20, 10, 4)).any()


def test_price_goes_on_where_it_was_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in the file is not measured again: a kind that nobody can draw would fail."""
    kept = tmp_path / "price.jsonl"
    qualities = {"speed": 0.7, "normal": 0.9, "best": 1.0}
    rows = [
        {"key": f"price nothing 20+10 {quality} {precision} {seed}", "f1": f1 + 0.01 * seed}
        for quality, f1 in qualities.items() for precision in ("fp32", "int8") for seed in (0, 1)
    ]  # fmt: skip
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows))
    price(["nothing"], tmp_path, None, range(2), Results(kept), (20, 10))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "trained on 20+10, 2 splits"
    assert lines[2].split() == ["nothing", "0.705", "0.705", "0.905", "0.905", "1.005", "1.005"]
    with pytest.raises(KeyError):
        price(["nothing"], tmp_path, None, range(3), Results(kept), (20, 10))


def test_finished_models_are_timed_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write_echo(tmp_path, name, width=side, height=64) for name, side in (("old", 64), ("new", 96))]
    compare(folders, rounds=3)
    old, new = capsys.readouterr().out.splitlines()
    assert old.startswith(f"1 {folders[0]}: picture 64x64, input 64x64, ")
    assert " of processor time, 1.000 of the first (1.000 to 1.000)" in old
    assert new.startswith(f"2 {folders[1]}: picture 96x64, ")


def test_masks_go_on_where_they_were_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "masks.jsonl"
    row = {"f1": 0.9, "average_iou": 0.8, "image_f1": 1.0, "seconds": 300.0}
    rows = [
        {"key": f"masks brushed 20+10 {key}", **row, "iou": iou, "labels": {"scratch": iou, "stain": 0.9}}
        for key, iou in (("0", 0.8), ("1", 0.7), ("0 best", 0.9), ("1 best", 0.6))
    ]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows))
    qualities: tuple[tuple[Literal["auto", "best"], str], ...] = (("auto", "0.700"), ("best", "0.600"))
    for quality, least in qualities:
        measure_masks(["brushed"], ["20+10"], range(2), tmp_path, tmp_path, Results(kept), quality)
        mean = capsys.readouterr().out.splitlines()[3]
        assert mean.split()[:3] == ["brushed", "20+10", "0.750"]
        assert f"scratch 0.750 stain 0.900  mean of 2, least IoU {least}" in mean
    assert list(tmp_path.iterdir()) == [kept], "nothing is drawn or learned"
