"""Which column of a table has the pictures and which the classes: by their headings, or by what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.names import Names, is_known_word, key
from edge_agent.building.datasets.tables.dialect import SEPARATORS, Row, is_picture, read_cells
from edge_agent.errors import DatasetError

#: what from-csv writes into the last column of a file of errors
ERRORS = ("INVALID_CLASSIFICATION", "DUPLICATE", "NO_CLASS", "NO_PICTURE")
_PICTURE_HEADINGS = frozenset(
    (
        "image", "images", "img", "picture", "photo", "file", "filename", "file_name", "file name", "path", "filepath",
        "image_path", "image path", "imagepath", "image_name", "source-ref", "source_ref", "bild", "bilder", "datei",
        "dateiname", "pfad", "图片", "圖片", "图像", "影像", "文件", "文件名", "檔名",
    )
)  # fmt: skip
_CLASS_HEADINGS = frozenset(
    (
        "label", "labels", "class", "classes", "class_name", "class-name", "classname", "category", "result", "verdict",
        "status", "state", "quality", "klasse", "kategorie", "ergebnis", "urteil", "befund", "标签", "標籤", "类别",
        "類別", "结果", "結果", "分类",
    )
)  # fmt: skip


class Table(NamedTuple):
    """A table of pictures and classes."""

    path: Path
    rows: tuple[Row, ...]
    heading: Row | None
    picture: int
    label: int
    separator: str
    encoding: str

    def cell(self, row: Row, column: int) -> str:
        """Give a cell of a row; empty when the row is shorter."""
        return row.cells[column] if column < len(row.cells) else ""

    @property
    def label_name(self) -> str:
        """The heading of the column of classes."""
        return self._name(self.label)

    @property
    def described(self) -> str:
        """How it was read, in words; empty when it is as the guide has it."""
        said = []
        if self.separator != ",":
            said.append(f"separator {SEPARATORS.get(self.separator, repr(self.separator))}")
        if self.encoding not in ("utf-8", "utf-8-sig"):
            said.append(f"encoding {self.encoding}")
        if self.heading:
            said.append(f"headings in line {self.heading.number}")
        if (self.picture, self.label) != (0, 1):
            said.append(f"pictures in column {self.picture + 1}, classes in column {self.label + 1}")
        return ", ".join(said)

    @property
    def unused(self) -> list[str]:
        """The columns that say something and are not used."""
        width = max((len(row.cells) for row in self.rows), default=0)
        return [
            self._name(column)
            for column in range(width)
            if column not in (self.picture, self.label) and any(self.cell(row, column) for row in self.rows)
        ]

    def _name(self, column: int) -> str:
        named = self.cell(self.heading, column) if self.heading else ""
        return named or f"column {column + 1}"


def read_table(path: Path, names: Names) -> Table:
    """Read a table.

    Raises:
        DatasetError: it is none, or it can't be told which column is which.
    """
    cells = read_cells(path)
    if not cells.rows:
        raise DatasetError(f"{path} is empty, expected lines such as: picture_1.jpg,normal")
    heading = cells.rows[0] if _is_heading(cells.rows) else None
    rows = cells.rows[1:] if heading else cells.rows
    picture = _picture_column(rows, heading)
    label = _class_column(rows, heading, picture, names) if picture is not None else None
    if picture is None or label is None:
        separator = SEPARATORS.get(cells.separator, repr(cells.separator))
        missing = "has the pictures" if picture is None else "has the classes"
        raise DatasetError(
            f"{path}: which column {missing} can't be told (separator {separator}, encoding {cells.encoding}, line "
            f"{cells.rows[0].number} has {len(cells.rows[0].cells)} columns); a first line with the headings image and "
            "label says it"
        )
    return Table(path, rows, heading, picture, label, cells.separator, cells.encoding)


def _is_heading(rows: Sequence[Row]) -> bool:
    first = rows[0].cells
    if any(map(is_picture, first)):
        return False
    known = _PICTURE_HEADINGS | _CLASS_HEADINGS
    return any(key(cell) in known for cell in first)


def _picture_column(rows: Sequence[Row], heading: Row | None) -> int | None:
    by_name = _headed(heading, _PICTURE_HEADINGS)
    if by_name is not None:
        return by_name
    counted = _best(rows, is_picture)
    if counted is not None:
        return counted
    return 0 if len(rows[0].cells if rows else ()) == 2 else None  # names without a suffix


def _class_column(rows: Sequence[Row], heading: Row | None, picture: int, names: Names) -> int | None:
    by_name = _headed(heading, _CLASS_HEADINGS)
    if by_name is not None and by_name != picture:
        return by_name

    def is_class(cell: str) -> bool:
        return names.label(cell) is not None or is_known_word(cell)

    known = _best(rows, is_class, but=(picture,))
    if known is not None:
        return known
    width = max((len(row.cells) for row in rows), default=0)
    others = [
        column
        for column in range(width)
        if column != picture and not all(cell in ERRORS for cell in _cells(rows, column))
    ]
    if len(others) > 1:  # numbers count lines or pictures, and what looks like a picture is a mask
        others = [
            column
            for column in others
            if not all(cell.isdecimal() or is_picture(cell) for cell in _cells(rows, column))
        ]
    if not others and width < 2:
        return 1 - picture if picture < 2 else None  # a class is missing in every line
    return others[0] if len(others) == 1 else None


def _headed(heading: Row | None, known: frozenset[str]) -> int | None:
    cells = heading.cells if heading else ()
    return next((column for column, cell in enumerate(cells) if key(cell) in known), None)


def _best(rows: Sequence[Row], wanted: Callable[[str], bool], but: tuple[int, ...] = ()) -> int | None:
    """Give the column in which most cells are as wanted."""
    width = max((len(row.cells) for row in rows), default=0)
    counts = [
        (sum(map(wanted, _cells(rows, column))), -column) for column in range(width) if column not in but
    ]  # fmt: skip
    count, column = max(counts, default=(0, 0))
    return -column if count else None


def _cells(rows: Sequence[Row], column: int) -> list[str]:
    return [row.cells[column] for row in rows if column < len(row.cells) and row.cells[column]]
