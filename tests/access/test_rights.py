"""Whose a file is that may not be opened, and who may do what with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.access.rights import REMEDY, describe_refusal
from edge_agent.serving.lifecycle.failure import explain_failed_start
from tests.support.users import User, common_folder, prefix, run_as

STRANGER = User(64004, 64004)
OF_ROOT = "belongs to user 'root' (0) and group 'root' (0), with mode"
OPEN = (
    "import sys\n"
    "from pathlib import Path\n"
    "from edge_agent.access.rights import describe_refusal\n"
    "try: Path(sys.argv[1]).read_bytes()\n"
    "except OSError as error: print(describe_refusal(error))\n"
)


@pytest.fixture
def common() -> Iterator[Path]:
    prefix(STRANGER)
    with common_folder() as folder:
        yield folder


def test_a_file_of_another_user(common: Path) -> None:
    file = common / "inner" / "file"
    file.parent.mkdir(0o755)
    file.touch(0o600)
    said = run_as(STRANGER, "-c", OPEN, str(file)).stdout
    assert said == f"Permission denied for user 64004: {file} {OF_ROOT} 0600; {REMEDY}\n"
    file.parent.chmod(0o700)
    said = run_as(STRANGER, "-c", OPEN, str(file)).stdout
    assert said == f"Permission denied for user 64004: {file.parent} {OF_ROOT} 0700; {REMEDY}\n", (
        "the folder is what is closed"
    )


def test_a_link_into_a_folder_that_is_closed(common: Path) -> None:
    """An interpreter in root's home, say, to which a virtual environment links."""
    home = common / "home"
    home.mkdir()
    (home / "python").touch(0o755)
    home.chmod(0o700)
    link = common / "python"
    link.symlink_to(home / "python")
    said = run_as(STRANGER, "-c", OPEN, str(link)).stdout
    assert said == f"Permission denied for user 64004: {home} {OF_ROOT} 0700; {REMEDY}\n"


def test_a_file_that_can_not_be_made(common: Path) -> None:
    """The folder is what says who may."""
    make = OPEN.replace("read_bytes()", "write_bytes(b'')")
    said = run_as(STRANGER, "-c", make, str(common / "new")).stdout
    assert said == f"Permission denied for user 64004: {common} {OF_ROOT} 0755; {REMEDY}\n"
    link = OPEN.replace("read_bytes()", "symlink_to('/dev/null')")
    assert run_as(STRANGER, "-c", link, str(common / "new")).stdout == said


def test_settings_that_may_not_be_read(common: Path) -> None:
    file = common / "config.toml"
    file.touch(0o640)
    said = run_as(STRANGER, "-m", "edge_agent", "serve", "--config", str(file))
    assert (said.returncode, said.stderr) == (
        1, f"edge-agent: {file} can't be read: Permission denied for user 64004: {file} {OF_ROOT} 0640; {REMEDY}\n"
    )  # fmt: skip


def test_other_errors_keep_their_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none").read_bytes()
    assert describe_refusal(missing.value) == "No such file or directory"


def test_a_worker_that_can_not_be_started_names_the_file(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.touch(0o640)
    cause, may_pass = explain_failed_start(PermissionError(13, "Permission denied", str(program)))
    assert may_pass
    assert cause.startswith(f"a worker can't be started ({program}): Permission denied for user ")
    assert f"{program} belongs to user " in cause
    assert cause.endswith(f"with mode 0640; {REMEDY}")
    cause, _ = explain_failed_start(FileNotFoundError(2, "No such file or directory", str(program)))
    assert cause == f"a worker can't be started ({program}): No such file or directory"
