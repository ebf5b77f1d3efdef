"""A manifest from the two-column CSV that the guide describes: a picture's name or s3:// address, normal or anomaly."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.manifests.writing import classification, timestamp
from edge_agent.errors import DatasetError

_JOB = "labeling-job/anomaly-classification"


class Converted(NamedTuple):
    """What became of a CSV file; either `manifest` is written, or `errors` and `deduplicated` are."""

    manifest: Path | None
    normal: int
    anomalous: int
    errors: Path | None = None
    deduplicated: Path | None = None
    error_count: int = 0


class _Row(NamedTuple):
    number: int  # line of the file
    picture: str
    label: str


def convert_csv(path: Path, *, prefix: str = "", manifest: Path | None = None) -> Converted:
    """Write <name>.manifest, or <name>_errors.csv and <name>_deduplicated.csv when something is wrong.

    Args:
        path: the CSV file, without a heading.
        prefix: put before each picture's name, such as s3://bucket/folder/.
        manifest: where to write it instead.

    Raises:
        DatasetError: the file is not such a CSV.
    """
    rows = _read(path)
    target = manifest or path.with_suffix(".manifest")
    if target.resolve() == path.resolve():
        raise DatasetError(f"the manifest {target} would replace the CSV file that it is made of")
    if prefix and rows[0].picture.startswith("s3://"):
        raise DatasetError(f"the pictures in {path} have s3:// addresses already, expected no prefix {prefix}")
    errors_path, deduplicated_path = (path.with_name(f"{path.stem}_{kind}.csv") for kind in ("errors", "deduplicated"))
    errors: list[tuple[object, ...]] = []
    first: dict[str, _Row] = {}
    for row in rows:
        if row.label.lower() not in (NORMAL, ANOMALY):
            errors.append((row.number, row.picture, row.label, "INVALID_CLASSIFICATION"))
        if row.picture in first:
            errors.append((row.number, row.picture, row.label, "DUPLICATE"))
        first.setdefault(row.picture, row)
    anomalous = sum(row.label.lower() == ANOMALY for row in first.values())
    if errors:
        _write(errors_path, errors)
        _write(deduplicated_path, [(row.picture, row.label) for row in first.values()])
        return Converted(None, len(first) - anomalous, anomalous, errors_path, deduplicated_path, len(errors))
    for stale in (errors_path, deduplicated_path):
        stale.unlink(missing_ok=True)
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    now = timestamp()
    lines = [classification(prefix + row.picture, row.label.lower(), _JOB, now) for row in rows]
    target.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return Converted(target, len(rows) - anomalous, anomalous)


def _read(path: Path) -> list[_Row]:
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != 2:
                    raise DatasetError(
                        f"{path}, line {reader.line_num} has {len(cells)} columns, expected 2: picture and class"
                    )
                if not cells[0].strip():
                    raise DatasetError(f"{path}, line {reader.line_num} names no picture")
                rows.append(_Row(reader.line_num, cells[0].strip(), cells[1].strip()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a CSV file in UTF-8: {error}") from None
    if not rows:
        raise DatasetError(f"{path} is empty, expected lines such as: picture_1.jpg,normal")
    addressed = [row.picture.startswith("s3://") for row in rows]
    if any(addressed) and not all(addressed):
        mixed = rows[addressed.index(not addressed[0])]
        raise DatasetError(f"{path}, line {mixed.number}: pictures with and without an s3:// address can't be mixed")
    return rows


def _write(path: Path, rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
