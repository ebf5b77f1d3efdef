"""A manifest from a table, as the guide describes it: a picture's name or s3:// address, normal or anomaly."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.manifests.attributes import CLASSIFICATION
from edge_agent.building.datasets.manifests.lines import Line
from edge_agent.building.datasets.manifests.writing import classification, timestamp
from edge_agent.building.datasets.names import Names, propose
from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.building.datasets.references.address import is_address
from edge_agent.building.datasets.tables.columns import Table, read_table
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
    #: how the table was read, and what is not used of it
    notes: tuple[Reason, ...] = ()
    #: what classes that are not understood may mean, as options
    proposal: str = ""


class _Row(NamedTuple):
    number: int  # line of the file
    picture: str
    label: str
    cells: tuple[str, ...]


def convert_csv(path: Path, *, prefix: str = "", manifest: Path | None = None, names: Names | None = None) -> Converted:
    """Write <name>.manifest, or <name>_errors.csv and <name>_deduplicated.csv when something is wrong.

    A manifest of an earlier run is set aside as <name>.manifest.old when this one makes none.

    Args:
        path: the CSV file.
        prefix: put before each picture's name, such as s3://bucket/folder/.
        manifest: where to write it instead.
        names: what its classes mean.

    Raises:
        DatasetError: the file is not such a CSV.
    """
    target = manifest or path.with_suffix(".manifest")
    if target.resolve() == path.resolve():
        raise DatasetError(f"the manifest {target} would replace the CSV file that it is made of")
    try:
        done = _convert(path, target, prefix, names or Names())
    except DatasetError:
        _set_aside(target)
        raise
    if done.manifest is None and _set_aside(target):
        aside = Reason("set-aside", places=(Place(path=target),), facts={"path": target, "name": f"{target.name}.old"})
        done = done._replace(notes=(*done.notes, aside))
    return done


def _convert(path: Path, target: Path, prefix: str, names: Names) -> Converted:
    table = read_table(path, names)
    rows = [
        _Row(row.number, picture_of(table.cell(row, table.picture)), table.cell(row, table.label), row.cells)
        for row in table.rows
    ]
    _check_addresses(path, rows, prefix)
    errors_path, deduplicated_path = (path.with_name(f"{path.stem}_{kind}.csv") for kind in ("errors", "deduplicated"))
    errors: list[tuple[object, ...]] = []
    first: dict[str, _Row] = {}
    for row in rows:
        errors += [(row.number, row.picture, row.label, error) for error in _errors(row, names, first)]
        first.setdefault(row.picture, row)
    notes = tuple(about(table))
    labels = [names.label(row.label) for row in first.values()]
    anomalous = labels.count(ANOMALY)
    if errors:
        _write(errors_path, errors)
        heading = [table.heading.cells] if table.heading else []
        _write(deduplicated_path, [*heading, *(row.cells for row in first.values())], table.separator)
        proposal = propose(
            [row.label for row in rows if row.label and names.label(row.label) is None],
            normal=NORMAL in labels,
            anomaly=anomalous > 0,
        )
        return Converted(
            None, len(first) - anomalous, anomalous, errors_path, deduplicated_path, len(errors), notes,
            proposal.options if proposal else "",
        )  # fmt: skip
    for stale in (errors_path, deduplicated_path):
        stale.unlink(missing_ok=True)
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    now = timestamp()
    lines = [
        classification(_address(prefix, row.picture), str(names.label(row.label)), _JOB, now) for row in rows
    ]  # fmt: skip
    target.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    missing = [] if prefix else _missing(path.parent, rows)
    return Converted(target, len(rows) - anomalous, anomalous, notes=(*notes, *missing))


def table_lines(table: Table) -> list[Line]:
    """Give the rows of a table as lines of a manifest."""
    kind = {"type": CLASSIFICATION}
    return [
        Line(
            row.number,
            {
                "source-ref": picture_of(table.cell(row, table.picture)),
                table.label_name: table.cell(row, table.label),
                f"{table.label_name}-metadata": {"class-name": table.cell(row, table.label), **kind},
            },
        )
        for row in table.rows
    ]


def picture_of(cell: str) -> str:
    """Give a picture's name as a manifest has it: Windows paths get the separators of all others."""
    return cell if is_address(cell) or "/" in cell else cell.replace("\\", "/")


def _address(prefix: str, picture: str) -> str:
    return prefix + re.sub(r"^[A-Za-z]:/+", "", picture).lstrip("/") if prefix else picture


def _errors(row: _Row, names: Names, first: dict[str, _Row]) -> list[str]:
    errors = []
    if not row.picture:
        return ["NO_PICTURE"]
    if not row.label:
        errors.append("NO_CLASS")
    elif names.label(row.label) is None:
        errors.append("INVALID_CLASSIFICATION")
    if row.picture in first:
        errors.append("DUPLICATE")
    return errors


def _check_addresses(path: Path, rows: Sequence[_Row], prefix: str) -> None:
    addressed = [is_address(row.picture) for row in rows if row.picture]
    if any(addressed) and not all(addressed):
        named = [row for row in rows if row.picture]
        mixed = named[addressed.index(not addressed[0])]
        raise DatasetError(f"{path}, line {mixed.number}: pictures with and without an s3:// address can't be mixed")
    if prefix and any(addressed):
        raise DatasetError(f"the pictures in {path} have s3:// addresses already, expected no prefix {prefix}")


def about(table: Table) -> list[Reason]:
    """Say how a table was read, and what of it is not used."""
    place = (Place(path=table.path),)
    said = [Reason("table-read", value=table.described, places=place)] if table.described else []
    unused = table.unused
    return said + ([Reason("columns-unused", value=", ".join(unused), places=place)] if unused else [])


def _missing(folder: Path, rows: Sequence[_Row]) -> list[Reason]:
    """Name pictures that are not there, when others are."""
    if rows and is_address(rows[0].picture):
        return []
    try:
        gone = [row for row in rows if not (folder / row.picture).is_file()]
    except OSError:  # a name that is too long
        return []
    if not gone or len(gone) == len(rows):
        return []
    places = tuple(Place(line=row.number, path=Path(row.picture)) for row in gone)
    return [Reason("pictures-not-there", places=places, times=len(gone))]


def _set_aside(target: Path) -> bool:
    if not target.is_file():
        return False
    target.replace(target.with_name(f"{target.name}.old"))
    return True


def _write(path: Path, rows: Sequence[tuple[object, ...]], separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
