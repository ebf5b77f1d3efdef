"""What is recognised, and archives that are not what they should be."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from edge_agent.building.importing import archives
from edge_agent.building.importing.archives import unpack
from edge_agent.building.importing.draft import Wanted
from edge_agent.errors import ImportFailed
from tests.building.importing.formats import imported, network, write_dda
from tests.support.fakes import write_echo


def tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../evil"), "leaves the archive's folder"),
        (member("a/../../evil"), "leaves the archive's folder"),
        (member("/evil"), "leaves the archive's folder"),
        (member("a\\..\\evil"), "leaves the archive's folder"),
        (member("link", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member("link", tarfile.LNKTYPE, "manifest.json"), "a link or a device"),
        (member("pipe", tarfile.FIFOTYPE), "a link or a device"),
        (member("disk", tarfile.BLKTYPE), "a link or a device"),
        (member("manifest.json"), "'manifest.json' twice"),
        (member("manifest.json/inside"), "twice"),
    ],
)
def test_members_that_are_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    archive = tar(tmp_path / "model.tar.gz", member("manifest.json"), info)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ImportFailed, match=message):
        imported(archive, tmp_path / "models")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_the_same_in_a_zip(tmp_path: Path) -> None:
    for name, mode, message in (
        ("../evil", 0, "leaves"), ("/evil", 0, "leaves"), ("link", stat.S_IFLNK | 0o777, "a link or a device"),
    ):  # fmt: skip
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        with zipfile.ZipFile(tmp_path / "part.zip", "w") as archive:
            archive.writestr(info, "/etc/passwd")
        with pytest.raises(ImportFailed, match=message):
            imported(tmp_path / "part.zip", tmp_path / "models")
    assert not (tmp_path.parent / "evil").exists()


def test_an_archive_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted as it is unpacked: 10 MB of zeros are 10 kB in the archive."""
    monkeypatch.setattr(archives, "MAX_BYTES", 1_000_000)
    bomb = tar(tmp_path / "model.tar.gz", member("zeros", size=10_000_000))
    assert bomb.stat().st_size < 20_000
    (tmp_path / "out").mkdir()
    with pytest.raises(ImportFailed, match="GiB, expected one model"):
        unpack(bomb, tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 2_000_000
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(ImportFailed, match="more than 3 files"):
        imported(tar(tmp_path / "many.tar.gz", *(member(str(number)) for number in range(4))), tmp_path / "models")


@pytest.mark.parametrize("attribute", [b"comment", b"path"])
def test_a_header_that_grows(tmp_path: Path, attribute: bytes) -> None:
    """tarfile holds a PAX header in memory, whatever its size."""
    value = b"a" * 50_000_000
    length = len(value) + len(attribute) + 12
    record = b"%d %s=%s\n" % (length, attribute, value)
    info = member("header", tarfile.XHDTYPE, size=len(record))
    bomb = tmp_path / "model.tar.gz"
    with gzip.open(bomb, "wb") as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT) + record + bytes(-len(record) % 512))
        file.write(member("manifest.json").tobuf() + bytes(1024))
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(ImportFailed, match="has headers of more than 1 MiB, expected names and times"):
            unpack(bomb, tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_large_member_behind_another(tmp_path: Path) -> None:
    """What is bounded between two members does not bound the members."""
    archive = tar(tmp_path / "model.tar.gz", *(member(f"{number}.bin", size=3_000_000) for number in range(3)))
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")
    assert [path.stat().st_size for path in (tmp_path / "out").iterdir()] == [3_000_000] * 3


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_of_other_compression_that_is_damaged(tmp_path: Path, method: int) -> None:
    whole = tmp_path / "part.zip"
    with zipfile.ZipFile(whole, "w", method) as archive:
        archive.writestr("manifest.json", os.urandom(4000))
    data = bytearray(whole.read_bytes())
    for position in range(50, 90):
        data[position] ^= 0xFF
    whole.write_bytes(data)
    with pytest.raises(ImportFailed, match="is damaged or cut off"):
        imported(whole, tmp_path / "models")


def test_an_encrypted_zip(tmp_path: Path) -> None:
    whole = tmp_path / "part.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("manifest.json", b"{}")
    data = bytearray(whole.read_bytes())
    data[6] |= 1  # the flag in the member's own header, and that in the list of members
    data[data.index(b"PK\x01\x02") + 8] |= 1
    whole.write_bytes(data)
    with pytest.raises(ImportFailed, match="is encrypted, expected an archive without a password"):
        imported(whole, tmp_path / "models")


def test_sources_that_can_not_be_opened(tmp_path: Path) -> None:
    (tmp_path / "loop.onnx").symlink_to("loop.onnx")
    with pytest.raises(ImportFailed, match=r"loop\.onnx can not be read: "):
        imported(tmp_path / "loop.onnx", tmp_path / "models")
    with pytest.raises(ImportFailed, match="can not be read: "):
        imported(tmp_path / ("x" * 300), tmp_path / "models")


def test_what_is_no_component_is_not_replaced(tmp_path: Path) -> None:
    source, target = write_dda(tmp_path / "dda"), tmp_path / "models" / "part" / "1.0.0"
    target.mkdir(parents=True)
    (target / "thesis.txt").write_text("years of work")
    for message in (r"1\.0\.0 is there and is not replaced", r"part is not a folder"):
        with pytest.raises(ImportFailed, match=message) as caught:
            imported(source, tmp_path / "models")
        assert "\n" not in str(caught.value)
        if target.is_dir():
            assert [path.name for path in target.parent.rglob("*")] == ["1.0.0", "thesis.txt"]
            (target / "thesis.txt").unlink()
            target.rmdir()
            target.parent.rmdir()
            target.parent.write_text("notes")
    assert target.parent.read_text() == "notes"
    target.parent.unlink()
    target.parent.mkdir()
    target.symlink_to("nowhere")
    with pytest.raises(ImportFailed, match="is there and is not replaced"):
        imported(source, tmp_path / "models")
    target.unlink()
    assert imported(source, tmp_path / "models").folder == imported(source, tmp_path / "models").folder


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_archives_that_are_damaged(tmp_path: Path, kind: str) -> None:
    folder = write_dda(tmp_path / "dda")
    whole = tmp_path / f"whole.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.write(folder / "mochi" / "model.onnx", "mochi/model.onnx")
            zipped.write(folder / "manifest.json", "manifest.json")
    else:
        with tarfile.open(whole, "w:gz") as tarred:
            tarred.add(folder, ".")
    data = whole.read_bytes()
    broken = tmp_path / f"broken.{kind}"
    for length in range(0, len(data), 61):
        broken.write_bytes(data[:length])
        with pytest.raises(ImportFailed):
            imported(broken, tmp_path / "models")
    for position in range(40, len(data), 97):
        broken.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:  # a byte of a file's name or time may change without harm
            imported(broken, tmp_path / "models")
        except ImportFailed as error:
            assert "\n" not in str(error)


def test_what_is_recognised(tmp_path: Path) -> None:
    for name, content in (("notes.txt", b"hello"), ("mochi.pt", b"PK"), ("model.plan", bytes(1000))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImportFailed, match=r"expected a DDA component, the model\.tar\.gz"):
            imported(tmp_path / name, tmp_path / "models")
    with pytest.raises(ImportFailed, match="does not exist"):
        imported(tmp_path / "nothing", tmp_path / "models")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ImportFailed, match="holds nothing: expected"):
        imported(empty, tmp_path / "models")
    for name in ("a.onnx", "b.onnx"):
        (empty / name).write_bytes(network(["score"]).SerializeToString())
    with pytest.raises(ImportFailed, match=r"holds 2 ONNX files \(a\.onnx, b\.onnx\); name the one"):
        imported(empty, tmp_path / "models")
    echo = write_echo(tmp_path / "ours")
    with pytest.raises(ImportFailed, match="is a component of edge-agent already"):
        imported(echo, tmp_path / "models")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImportFailed, match="no folder, archive"):
        imported(tmp_path / "pipe", tmp_path / "models")


