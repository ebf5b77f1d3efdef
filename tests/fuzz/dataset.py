"""Target: any bytes as a Ground Truth manifest or a CSV of labels. They are read, or one DatasetError says why not."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.building.datasets.reading import read_dataset
from edge_agent.building.datasets.sentences import reason_fields, sentence
from edge_agent.building.datasets.tables.conversion import convert_csv
from edge_agent.errors import DatasetError
from tests.fuzz.edits import edited
from tests.support.sentences import check_sentence

_PICTURES = ("bad.png", "good.png", "mask.png")
CSV, LINES = b"\0", b"\1"  # first bytes; anything else is a manifest as it stands
#: a line of a manifest, to begin with
LINE: dict[str, Any] = {
    "source-ref": "s3://bucket/bad.png", "anomaly-label": 1,
    "anomaly-label-metadata": {"confidence": 1, "job-name": "j", "class-name": "anomaly", "human-annotated": "yes",
                               "creation-date": "2020-01-01T00:00:00", "type": "groundtruth/image-classification"},
    "anomaly-mask-ref": "mask.png",
    "anomaly-mask-ref-metadata": {"internal-color-map": {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
        "1": {"class-name": "crack", "hex-color": "#2ca02c", "confidence": 0.0}},
        "type": "groundtruth/semantic-segmentation", "human-annotated": "yes", "job-name": "j"},
}  # fmt: skip


def seeds() -> Iterator[bytes]:
    """A manifest, changes to its line, and CSV files."""
    yield json.dumps(LINE).encode() + b"\n" + json.dumps({"source-ref": "good.png"}).encode()
    yield LINES + bytes([0, 5, 5])
    yield CSV + b"good.png,normal\nbad.png,anomaly\n"
    yield CSV + b'"s3://a/good.png",normal\r\n\r\n"s3://a/b""c.png", Anomaly\r\n'


def consume(data: bytes) -> None:
    """Read one file in a folder with a few pictures."""
    folder = _folder()
    try:
        if data[:1] == CSV:
            _convert(folder / "labels.csv", data[1:])
        else:
            _read(folder / "pictures.manifest", data)
    except DatasetError as error:
        check_sentence(error)
    assert {path.name for path in folder.iterdir()} >= set(_PICTURES)


@functools.cache
def _folder() -> Path:
    """Make a folder with pictures, for all that is read in this process."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder)
    for picture in _PICTURES:
        (folder / picture).touch()
    return folder


def _read(path: Path, data: bytes) -> None:
    if data[:1] == LINES:
        data = json.dumps(edited(LINE, data[1:]), ensure_ascii=False).encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    dataset = read_dataset(path)
    for reason in dataset.reasons:
        check_sentence(DatasetError(sentence(reason)))
        json.dumps(reason_fields(reason))
    for example in dataset.examples:
        colors = example.mask.colors.values() if example.mask else ()
        assert all(0 <= value <= 255 for color in colors for value in color)
        assert example.path.is_file()
    for local in (False, True):
        written = path.with_name("again.manifest")
        assert write_manifest(dataset, written, local=local) == len(dataset.labelled)
        if not dataset.labelled:
            continue
        again = read_dataset(written)
        assert [(a.path.resolve(), a.label) for a in again.examples] == [
            (example.path.resolve(), example.label) for example in dataset.labelled
        ]


def _convert(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    converted = convert_csv(path)
    if converted.manifest is None:
        assert converted.errors is not None
        assert converted.errors.is_file()
        return
    lines = [json.loads(line) for line in converted.manifest.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == converted.normal + converted.anomalous
