"""A mask is what it shows: blank ones, manifests with masks only, several masks in a line, and failed jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.reading import Datasets, Reading, read_dataset
from edge_agent.building.datasets.sentences import sentence
from tests.support.manifests import AREA, CRACK, draw_mask, is_bad, labelled, masked, write_lines, write_pictures


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return write_pictures(tmp_path)


def check(folder: Path, *lines: object, masks: bool = True, **reading: Any) -> Report:
    dataset = read_dataset(write_lines(folder / "a.manifest", *lines), Reading(**reading))
    return check_datasets(Datasets(dataset, None), masks=masks)


def areas(report: Report) -> list[dict[str, int]]:
    return [seen.areas for seen in report.seen]


def labels(report: Report) -> list[str | None]:
    return [seen.example.label for seen in report.seen]


@pytest.mark.parametrize(
    "dummy",
    [("RGB", "white"), ("RGB", "black"), ("RGBA", (0, 0, 0, 0)), ("L", 255), ("RGBA", (35, 164, 54, 100))],
    ids=["white", "black", "transparent", "grey", "faint"],
)
@pytest.mark.parametrize("background", [True, False])
def test_a_blank_mask_marks_nothing_whatever_its_size(
    tmp_path: Path, names: list[str], dummy: tuple[str, Any], background: bool
) -> None:
    Image.new(dummy[0], (16, 16), dummy[1]).save(tmp_path / "masks" / "dummy.png")
    colors = {**CRACK, **({"1": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}} if background else {})}
    lines = [
        {**labelled(name), **masked(name, colors=colors)}
        if is_bad(name)
        else {**labelled(name), **masked(name, colors=colors), "m-ref": "masks/dummy.png"}
        for name in names
    ]
    report = check(tmp_path, *lines)
    assert report.problems == ()
    assert labels(report) == ["normal"] * 4 + ["anomaly"] * 3
    assert areas(report) == [{}] * 4 + [{"crack": AREA}] * 3


def test_masks_without_a_class_say_it(tmp_path: Path, names: list[str]) -> None:
    white = {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}}
    for lines in (
        [masked(name) for name in names],
        [masked(name, colors=CRACK if is_bad(name) else white) for name in names],
        [*map(labelled, names[:2]), *(masked(name) for name in names[2:])],
    ):
        report = check(tmp_path, *lines)
        assert report.problems == ()
        assert labels(report) == ["normal"] * 4 + ["anomaly"] * 3
        (note,) = [reason for reason in report.reasons if reason.code == "labelled-by-mask"]
        assert (note.facts["marked"], note.facts["unmarked"]) == (3, sum("job" not in line for line in lines) - 3)


def test_a_mask_that_was_to_say_the_label_and_is_not_there_is_a_fault(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "masks" / "a1.png").unlink()
    draw_mask(marked=True, color="#ff0000").save(tmp_path / "masks" / "a2.png")
    report = check(tmp_path, *(masked(name) for name in names))
    assert [problem.split(": ", 1)[1] for problem in report.problems] == [
        f"the mask masks/a1.png of {tmp_path}/anomaly/a1.png can't be found",
        f"mask {tmp_path}/masks/a2.png has the colours #ff0000, declared are crack #23a436",
    ]
    assert [reason.places[0].line for reason in report.reasons if reason.stops] == [6, 7]


def test_for_classification_masks_do_not_matter(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "masks" / "a0.png").unlink()
    (tmp_path / "masks" / "a1.png").write_text("no picture")
    draw_mask(marked=True, size=50).save(tmp_path / "masks" / "a2.png")
    lines = [{**labelled(name), **masked(name)} for name in names]
    assert len(check(tmp_path, *lines).problems) == 3
    report = check(tmp_path, *lines, masks=False)
    assert report.problems == ()
    assert labels(report) == ["normal"] * 4 + ["anomaly"] * 3
    assert not [text for text in report.warnings if "mask" in text]


def _old_and_new(folder: Path, name: str, *, new_first: bool, dates: tuple[str, str]) -> dict[str, Any]:
    (folder / "new").mkdir(exist_ok=True)
    drawn = draw_mask(marked=False)
    if is_bad(name):
        drawn.paste((0x23, 0xA4, 0x36), (0, 0, 5, 5))
    drawn.save(folder / "new" / Path(name).name)
    old = masked(name, "old-ref", **{"creation-date": dates[0]})
    new = masked(name, "new-ref", "new", **{"creation-date": dates[1]})
    both = {**new, **old} if new_first else {**old, **new}
    return {**labelled(name), **both}


@pytest.mark.parametrize("new_first", [True, False])
@pytest.mark.parametrize(
    "dates",
    [
        ("2020-01-01T00:00:00", "2023-01-01T00:00:00"),
        ("Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)", "2022-08-22T20:52:53Z"),
        ("2022-08-22T22:00:00+09:00", "2022-08-22T13:30:00"),
    ],
)
def test_of_two_masks_the_later_counts_and_not_the_order_of_keys(
    tmp_path: Path, names: list[str], new_first: bool, dates: tuple[str, str]
) -> None:
    lines = [_old_and_new(tmp_path, name, new_first=new_first, dates=dates) for name in names]
    report = check(tmp_path, *lines)
    assert report.problems == ()
    assert areas(report)[4:] == [{"crack": 25}] * 3
    assert any("'new-ref' is later than 'old-ref' and is taken" in text for text in report.warnings)
    assert areas(check(tmp_path, *lines, attributes=("old-ref",)))[4:] == [{"crack": AREA}] * 3


@pytest.mark.parametrize("dates", [("", ""), ("2020-01-01", ""), ("2020-01-01", "2020-01-01T00:00:00")])
def test_two_masks_without_a_later_one_are_an_error_that_names_both(
    tmp_path: Path, names: list[str], dates: tuple[str, str]
) -> None:
    lines = [_old_and_new(tmp_path, name, new_first=True, dates=dates) for name in names]
    problem = check(tmp_path, *lines).problems[0]
    assert "line 1: the masks 'new-ref' (new/n0.png)" in problem
    assert "'old-ref' (masks/n0.png)" in problem
    assert "--attribute new-ref or --attribute old-ref says it" in problem
    assert check(tmp_path, *lines, attributes=("new-ref",)).problems == ()


def test_what_can_not_be_used_costs_the_line_its_mask(tmp_path: Path, names: list[str]) -> None:
    failed = {"m-ref-metadata": {"failure-reason": "expired", "type": "groundtruth/semantic-segmentation"}}
    without_map = {"m-ref": "masks/a1.png", "m-ref-metadata": {"type": "groundtruth/semantic-segmentation"}}
    lines = [
        *map(labelled, names[:4]), {**labelled(names[4]), **failed}, {**labelled(names[5]), **without_map},
        {**labelled(names[6]), **masked(names[6])},
    ]  # fmt: skip
    report = check(tmp_path, *lines)
    assert report.problems == ()
    assert areas(report)[4:] == [{}, {}, {"crack": AREA}]
    text = "\n".join(report.warnings)
    assert f"1 picture has no mask, because the labelling job of 'm-ref' failed: expired ({tmp_path}/a.mani" in text
    assert "the mask masks/a1.png has no 'internal-color-map' in 'm-ref-metadata'" in text


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (Image.new("RGBA", (96, 96), (0x23, 0xA4, 0x36, 51)), "the colour #23a436 of 'crack' is there, but at 20 %"),
        (Image.new("L", (96, 96), 1), "it holds the values 1 of 255, and crack #23a436 is expected"),
        (Image.new("RGB", (96, 96), "white"), "it is white everywhere"),
        (Image.new("RGBA", (96, 96), (255, 0, 0, 0)), "it is transparent everywhere"),
    ],
)
def test_masks_that_mark_nothing_are_described(tmp_path: Path, names: list[str], mask: Image.Image, text: str) -> None:
    for number in range(3):
        mask.save(tmp_path / "masks" / f"a{number}.png")
    (found,) = [
        reason
        for reason in check(tmp_path, *({**labelled(name), **masked(name)} for name in names)).reasons
        if reason.code == "masks-empty"
    ]
    assert found.times == 3
    assert text in sentence(found)