def test_a_format_that_the_user_says(tmp_path: Path) -> None:
    from edge_agent.building.importing.component import Identity
    from edge_agent.building.importing.draft import WantedOnnx
    from edge_agent.building.importing.importer import import_model
    from tests.building.importing.formats import IMAGE, Nobody

    folder = write_dda(tmp_path / "dda")
    shutil.copytree(folder / "mochi", tmp_path / "bare")
    identity, models = Identity("part", "1.0.0"), tmp_path / "models"
    onnx = WantedOnnx(score_index=0)
    result = import_model(folder, models, identity, Wanted(IMAGE, 0.5), onnx, Nobody(), format="onnx")
    assert result.manifest.task == "classification"
    with pytest.raises(ImportFailed, match="expected one of pred_score"):
        import_model(folder, models, identity, Wanted(IMAGE), WantedOnnx(), Nobody(), format="anomalib")
    with pytest.raises(ImportFailed, match="with a 'model_graph', which dda models have"):
        import_model(tmp_path / "bare", models, identity, Wanted(IMAGE), WantedOnnx(), Nobody(), format="dda")
    with pytest.raises(ImportFailed, match=r"holds no mochi\.pt"):
        import_model(folder, models, identity, Wanted(IMAGE), WantedOnnx(), Nobody(), format="marketplace")
