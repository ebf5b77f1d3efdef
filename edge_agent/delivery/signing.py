"""Signing model components, where the private key is. Devices check: component/trust.py."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.component.ed25519 import PrivateKey, PublicKey, decode_private_key, make_private_key
from edge_agent.component.manifest import FILE_NAME
from edge_agent.component.trust import SIGNATURE_NAME, Trust, read_key_file
from edge_agent.delivery.artifact import check_content, read_content
from edge_agent.errors import SigningError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyPair(NamedTuple):
    """The files of a key pair that has been made."""

    private: Path
    public: Path
    key: PublicKey


def read_private_key(path: Path) -> PrivateKey:
    """Read the key that signs; SigningError when it is none, or is encrypted."""
    return decode_private_key(path, read_key_file(path))


def is_open_to_others(path: Path) -> bool:
    """Tell whether others than its owner may do anything with a private key."""
    return bool(path.stat().st_mode & _OTHERS)


def make_key_pair(path: Path) -> KeyPair:
    """Write a new private key to `path`, for its owner's eyes only, and its public one beside it.

    Raises:
        SigningError: one of the files is there already, or can't be written; nothing is replaced.
    """
    public = path.with_suffix(".pub.pem") if path.suffix == ".pem" else path.with_name(path.name + ".pub.pem")
    key = make_private_key(public)
    files = ((path, 0o600), (public, 0o644))
    written: list[Path] = []
    try:
        for (file, mode), content in zip(files, key.encode(), strict=True):
            # Exclusively: neither an older key nor the target of a link is written over.
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            written.append(file)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise SigningError(f"{error.filename} is there already, and a key is never replaced") from None
        raise SigningError(f"{error.filename or path} can't be written: {describe_refusal(error)}") from None
    return KeyPair(path, public, key.public)


def sign_component(folder: Path, key: PrivateKey) -> Path:
    """Sign a component that is whole, and return the signature's file; one that is there is replaced.

    Raises:
        PackagingError: there is no component.
        SigningError: the signature can't be written.
        ComponentError: a file is missing, differs from its digest, or is needed and not among the artifacts.
    """
    content = read_content(folder)
    check_content(folder, content)
    target = folder / SIGNATURE_NAME
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{SIGNATURE_NAME}-", delete=False) as file:
            try:
                file.write(key.sign(content))
                file.flush()
                os.fchmod(file.fileno(), stat.S_IMODE((folder / FILE_NAME).stat().st_mode))  # who reads one, reads both
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise SigningError(f"{target} can't be written: {describe_refusal(error)}") from None
    return target


def check_signed(folder: Path, trust: Trust) -> str:
    """Check the signature and the files of a component, and return the name of the key that signed it.

    Raises:
        PackagingError: there is no component.
        ComponentError: it is not signed by a trusted key, or a file is not what was signed.
    """
    content = read_content(folder)
    signer = trust.check(folder, content)
    check_content(folder, content)
    return signer
