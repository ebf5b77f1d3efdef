"""The last look at a component before an engine loads it: the catalogue's is some time ago, and files change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import FILE_NAME, Manifest, manifest_digest
from edge_agent.component.private_copy import private_copy
from edge_agent.component.trust import Trust
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_references import check_references


@contextmanager
def checked_component(folder: Path, digest: str, trust: Trust) -> Iterator[tuple[Path, Manifest]]:
    """Give the folder that a component is to be loaded from, and its manifest, for as long as the context lasts.

    Where signatures are required it is a copy: between this look and the engine's there must be nobody's hand.

    Args:
        folder: where the catalogue has found it.
        digest: manifest_digest of what the catalogue has read: model, size and labels are what clients are told.
        trust: whose signatures count.

    Raises:
        ComponentError: it is not what the catalogue has read, or not signed as it has to be, or a file differs.
        InternalError: there is no room for the copy.
    """
    manifest, _ = trust.read_manifest(folder)
    if manifest_digest(manifest) != digest:
        raise ComponentError(f"{FILE_NAME} has changed since the model folders were looked at")
    if not trust.required:
        check_artifacts(folder, manifest)
        yield folder, manifest
        return
    with private_copy(folder, manifest) as copy:
        check_references(copy, manifest)
        yield copy, manifest
