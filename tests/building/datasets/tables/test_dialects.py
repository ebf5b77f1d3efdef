"""CSV as programs write it: the same pictures and classes come out of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.building.datasets.dataset import Dataset
from edge_agent.building.datasets.names import names_of
from edge_agent.building.datasets.reading import Reading, read_dataset
from edge_agent.building.datasets.sentences import sentence
from edge_agent.building.datasets.tables.conversion import convert_csv
from tests.support.manifests import is_bad, write_pictures


def _rows(names: list[str], form: str, *, end: str = "\n", windows: bool = False, good: str = "normal") -> str:
    bad = {"normal": "anomaly", "Normal": "Anomaly", "OK": "NG", "正常": "不良"}[good]
    text = ""
    for name in names:
        picture = name.replace("/", "\\") if windows else name
        text += form.format(p=picture, c=bad if is_bad(name) else good) + end
    return text


CASES = {
    "heading": ("image,label\n", "{p},{c}", {}, "utf-8", "headings in line 1"),
    "semicolon": ("", "{p};{c}", {}, "utf-8", "separator semicolon"),
    "german": ("Dateiname;Ergebnis\r\n", "{p};{c}", {"end": "\r\n"}, "utf-8-sig", "separator semicolon, headings"),
    "tab in UTF-16": ("", "{p}\t{c}", {"end": "\r\n"}, "utf-16", "separator tab, encoding utf-16"),
    "UTF-16 without a mark": ("", "{p},{c}", {}, "utf-16-be", "encoding utf-16-be"),
    "mark and CRLF": ("", "{p},{c}", {"end": "\r\n"}, "utf-8-sig", ""),
    "old spreadsheet": ("", "{p},{c}", {"end": "\r"}, "utf-8", ""),
    "VisA": ("object,split,label,image,mask\n", "candle,train,{c},{p},", {}, "utf-8", "pictures in column 4"),
    "empty cells": ("", "{p},{c},,", {}, "utf-8", ""),
    "blanks": ("", " {p} , {c} ", {}, "utf-8", ""),
    "Windows": ("", "C:\\bilder\\{p},{c}", {"windows": True}, "utf-8", ""),
    "backslashes": ("", "{p},{c}", {"windows": True}, "utf-8", ""),
    "the other way round": ("", "{c},{p}", {}, "utf-8", "pictures in column 2, classes in column 1"),
    "numbered": ("", "17,{p},{c}", {}, "utf-8", "pictures in column 2, classes in column 3"),
    "quoted": ("", '"{p}","{c}"', {}, "utf-8", ""),
    "sep": ("sep=;\r\n", "{p};{c}", {"end": "\r\n"}, "utf-8", "separator semicolon"),
    "capital": ("", "{p},{c}", {"good": "Normal"}, "utf-8", ""),
    "cp1252": ("Bild;Größe;Klasse\n", "{p};groß;{c}", {}, "cp1252", "encoding cp1252, headings in line 1"),
    "blank lines": ("\n,\n", "{p},{c}\n,,", {}, "utf-8", ""),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_dialect_gives_the_same(tmp_path: Path, case: tuple[str, str, dict[str, object], str, str]) -> None:
    heading, form, how, encoding, told = case
    names = write_pictures(tmp_path, normal=4, anomaly=3)
    path = tmp_path / "parts.csv"
    path.write_bytes((heading + _rows(names, form, **how)).encode(encoding))  # type: ignore[arg-type]
    dataset = read_dataset(path)
    assert _labels(dataset) == {name: name.split("/")[0] for name in names}
    said = [sentence(reason) for reason in dataset.reasons if reason.code == "table-read"]
    assert told in "".join(said)
    assert bool(said) == bool(told)
    done = convert_csv(path)
    assert (done.normal, done.anomalous) == (4, 3)
    assert done.manifest is not None
    assert _labels(read_dataset(done.manifest)) == _labels(dataset)


@pytest.mark.parametrize(("good", "encoding"), [("OK", "utf-8"), ("正常", "utf-8"), ("正常", "gb18030")])
def test_other_classes_are_named_and_mapped(tmp_path: Path, good: str, encoding: str) -> None:
    names = write_pictures(tmp_path, normal=4, anomaly=3)
    path = tmp_path / "parts.csv"
    path.write_bytes(_rows(names, "{p},{c}", good=good).encode(encoding))
    bad = "NG" if good == "OK" else "不良"
    assert convert_csv(path).proposal == f"--normal {good} --anomaly {bad}"
    assert read_dataset(path).labelled == ()
    assert len(read_dataset(path, Reading(normal=(good,), anomaly=(bad,))).of("anomaly")) == 3
    done = convert_csv(path, names=names_of([good], [bad]), prefix="s3://bucket")
    assert done.manifest is not None
    lines = [json.loads(line) for line in done.manifest.read_text().splitlines()]
    assert lines[4]["anomaly-label-metadata"]["class-name"] == "anomaly"
    assert lines[4]["source-ref"] == "s3://bucket/anomaly/a0.png"


def test_columns_that_are_not_used_and_pictures_that_are_not_there_are_named(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, normal=1, anomaly=1)
    path = tmp_path / "visa.csv"
    lines = ["object,split,label,image,mask", *(f"x,test,normal,{name},m.png" for name in [*names, "gone.png"])]
    path.write_text("\n".join(lines))
    text = "\n".join(map(sentence, convert_csv(path).notes))
    assert "the columns object, split, mask are not used" in text
    assert "1 picture is not there: line 4 (gone.png)" in text


def _labels(dataset: Dataset) -> dict[str, str | None]:
    return {"/".join(example.path.parts[-2:]): example.label for example in dataset.examples}
