"""Text files as people have them: compressed, with a byte order mark, in UTF-16, in what Windows wrote."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.names import is_known_word
from edge_agent.errors import DatasetError

#: the guide's quota of a manifest's size
MAX_BYTES = 1 << 30
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_LOOKED_AT = 4096  # bytes, for the zeros that UTF-16 has
#: of tables: what Windows writes in western Europe, and in China
_LEGACY = ("cp1252", "gb18030")


class Text(NamedTuple):
    """A file's text, and in which encoding it was found."""

    text: str
    encoding: str


def read_text(path: Path, *, what: str, legacy: bool = False) -> Text:
    """Read a text file; `what` says in words what it should be, `legacy` allows encodings of old Windows programs.

    Raises:
        DatasetError: it is no text; the sentence says what was found.
    """
    data = _bytes(path)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "") or _by_zeros(data)
    if encoding:
        try:
            return Text(data.decode(encoding), encoding)
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{path} begins as {encoding.upper()} text, but byte {error.start} is none; {what} was expected"
            ) from None
    try:
        return Text(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        if legacy and b"\0" not in data:
            return _legacy(path, data, what)
        raise DatasetError(
            f"{path} is neither UTF-8 nor UTF-16 text (byte {error.start} is {data[error.start]:#04x}), expected {what}"
        ) from None


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith(_ZIP):
            raise DatasetError(f"{path} is a zip archive or a workbook; unpack it, or save the table as CSV")
        file.seek(0)
        try:
            if head.startswith(_GZIP):
                with gzip.open(file) as unpacked:
                    data = unpacked.read(MAX_BYTES + 1)
            else:
                data = file.read(MAX_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DatasetError(f"{path} is a damaged gzip file: {error}") from None
    if len(data) > MAX_BYTES:
        raise DatasetError(f"{path} holds more than {MAX_BYTES >> 20} MiB, which is the most")
    return data


def _by_zeros(data: bytes) -> str:
    """UTF-16 without a mark: every second byte of western text is zero."""
    head = data[:_LOOKED_AT]
    if len(head) >= 4:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if odd > len(head) // 4 and not even:
            return "utf-16-le"
        if even > len(head) // 4 and not odd:
            return "utf-16-be"
    return ""


def _legacy(path: Path, data: bytes, what: str) -> Text:
    decoded: dict[str, str] = {}
    for encoding in _LEGACY:
        try:
            decoded[encoding] = data.decode(encoding)
        except UnicodeDecodeError:
            continue
    if not decoded:
        raise DatasetError(f"{path} is in no encoding that is known, expected {what} in UTF-8")
    # Chinese text is valid in both; only in the right one are its classes words.
    chinese = decoded.get("gb18030", "")
    cells = chinese.replace(";", ",").replace("\t", ",").replace("\n", ",").split(",")
    encoding = "gb18030" if any(is_known_word(cell) and not cell.isascii() for cell in cells) else next(iter(decoded))
    return Text(decoded[encoding], encoding)
