"""The artifact of a model component: a zip with the component's files, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from pathlib import Path
from typing import NamedTuple

from edge_agent.component.artifacts import check_artifacts, digest_file
from edge_agent.component.ed25519 import PrivateKey
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest, encode_manifest
from edge_agent.component.misnamed import describe_misnamed
from edge_agent.component.trust import SIGNATURE_NAME
from edge_agent.delivery.modes import FILE_MODE
from edge_agent.errors import PackagingError
from edge_agent.inference.engines.onnx_references import check_references

_SUFFIX = "_greengrass_model_component"
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_MODE = (stat.S_IFREG | FILE_MODE) << 16


class PackagedArtifact(NamedTuple):
    """The zip as it lies in the output folder."""

    path: Path
    sha256: str
    size: int


def read_component(folder: Path) -> Manifest:
    """Read the manifest of the component in `folder` and check its files.

    Raises:
        PackagingError: there is no component.
        ComponentError: it is broken.
    """
    return check_content(folder, read_content(folder))


def read_content(folder: Path) -> bytes:
    """Read the bytes of the manifest in `folder`; PackagingError when there is no component."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise PackagingError(describe_misnamed(folder))
    return path.read_bytes()


def check_content(folder: Path, content: bytes) -> Manifest:
    """Read a manifest, the bytes of the one in `folder`, and check the files there; ComponentError if it is broken."""
    manifest: Manifest = decode_manifest(content, source=str(folder / FILE_NAME))
    check_artifacts(folder, manifest)
    check_references(folder, manifest)
    return manifest


def artifact_stem(name: str, version: str) -> str:
    """Return the zip's name without .zip; it is also the name of the folder into which the nucleus unpacks it."""
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{name}_{version}").strip("_") + _SUFFIX


def write_artifact(folder: Path, manifest: Manifest, output: Path, key: PrivateKey | None = None) -> PackagedArtifact:
    """Write the files of the component in `folder`, with this manifest, to <output>/<stem>.zip.

    Raises:
        PackagingError: a file has changed meanwhile; or the component's signature does not hold for this manifest, and
            there is no key to sign anew.
    """
    path = output / f"{artifact_stem(manifest.name, manifest.version)}.zip"
    content = encode_manifest(manifest)
    signature = key.sign(content) if key is not None else _signature_of(folder, content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        add_file(archive, FILE_NAME, content)
        if signature is not None:
            add_file(archive, SIGNATURE_NAME, signature)
        for artifact in sorted(set(manifest.artifacts), key=lambda entry: entry.path):
            data = (folder / artifact.path).read_bytes()
            if hashlib.sha256(data).hexdigest() != artifact.sha256:
                raise PackagingError(f"artifact '{artifact.path}' of {folder} changed while it was packaged")
            add_file(archive, artifact.path, data)
    return PackagedArtifact(path, digest_file(path), path.stat().st_size)


def _signature_of(folder: Path, content: bytes) -> bytes | None:
    """Return the component's own signature where its manifest stays as it is; None when it is not signed."""
    signature = folder / SIGNATURE_NAME
    if not signature.is_file():
        return None
    if (folder / FILE_NAME).read_bytes() != content:
        raise PackagingError(
            f"{folder} is signed, and its packaged {FILE_NAME} is another one (it has the target): sign it with "
            f"--sign-key, or remove {SIGNATURE_NAME}"
        )
    return signature.read_bytes()


def add_file(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file so that the same content gives the same bytes: no time, no rights of this machine."""
    entry = zipfile.ZipInfo(name, _OLDEST)
    entry.external_attr = _MODE
    archive.writestr(entry, data, compress_type=archive.compression)
