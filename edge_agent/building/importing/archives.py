"""Unpacking archives that came from elsewhere, every member checked.

Python's own filter for tar archives (PEP 706) is missing from early patch releases of 3.10 and 3.11 and does not bound
the size, so only plain files are written here, by name and one after the other.
"""

from __future__ import annotations

import gzip
import itertools
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ImportFailed

#: an archive's limits: a model has at most 2 GiB, and a few files stand beside it
MAX_BYTES, MAX_MEMBERS = 4 << 30, 10_000

_GZIP = b"\x1f\x8b"
_ENCRYPTED = 1  # a bit of a zip's flags
_BLOCK = 1 << 20
_MOST_PADDING = 64  # blocks
#: between two members of a tar archive: names and times; tarfile holds all of it in memory
_MOST_HEADERS = 1 << 20
#: what the libraries raise for archives that are cut off, damaged or compressed in an unknown way
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    RuntimeError, ValueError, LookupError, ArithmeticError, MemoryError,
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Tell by its first bytes whether a file is a zip, tar or tar.gz archive."""
    with path.open("rb") as file:
        start = file.read(512)
    try:
        return start[:2] == _GZIP or start[257:262] == b"ustar" or zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # one, but of several parts
        return True


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip, .tar or .tar.gz archive into an empty folder.

    Raises:
        ImportFailed: it is damaged or too large, or a member is not a plain file inside the folder; it is named.
    """
    left = MAX_BYTES
    try:
        for number, (name, source) in enumerate(_members(archive)):
            if number >= MAX_MEMBERS:
                raise ImportFailed(f"{archive} holds more than {MAX_MEMBERS} files, expected those of one model")
            target = folder / _checked(archive, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("xb") as file:
                # Counted as it is written: what an archive says of its members' sizes may be a lie.
                while block := source.read(_BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise ImportFailed(
                            f"{archive} holds more than {MAX_BYTES / (1 << 30):g} GiB, expected one model"
                        )
                    file.write(block)
    except (FileExistsError, NotADirectoryError):
        raise ImportFailed(f"{archive} holds '{name}' twice, expected every file once") from None
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.strerror:  # the disk's; bz2 raises one without
            raise ImportFailed(f"{archive} can't be unpacked to {folder}: {describe_refusal(error)}") from None
        raise ImportFailed(f"{archive} is damaged or cut off: {str(error) or type(error).__name__}") from None


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if info.filename.endswith("/"):  # as is_dir(), which fails on an empty name
                    continue
                if kind not in (0, stat.S_IFREG):  # 0: written on a system without file modes
                    raise ImportFailed(f"{archive} holds '{info.filename}', which is a link or a device, not a file")
                if info.flag_bits & _ENCRYPTED:
                    raise ImportFailed(f"{archive} is encrypted, expected an archive without a password")
                yield info.filename, zipped.open(info)
        return
    with _plain(archive) as plain, _tar(stream := _Bounded(archive, plain)) as tarred:
        for member in tarred:
            if member.isdir():
                continue
            source = tarred.extractfile(member) if member.isreg() else None
            if source is None:
                raise ImportFailed(f"{archive} holds '{member.name}', which is a link or a device, not a file")
            stream.left = MAX_BYTES + _BLOCK  # unpack counts more exactly
            yield member.name, source
            stream.left = _MOST_HEADERS
        stream.left = _MOST_PADDING * _BLOCK
        # What stands behind the last member ends with gzip's checksum.
        for _ in itertools.takewhile(bool, (stream.read(_BLOCK) for _ in range(_MOST_PADDING))):
            pass


class _Bounded:
    """A stream that gives `left` bytes and then refuses."""

    def __init__(self, archive: Path, stream: IO[bytes]) -> None:
        self._archive, self._stream = archive, stream
        self.left = _MOST_HEADERS

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise ImportFailed(
                f"{self._archive} has headers of more than {_MOST_HEADERS >> 20} MiB, expected names and times"
            )
        return block


def _tar(stream: _Bounded) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|")


def _plain(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        is_zipped = file.read(2) == _GZIP
    return cast(IO[bytes], gzip.open(archive)) if is_zipped else archive.open("rb")


def _checked(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\0" in name:
        raise ImportFailed(f"{archive} holds {name!r}, which leaves the archive's folder")
    return path
