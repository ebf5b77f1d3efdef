"""Writing a model component, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_agent.component.manifest import FILE_NAME, Artifact, Manifest, decode_manifest, encode_manifest
from edge_agent.errors import ComponentError


def check_target(folder: Path) -> Path:
    """Return a component's folder, which may be there or not.

    Raises:
        ComponentError: what is there is no component, so it is not replaced.
    """
    if os.path.lexists(folder) and not (folder / FILE_NAME).is_file():
        raise ComponentError(f"{folder} is there and is not replaced, expected nothing or a folder with {FILE_NAME}")
    for parent in (folder.parent.parent, folder.parent):
        if os.path.lexists(parent) and not parent.is_dir():  # a file, or a link to nothing
            raise ComponentError(f"{parent} is not a folder, so no component can be written into it")
    return folder


def write_component(models: Path, files: Mapping[str, bytes], **fields: Any) -> Path:
    """Write models/<name>/<version>/ with these files and a manifest of these `fields`; return its folder.

    The digests are filled in here. A component of the same name and version is replaced; a daemon that watches the
    folder never sees half of one.

    Raises:
        ComponentError: the fields do not make a valid manifest, or what is there is no component.
    """
    artifacts = tuple(Artifact(path=path, sha256=hashlib.sha256(data).hexdigest()) for path, data in files.items())
    encoded = encode_manifest(Manifest(format=1, artifacts=artifacts, **fields))
    manifest = decode_manifest(encoded, source=FILE_NAME)
    target = check_target(models / manifest.name / manifest.version)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A folder whose name begins with a dot is not looked at.
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=target.parent) as temporary:
        folder = Path(temporary) / "component"
        for path, data in {**files, FILE_NAME: encoded}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        if target.exists():
            shutil.move(target, Path(temporary) / "replaced")
        folder.rename(target)
    return target
