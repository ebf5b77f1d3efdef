"""Archives made of any members: they come out as they went in, or one sentence says why nothing does."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.building.importing.archives import is_archive, unpack
from edge_agent.errors import ImportFailed
from tests.fuzz.archive import consume
from tests.support.properties import examples
from tests.support.sentences import check_sentence


class _Member(NamedTuple):
    name: str
    kind: bytes
    content: bytes


_parts = st.sampled_from(["a", "b", "..", ".", "", "manifest.json", "é", "a b", "x" * 300, "\\", "\n", "-"])
_names = st.lists(_parts, min_size=1, max_size=3).map("/".join)
_kinds = st.sampled_from([tarfile.REGTYPE] * 12 + [
    tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
])  # fmt: skip
_members = st.lists(st.builds(_Member, _names, _kinds, st.binary(max_size=600)), min_size=1, max_size=4)
_PLAIN = (tarfile.REGTYPE, tarfile.DIRTYPE)


def _write_tar(path: Path, members: list[_Member], mode: str) -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname = member.kind, "/etc/passwd"
            info.size = len(member.content) if member.kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(member.content))


def _write_zip(path: Path, members: list[_Member]) -> None:
    modes = {tarfile.REGTYPE: stat.S_IFREG, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.DIRTYPE: stat.S_IFDIR}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name + "/" * (member.kind == tarfile.DIRTYPE))
            info.external_attr = (modes.get(member.kind, stat.S_IFIFO) | 0o644) << 16
            archive.writestr(info, b"" if member.kind == tarfile.DIRTYPE else member.content)


def _expected(members: list[_Member], form: str) -> dict[PurePosixPath, bytes] | None:
    """What should come out; None: nothing, for a member that is no plain file, leaves the folder, or is there twice."""
    files: dict[PurePosixPath, bytes] = {}
    for name, kind, content in members:
        if kind not in _PLAIN:
            return None
        path = PurePosixPath(name)
        if kind == tarfile.DIRTYPE or (name.endswith("/") and form == "zip"):
            continue
        if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name:
            return None
        if any(len(part) > 255 for part in path.parts):
            return None
        if path in files or any(parent in files for parent in path.parents) or any(path in f.parents for f in files):
            return None
        files[path] = content
    return files


@pytest.mark.filterwarnings("ignore:Duplicate name")
@examples(80)
@given(_members, st.sampled_from(["w", "w:gz", "zip"]))
def test_any_members(tmp_path_factory: Any, members: list[_Member], form: str) -> None:
    around: Path = tmp_path_factory.mktemp("around")
    archive, folder = around / "archive", around / "folder"
    folder.mkdir()
    if form == "zip":
        _write_zip(archive, members)
    else:
        _write_tar(archive, members, form)
    assert is_archive(archive)
    try:
        unpack(archive, folder)
    except ImportFailed as error:
        check_sentence(error)
        assert _expected(members, form) is None, error
    else:
        found = {
            PurePosixPath(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        assert found == _expected(members, form)
    assert sorted(path.name for path in around.iterdir()) == ["archive", "folder"]


@examples(150)
@given(st.binary(max_size=700))
def test_any_bytes(data: bytes) -> None:
    consume(data)
    consume(b"\x1f\x8b\x08" + data)
    consume(b"PK\x03\x04" + data + b"PK\x05\x06" + data[:18].ljust(18, b"\0"))
