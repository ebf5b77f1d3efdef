"""The files of a component, checked against the digests in its manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_agent.component.manifest import Artifact, Manifest
from edge_agent.errors import ComponentError
from edge_agent.shortage import is_shortage


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex, reading 1 MiB at a time."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def check_artifacts(folder: Path, manifest: Manifest) -> None:
    """Compare every artifact with its digest.

    Raises:
        ComponentError: a file is missing, unreadable or differs; it is named.
        OSError: the system has run out of something.
    """
    for artifact in manifest.artifacts:
        path = folder / artifact.path
        try:
            if path.exists() and not path.is_file():  # a FIFO would hold the reader for ever
                raise ComponentError(f"artifact '{artifact.path}' is not a file")
            found = digest_file(path)
        except FileNotFoundError:
            raise ComponentError(f"artifact '{artifact.path}' is missing") from None
        except OSError as error:
            if is_shortage(error):
                raise
            raise ComponentError(f"artifact '{artifact.path}' can't be read: {error.strerror}") from None
        if found != artifact.sha256:
            raise ComponentError(
                f"artifact '{artifact.path}' has SHA-256 {found[:12]}…, the manifest expects {artifact.sha256[:12]}…"
            )


def describe_artifact(folder: Path, path: str) -> Artifact:
    """Make the manifest's entry for a file of the component."""
    return Artifact(path=path, sha256=digest_file(folder / path))
