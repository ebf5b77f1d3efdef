"""Rows and cells of a CSV file: the separator and encoding are found, not asked for."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.layouts.files import PICTURES
from edge_agent.building.datasets.text import read_text
from edge_agent.errors import DatasetError

#: in words, for a sentence
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LOOKED_AT = 50  # rows
_SEP = "sep="  # what Excel writes into a first line


class Row(NamedTuple):
    """The cells of a line, without blanks around them and empty ones at the end."""

    number: int
    cells: tuple[str, ...]


class Cells(NamedTuple):
    """What is in a file, and how it was read."""

    rows: tuple[Row, ...]
    separator: str
    encoding: str


def read_cells(path: Path) -> Cells:
    """Read the rows of a table that are not blank.

    Raises:
        DatasetError: it is no such table; the sentence says what was found.
    """
    found = read_text(path, what="a table in CSV", legacy=True)
    text, first = found.text, 1
    separator = ""
    if text[: len(_SEP)].lower() == _SEP:
        line, _, text = text.partition("\n")
        separator, first = line[len(_SEP) :].strip("\r ") or "\t", 2
    try:
        separator = separator or _separator(text)
        rows = tuple(_rows(text, separator, first))
    except (csv.Error, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a CSV file: {error}") from None
    return Cells(rows, separator, found.encoding)


def is_picture(cell: str) -> bool:
    """Tell whether a cell is the name of a picture, by its suffix."""
    return Path(cell.replace("\\", "/")).suffix.lower() in PICTURES


def _separator(text: str) -> str:
    """Give the separator with which most lines have a picture and something else."""

    def score(separator: str) -> int:
        try:
            rows = list(itertools.islice(_rows(text, separator, 1), _LOOKED_AT))
        except csv.Error:
            return 0
        return sum(2 * any(map(is_picture, row.cells)) + 1 for row in rows if len(row.cells) > 1)

    return max(SEPARATORS, key=score)


def _rows(text: str, separator: str, first: int) -> list[Row]:
    # newline="": a carriage return alone, as old spreadsheets write it, ends a line too.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows = []
    before = 0
    for cells in reader:
        number, before = before + first, reader.line_num
        stripped = [cell.strip() for cell in cells]
        while stripped and not stripped[-1]:
            stripped.pop()
        if stripped:
            rows.append(Row(number, tuple(stripped)))
    return rows
