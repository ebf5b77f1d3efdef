"""A component in a folder that nobody else can change, so that what has been checked is what an engine loads.

A file's digest is taken of the bytes that are written to the copy. Whoever swaps or rewrites a file of the component
afterwards comes too late. An engine opens files by their paths, weights beside an ONNX file among them, so a folder it
is; it lies where temporary files do (TMPDIR, else /tmp) and is gone when the engine has been loaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.component.artifacts import read_artifact
from edge_agent.component.manifest import Manifest
from edge_agent.errors import InternalError

_PREFIX = "edge-agent-checked-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def private_copy(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """Give a folder with the manifest's artifacts and nothing else, for as long as the context lasts.

    Raises:
        ComponentError: a file is missing, unreadable or differs from its digest; it is named.
        InternalError: there is no room for the copy.
    """
    with contextlib.ExitStack() as until_closed:
        try:
            place = Path(tempfile.gettempdir())
            _remove_left_over(place)
            copy = until_closed.enter_context(_locked_folder(place))
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


@contextlib.contextmanager
def _locked_folder(place: Path) -> Iterator[Path]:
    """Make a folder that is this process's alone, and hold its lock, which the kernel lets go of if we are killed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))  # with mode 0700
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, _FOLDER)
            if _lock(descriptor) and folder.exists():
                break
            os.close(descriptor)
        # Another process took it for left over, in the moment before it was locked.
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove_left_over(place: Path) -> None:
    """Remove what processes of this user left behind that were killed while they loaded a component."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone in this moment
            descriptor = os.open(folder, _FOLDER)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and _lock(descriptor):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
