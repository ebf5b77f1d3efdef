"""Target: any bytes as an archive. Plain files come out inside the folder, or one ImportFailed says why not."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edge_agent.building.importing import archives
from edge_agent.errors import ImportFailed
from tests.support.sentences import check_sentence

_MOST = 1 << 16
_REPAIRED, _ZIPPED = b"\0", b"\1"  # first bytes; anything else is an archive as it stands
_BLOCK = 512


def seeds() -> Iterator[bytes]:
    """Archives of each kind, with what makes each format difficult."""
    plain = _tar(tarfile.GNU_FORMAT)
    yield _REPAIRED + plain
    yield _ZIPPED + _tar(tarfile.PAX_FORMAT)
    yield _REPAIRED + _tar(tarfile.USTAR_FORMAT)
    yield gzip.compress(plain)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("a/manifest.json", b"{}")
            archive.writestr("b", bytes(100))
        yield file.getvalue()


def _tar(form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, size in (("a/manifest.json", 2), ("b" * 60 + "/" + "c" * 60, 700), ("é", 0)):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "c" * 99
        archive.addfile(link)
    return file.getvalue()


def _repair(data: bytes) -> bytes:
    """Put right the checksum of everything that may be a header of a tar archive."""
    blocks = [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)]
    for number, block in enumerate(blocks):
        if len(block) == _BLOCK and block[257:262] == b"ustar":
            total = sum(block[:148]) + 8 * 32 + sum(block[156:])
            blocks[number] = block[:148] + b"%06o\0 " % total + block[156:]
    return b"".join(blocks)


def consume(data: bytes) -> None:
    """Unpack one archive, of which little may be taken."""
    if data[:1] in (_REPAIRED, _ZIPPED):
        repaired = _repair(data[1:])
        data = repaired if data[:1] == _REPAIRED else gzip.compress(repaired, 1)
    limits = archives.MAX_BYTES, archives.MAX_MEMBERS
    archives.MAX_BYTES, archives.MAX_MEMBERS = _MOST, 20
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
            _unpack(Path(name), data)
    finally:
        archives.MAX_BYTES, archives.MAX_MEMBERS = limits


def _unpack(around: Path, data: bytes) -> None:
    archive, folder = around / "archive", around / "folder"
    archive.write_bytes(data)
    folder.mkdir()
    try:
        archives.is_archive(archive)
        archives.unpack(archive, folder)
    except ImportFailed as error:
        check_sentence(error)
    assert sorted(path.name for path in around.iterdir()) == ["archive", "folder"]
    found = list(folder.rglob("*"))
    assert all(not path.is_symlink() and (path.is_dir() or path.is_file()) for path in found)
    assert all(path.stat().st_nlink == 1 for path in found if path.is_file())
    assert sum(path.stat().st_size for path in found if path.is_file()) <= _MOST
