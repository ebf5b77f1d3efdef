"""Modes of what is made for devices: a nucleus' users have to read it, whatever the umask of who builds it."""

from __future__ import annotations

from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o644, 0o755


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it that are missing, for everybody to read; those that are there stay."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(FOLDER_MODE)


def open_to_readers(folder: Path) -> None:
    """Let everybody read a folder that was made here, and all that is in it."""
    folder.chmod(FOLDER_MODE)
    for path in folder.rglob("*"):
        path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)
