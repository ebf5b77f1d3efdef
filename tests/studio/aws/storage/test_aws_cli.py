"""`aws s3` against the storage: copies, syncs and removals of folders whose files have odd names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.studio.aws.storage.conftest import Place
from tests.support.environments import Environments

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

_ODD = [
    "plain.png", "with space.png", "a+b.png", "100%.png", "a%20b.png", "ä ö ü.png", "零件.png", "#1?.png", "x=y&z;.png",
    "it's (1)!.png", "~tilde", ".hidden", "sub/.hidden/..name", "deep/er/and/deeper.png",
    "[a]*{b}.png", "a,b@c$d:e.png",
    "sub/plain.png", "sub.png", '"quoted".png', "tab\there", "back\\slash.png",
]  # fmt: skip


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_go_there_and_back(place: Place, environments: Environments, tmp_path: Path) -> None:
    program = environments.python("awscli").folder / "bin" / "aws"
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_ENDPOINT_URL_S3": place.address, "LC_ALL": "C.UTF-8",
        "AWS_DEFAULT_REGION": "local", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
    }  # fmt: skip

    def aws(*words: str | Path, content: bytes | None = None) -> str:
        done = subprocess.run(
            [str(program), "s3", *map(str, words)], capture_output=True, env=environment, cwd=tmp_path, check=False,
            input=content,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return done.stdout.decode()

    here = tmp_path / "here"
    for name in _ODD:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    large = bytes(range(256)) * (40 << 10)  # 10 MiB: in parts
    (here / "large.bin").write_bytes(large)
    everything = _files(here)

    aws("mb", "s3://round")
    assert "round" in aws("ls")
    aws("cp", "--recursive", here, "s3://round/copied")
    listed = aws("ls", "--recursive", "s3://round/copied", "--summarize")
    assert f"Total Objects: {len(everything)}" in listed
    assert "copied/deep/er/and/deeper.png" in listed
    assert "PRE sub/" in aws("ls", "s3://round/copied/")
    aws("cp", "--recursive", "s3://round/copied", tmp_path / "back")
    assert _files(tmp_path / "back") == everything

    assert aws("sync", here, "s3://round/copied") == ""  # all is there
    (here / "plain.png").write_bytes(b"changed, and longer")
    (here / "with space.png").unlink()
    said = aws("sync", "--delete", here, "s3://round/copied")
    assert said.count("upload: ") == 1
    assert said.count("delete: ") == 1
    aws("sync", "--delete", "s3://round/copied", tmp_path / "back")
    assert _files(tmp_path / "back") == _files(here)
    aws("sync", "s3://round/copied", "s3://pictures/moved")  # from bucket to bucket
    assert (place.pictures / "moved" / "large.bin").read_bytes() == large
    aws("mv", "s3://pictures/moved/100%.png", "s3://pictures/moved/all.png")
    assert aws("cp", "s3://pictures/moved/all.png", "-") == "100%.png"
    aws("cp", "-", "s3://pictures/moved/streamed", content=b"from a pipe")
    assert (place.pictures / "moved" / "streamed").read_bytes() == b"from a pipe"
    aws("rm", "--recursive", "s3://round/copied", "--exclude", "*", "--include", "sub/*")
    assert aws("ls", "--recursive", "s3://round").count("\n") == len(_files(here)) - 2
    aws("rm", "--recursive", "s3://pictures/moved")
    aws("rb", "--force", "s3://round")
    assert not (place.made / "round").exists()
    assert not list(place.pictures.glob("moved/*"))
