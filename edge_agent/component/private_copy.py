"""A component in a folder that nobody else can change, so that what has been checked is what an engine loads.

A file's digest is taken of the bytes that are written to the copy. Whoever swaps or rewrites a file of the component
afterwards comes too late. An engine opens files by their paths, weights beside an ONNX file among them, so a folder it
is; it lies where temporary files do (TMPDIR, else /tmp) and is gone when the engine has been loaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.locked_folder import LockedFolder
from edge_agent.access.rights import describe_refusal
from edge_agent.component.artifacts import read_artifact
from edge_agent.component.manifest import Manifest
from edge_agent.errors import InternalError

_PREFIX = "edge-agent-checked-"


@contextlib.contextmanager
def private_copy(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """Give a folder with the manifest's artifacts and nothing else, for as long as the context lasts.

    Raises:
        ComponentError: a file is missing, unreadable or differs from its digest; it is named.
        InternalError: there is no room for the copy.
    """
    with contextlib.ExitStack() as until_closed:
        try:
            copy = until_closed.enter_context(LockedFolder(_PREFIX))
            for artifact in manifest.artifacts:
                target = copy / artifact.path
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    for block in read_artifact(folder, artifact):
                        file.write(block)
        except OSError as error:
            raise InternalError(
                f"the component can't be copied to where it is checked and loaded from: {describe_refusal(error)}"
            ) from None
        yield copy
