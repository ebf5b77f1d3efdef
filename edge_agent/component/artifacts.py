"""The files of a component, checked against the digests in its manifest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge_agent.access.rights import describe_refusal
from edge_agent.component.manifest import Artifact, Manifest
from edge_agent.errors import ComponentError
from edge_agent.shortage import is_shortage

_BLOCK = 1 << 20


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex, reading 1 MiB at a time."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def open_file(path: Path, what: str) -> BinaryIO:
    """Open a file of a component; what is no file, such as a FIFO, would hold its reader for ever.

    Raises:
        ComponentError: it is missing, no file, or unreadable; it is called `what`.
        OSError: the system has run out of something.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    except FileNotFoundError:
        raise ComponentError(f"{what} is missing") from None
    except OSError as error:
        raise _unreadable(what, error) from None
    raise ComponentError(f"{what} is not a file")


def read_artifact(folder: Path, artifact: Artifact) -> Iterator[bytes]:
    """Read an artifact block by block, and compare what has been read with its digest.

    Raises:
        ComponentError: the file is missing or unreadable; or, after its last block, differs. It is named.
    """
    what, sha = f"artifact '{artifact.path}'", hashlib.sha256()
    with open_file(folder / artifact.path, what) as file:
        while block := _read(file, what):
            sha.update(block)
            yield block
    found = sha.hexdigest()
    if found != artifact.sha256:
        raise ComponentError(f"{what} has SHA-256 {found[:12]}…, the manifest expects {artifact.sha256[:12]}…")


def check_artifacts(folder: Path, manifest: Manifest) -> None:
    """Compare every artifact with its digest.

    Raises:
        ComponentError: a file is missing, unreadable or differs; it is named.
        OSError: the system has run out of something.
    """
    for artifact in manifest.artifacts:
        for _ in read_artifact(folder, artifact):
            pass


def describe_artifact(folder: Path, path: str) -> Artifact:
    """Make the manifest's entry for a file of the component."""
    return Artifact(path=path, sha256=digest_file(folder / path))


def _read(file: BinaryIO, what: str) -> bytes:
    try:
        return file.read(_BLOCK)
    except OSError as error:
        raise _unreadable(what, error) from None


def _unreadable(what: str, error: OSError) -> Exception:
    """Return what is raised for a file that can't be read: of a system that has run out of something, its own error."""
    return error if is_shortage(error) else ComponentError(f"{what} can't be read: {describe_refusal(error)}")
