"""A label that is not understood is never only counted: every kind of job, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.building.datasets.checks.checking import check_datasets
from edge_agent.building.datasets.dataset import Dataset
from edge_agent.building.datasets.reading import Datasets, Reading, read_dataset
from edge_agent.building.datasets.reasons import Reason
from edge_agent.building.datasets.sentences import reason_fields, sentence
from tests.support.manifests import classified, is_bad, labelled, write_lines, write_pictures


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return write_pictures(tmp_path)


def read(folder: Path, *lines: object, **reading: Any) -> Dataset:
    return read_dataset(write_lines(folder / "a.manifest", *lines), Reading(**reading))


def counts(dataset: Dataset) -> tuple[int, int, int]:
    normal, anomaly = len(dataset.of("normal")), len(dataset.of("anomaly"))
    return normal, anomaly, len(dataset.examples) - normal - anomaly


def reason(dataset: Dataset, code: str) -> Reason:
    (found,) = [reason for reason in dataset.reasons if reason.code == code]
    return found


@pytest.mark.parametrize(
    ("good", "bad", "options"),
    [
        ("OK", "NG", "--normal OK --anomaly NG"),
        ("Good", "BAD", "--normal Good --anomaly BAD"),
        ("pass", "fail", "--normal pass --anomaly fail"),
        ("normal", "defect", "--anomaly defect"),
        ("Gutteil", "Ausschuss", "--normal Gutteil --anomaly Ausschuss"),
        ("正常", "不良", "--normal 正常 --anomaly 不良"),
        ("i.O.", "n.i.O.", "--normal i.O. --anomaly n.i.O."),
        ("ok", "deep scratch", "--normal ok --anomaly 'deep scratch'"),
    ],
)
def test_other_names_are_a_problem_with_a_proposal_and_are_read_with_it(
    tmp_path: Path, names: list[str], good: str, bad: str, options: str
) -> None:
    lines = [classified(name, bad if is_bad(name) else good) for name in names]
    dataset = read(tmp_path, *lines)
    unknown = [found for found in dataset.reasons if found.code == "class-unknown"]
    assert [(found.value, found.attribute, found.times, found.weight) for found in unknown][-1] == (
        bad, "job", 3, "problem",
    )  # fmt: skip
    assert unknown[-1].places[0].line == 5
    proposed = reason(dataset, "side-lost-names-proposed")
    assert proposed.value == options
    assert check_datasets(Datasets(dataset, None)).problems
    mapped = read(tmp_path, *lines, normal=(good.upper(),), anomaly=(f" {bad} ",))
    assert counts(mapped) == (4, 3, 0)
    assert mapped.reasons == ()


def test_what_can_not_be_guessed_is_not_guessed(tmp_path: Path, names: list[str]) -> None:
    dataset = read(tmp_path, *(classified(name, "Echo Dot" if is_bad(name) else "RH") for name in names))
    assert counts(dataset) == (0, 0, 7)
    text = sentence(reason(dataset, "side-lost-names-needed"))
    assert "--normal RH or --normal 'Echo Dot'" in text
    lines = [classified(name, f"kind {number}") for number, name in enumerate(names * 2)]
    assert "--normal NAME,… --anomaly NAME,…" in sentence(reason(read(tmp_path, *lines), "side-lost-names-needed"))


def test_a_few_unknown_ones_beside_both_sides_are_a_note(tmp_path: Path, names: list[str]) -> None:
    dataset = read(tmp_path, *map(labelled, names[:6]), classified(names[6], "unclear"))
    found = reason(dataset, "class-unknown")
    assert (found.weight, found.times, found.places[0].line) == ("note", 1, 7)
    assert reason_fields(found) == {
        "code": "class-unknown", "weight": "note", "count": 1, "value": "unclear", "attribute": "job",
        "places": [{"source": str(tmp_path / "a.manifest"), "line": 7, "path": None}],
        "text": f"1 picture has the class 'unclear' in 'job', which is neither normal nor anomaly, and can't be used "
        f"({tmp_path}/a.manifest, line 7)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "metadata", "code"),
    [(["{}"], {}, "class-spelled"), (" {} ", {}, "class-spelled"), ("{}", {"type": None}, "class-no-type")],
)
def test_the_two_words_are_understood_however_they_are_wrapped(
    tmp_path: Path, names: list[str], said: Any, metadata: dict[str, Any], code: str
) -> None:
    def line(name: str) -> dict[str, Any]:
        label = "Anomaly" if is_bad(name) else "normal"
        wrapped = [said[0].format(label)] if isinstance(said, list) else said.format(label)
        return classified(name, wrapped, **metadata)

    dataset = read(tmp_path, *map(line, names))
    assert counts(dataset) == (4, 3, 0)
    assert sum(found.times for found in dataset.reasons) == 7
    assert {found.code for found in dataset.reasons} == {code}


def _boxes(name: str) -> dict[str, Any]:
    boxes = [{"class_id": 0, "left": 1, "top": 1, "width": 9, "height": 9}] if is_bad(name) else []
    metadata = {"class-map": {"0": "scratch"}, "type": "groundtruth/object-detection"}
    return {"source-ref": name, "b": {"annotations": boxes, "image_size": []}, "b-metadata": metadata}


def _several(name: str) -> dict[str, Any]:
    classes = {"0": "scratch", "3": "dent"} if is_bad(name) else {"5": "fine one"}
    metadata = {"class-map": classes, "type": "groundtruth/image-classification-multilabel"}
    return {"source-ref": name, "b": [int(number) for number in classes], "b-metadata": metadata}


@pytest.mark.parametrize(
    ("line", "found", "normal"),
    [
        (_boxes, [("no box", 4), ("scratch", 3)], "no box"),
        (_several, [("fine one", 4), ("scratch, dent", 3)], "fine one"),
    ],
)
def test_boxes_and_several_labels(
    tmp_path: Path, names: list[str], line: Any, found: list[tuple[str, int]], normal: str
) -> None:
    dataset = read(tmp_path, *map(line, names))
    unknown = [reason for reason in dataset.reasons if reason.code == "class-unknown"]
    assert [(reason.value, reason.times) for reason in unknown] == found
    assert counts(read(tmp_path, *map(line, names), normal=(normal,), anomaly=("scratch,dent",))) == (4, 3, 0)


def test_failed_verified_and_strange_jobs_are_told_apart(tmp_path: Path, names: list[str]) -> None:
    failed = {
        "source-ref": names[0],
        "j-metadata": {"failure-reason": "expired", "type": "groundtruth/image-classification"},
    }
    judged = {"class-name": "bad", "type": "groundtruth/label-verification"}
    verified = {"source-ref": names[1], "v": 1, "v-metadata": judged}
    strange = {"source-ref": names[2], "t": "x", "t-metadata": {"type": "groundtruth/text-classes"}}
    said = {"class-name": "anomaly", "type": "groundtruth/image-classification"}
    detected = {"source-ref": names[3], "d-detected": 1, "d-detected-metadata": said}
    beside = {**labelled(names[4]), "v": 1, "v-metadata": judged}
    dataset = read(tmp_path, failed, verified, strange, detected, beside, {"source-ref": names[5]})
    told = [
        (found.code, found.value, found.attribute, found.places[0].line) for found in dataset.reasons if found.places
    ]
    assert sorted(told, key=lambda item: item[3] or 0) == [
        ("job-failed", "expired", "j", 1),
        ("class-only-verified", "bad", "v", 2),
        ("class-other-type", "groundtruth/text-classes", "t", 3),
        ("class-detected", "anomaly", "d-detected", 4),
        ("class-verified", "bad", "v", 5),
        ("no-label", "", "", 6),
    ]
    assert [found.weight for found in dataset.reasons if found.code == "job-failed"] == ["problem"]
    assert sentence(reason(dataset, "side-lost-names-none")) == "with them every picture that could be normal is lost"


def test_values_without_metadata_are_not_guessed(tmp_path: Path, names: list[str]) -> None:
    lines = [{"source-ref": name, "anomaly-label": int(is_bad(name))} for name in names]
    unknown = [found for found in read(tmp_path, *lines).reasons if found.code == "class-unknown"]
    assert [(found.value, found.attribute, found.times) for found in unknown] == [
        ("0", "anomaly-label", 4), ("1", "anomaly-label", 3),
    ]  # fmt: skip
    assert counts(read(tmp_path, *lines, normal=("0",), anomaly=("1",))) == (4, 3, 0)
    lines = [{"source-ref": name, "label": "anomaly" if is_bad(name) else "normal"} for name in names]
    assert counts(read(tmp_path, *lines)) == (4, 3, 0)


def test_attributes_that_contradict_each_other_are_named_with_dates_and_the_flag(
    tmp_path: Path, names: list[str]
) -> None:
    old = classified(names[0], "anomaly", "v1", **{"creation-date": "2020-01-02T03:04:05.678"})
    new = classified(names[0], "normal", "v2", **{"creation-date": "Mon Aug 22 2022 13:52:52 GMT-0700 (PDT)"})
    lines = [{**old, **new}, *map(labelled, names[1:])]
    found = reason(read(tmp_path, *lines), "class-conflict")
    assert found.weight == "broken"
    assert sentence(found) == (
        f"{tmp_path}/a.manifest, line 1: 'v1' says 'anomaly' (2020-01-02 03:04) and 'v2' says 'normal' (2022-08-22 "
        "20:52); --attribute v1 or --attribute v2 says which counts"
    )
    assert counts(read(tmp_path, *lines, attributes=("v2",))) == (4, 3, 0)
    assert counts(read(tmp_path, *lines, attributes=("v1",))) == (3, 4, 0)
    assert reason(read(tmp_path, *lines, attributes=("v2", "v3")), "attribute-unused").value == "v3"


def test_names_can_stand_in_the_project_file_of_the_dataset(tmp_path: Path, names: list[str]) -> None:
    lines = [classified(name, "NG" if is_bad(name) else "OK") for name in names]
    (tmp_path / "dataset.toml").write_text('normal = ["OK", "fine"]\nanomaly = "NG"\n')
    dataset = read(tmp_path, *lines)
    assert counts(dataset) == (4, 3, 0)
    assert reason(dataset, "project-file").value == "normal = OK, fine, anomaly = NG"
    assert reason(dataset, "name-unused").value == "fine"
    assert counts(read(tmp_path, *lines, normal=("NG",), anomaly=("OK",))) == (3, 4, 0), "what is typed goes first"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("normal = [", "is not TOML"),
        ('good = "OK"', "has the key 'good', expected normal, anomaly, attribute"),
        ("normal = [1]", "'normal' is not a list of names"),
        ('normal = "x"\nanomaly = "X"', "'x' can't be normal and anomaly"),
        ('normal = "anomaly"', "'anomaly' means anomaly already"),
    ],
)
def test_a_wrong_project_file_is_named(tmp_path: Path, names: list[str], text: str, message: str) -> None:
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(Exception, match=message):
        read(tmp_path, *map(labelled, names))


def test_checkpoints_in_a_manifest_are_skipped_with_one_note(tmp_path: Path, names: list[str]) -> None:
    copies = [labelled(f"normal/.ipynb_checkpoints/n{number}-checkpoint.png") for number in range(3)]
    dataset = read(tmp_path, *map(labelled, names), *copies, labelled("s3://b/__MACOSX/normal/._n0.png"))
    assert counts(dataset) == (4, 3, 0)
    assert sentence(reason(dataset, "hidden")).startswith("4 hidden files and folders were skipped: line 8 (n0-check")
