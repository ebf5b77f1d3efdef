"""Whose model components may be served: a signature over manifest.json, in a file beside it.

The manifest has the digest of every file that a component loads, so what signs its bytes signs them all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.component.artifacts import open_file
from edge_agent.component.ed25519 import SIGNATURE_BYTES, PublicKey, decode_public_key
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.errors import ComponentError, SettingsError, SigningError
from edge_agent.settings import Settings

#: the signature's file, beside the manifest
SIGNATURE_NAME = FILE_NAME + ".sig"

_LONGEST_KEY = 1 << 16
#: bytes of a manifest; one with figures of a training has some thousand
_LONGEST_MANIFEST = 16 << 20


class Trust(NamedTuple):
    """The keys whose signatures count, and whether every component must have one."""

    required: bool = False
    keys: tuple[PublicKey, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Trust:
        """Read what the settings name.

        Raises:
            SettingsError: a key can't be used, or signatures are required and no key is trusted.
        """
        try:
            keys = read_trusted_keys(map(Path, settings.trusted_key))
        except SigningError as error:
            raise SettingsError(f"trusted_key: {error}") from None
        if settings.require_signature and not keys:
            raise SettingsError("require_signature is set, but no key is trusted: name the public key in trusted_key")
        return cls(settings.require_signature, keys)

    def __str__(self) -> str:
        if not self.keys:
            return "not looked at"
        return f"{'required' if self.required else 'checked where there is one'}, by {', '.join(map(str, self.keys))}"

    def read_manifest(self, folder: Path) -> tuple[Manifest, str]:
        """Read the manifest in `folder` once, check the signature over these bytes, and give it with `check`'s name.

        Raises:
            ComponentError: it is missing, too large, not signed as it has to be, or wrong; the key is named.
        """
        if not folder.is_dir():
            raise ComponentError(f"the folder {folder} is missing")
        with open_file(folder / FILE_NAME, FILE_NAME) as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LONGEST_MANIFEST:
                raise ComponentError(f"{FILE_NAME} has {size} bytes, expected {_LONGEST_MANIFEST} at most")
            content = file.read(_LONGEST_MANIFEST)
        signer = self.check(folder, content)
        return decode_manifest(content, source=FILE_NAME), signer

    def check(self, folder: Path, manifest: bytes) -> str:
        """Check the signature over the content of the manifest in `folder`.

        A signature that is there is checked as soon as a key is trusted, required or not.

        Returns:
            The name of the key that made it; "" for a component that is not signed, or not looked at for want of keys.

        Raises:
            ComponentError: it is missing though required, malformed, or not by a trusted key over these bytes.
        """
        if not self.keys and not self.required:
            return ""
        signature = _read_signature(folder)
        if signature is None:
            if self.required:
                raise ComponentError(f"it is not signed, and a signature is required ({SIGNATURE_NAME} is missing)")
            return ""
        for key in self.keys:
            if key.fits(signature, manifest):
                return key.name
        known = ", ".join(map(str, self.keys)) or "none"
        raise ComponentError(
            f"{SIGNATURE_NAME} does not fit: {FILE_NAME} has changed since it was signed, or the key is not trusted, "
            f"expected {known}"
        )


def read_trusted_keys(paths: Iterable[Path]) -> tuple[PublicKey, ...]:
    """Read public keys from PEM files, and from the files *.pem of folders.

    Raises:
        SigningError: a file is not a public key, or a folder has none; it is named.
    """
    keys: dict[bytes, PublicKey] = {}
    for path in paths:
        for file in _key_files(path):
            key = decode_public_key(file, read_key_file(file))
            keys.setdefault(key.raw, key)
    return tuple(keys.values())


def _key_files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        found = sorted(file for file in path.iterdir() if file.suffix == ".pem" and not file.name.startswith("."))
    except OSError as error:
        raise SigningError(f"{path} can't be read: {describe_refusal(error, path)}") from None
    if not found:
        raise SigningError(f"the folder {path} has no file *.pem")
    return found


def read_key_file(path: Path) -> bytes:
    """Read a key's file; SigningError when it can't be read, or can't be a key."""
    try:
        with open_file(path, str(path)) as file:
            content = file.read(_LONGEST_KEY + 1)
    except ComponentError as error:
        raise SigningError(str(error)) from None
    if len(content) > _LONGEST_KEY:
        raise SigningError(f"{path} is too large for a key")
    return content


def _read_signature(folder: Path) -> bytes | None:
    """Read the signature; None where there is no file of its name."""
    path = folder / SIGNATURE_NAME
    if not os.path.lexists(path):
        return None
    with open_file(path, SIGNATURE_NAME) as file:
        signature = file.read(SIGNATURE_BYTES + 1)
    if len(signature) != SIGNATURE_BYTES:
        size = f"{len(signature)} bytes" if len(signature) < SIGNATURE_BYTES else f"more than {SIGNATURE_BYTES} bytes"
        raise ComponentError(f"{SIGNATURE_NAME} has {size}, expected the {SIGNATURE_BYTES} of an Ed25519 signature")
    return signature
