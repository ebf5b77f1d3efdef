"""Ed25519 (RFC 8032): all that is known of the package cryptography, which is loaded when a key is first used.

Keys are PEM files as OpenSSL has them (RFC 8410): PKCS #8 for the private one, SubjectPublicKeyInfo for the public one.
A signature is its 64 bytes and nothing else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.errors import SigningError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_BYTES = 64

#: what stands before the 32 bytes of a public key in a SubjectPublicKeyInfo, RFC 8410 section 4
_DER_HEAD = bytes.fromhex("302a300506032b6570032100")
_FINGERPRINT_LETTERS = 16


class PublicKey(NamedTuple):
    """A key that signatures are checked with."""

    #: of the file that it was read from, for messages
    name: str
    raw: bytes

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """The beginning of the SHA-256 of the key in DER, in hex: what tells keys apart."""
        return hashlib.sha256(_DER_HEAD + self.raw).hexdigest()[:_FINGERPRINT_LETTERS]

    def fits(self, signature: bytes, data: bytes) -> bool:
        """Tell whether this key's private half made the signature, over exactly these bytes.

        Raises:
            SigningError: the package cryptography is missing.
        """
        _require_library()
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A key that signs."""

    def __init__(self, path: Path, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(path.name, key.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Return the signature over these bytes."""
        return self._key.sign(data)

    def encode(self) -> tuple[bytes, bytes]:
        """Return the private and the public key in PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        return (
            self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )


def make_private_key(path: Path) -> PrivateKey:
    """Make a key of random bytes, for the file `path`; SigningError when the package cryptography is missing."""
    _require_library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return PrivateKey(path, Ed25519PrivateKey.generate())


def decode_private_key(path: Path, pem: bytes) -> PrivateKey:
    """Read a private key, the content of the file `path`.

    Raises:
        SigningError: it is not an Ed25519 key in PEM, or it is encrypted; or the package cryptography is missing.
    """
    _require_library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:  # of a password that was not given
        raise SigningError(f"{path} is encrypted with a passphrase, sign with openssl instead") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SigningError(f"{path} holds no private key, expected Ed25519 in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path} holds a private key of another kind, expected Ed25519")
    return PrivateKey(path, key)


def decode_public_key(path: Path, pem: bytes) -> PublicKey:
    """Read a public key, the content of the file `path`.

    Raises:
        SigningError: it is not one Ed25519 key in PEM; or the package cryptography is missing.
    """
    _require_library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY-----" in pem:
        raise SigningError(f"{path} holds a private key, expected the public one")
    if pem.count(b"-----BEGIN ") > 1:
        raise SigningError(f"{path} holds several keys, expected one a file")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise SigningError(f"{path} holds no public key, expected Ed25519 in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path} holds a public key of another kind, expected Ed25519")
    return PublicKey(path.name, key.public_bytes_raw())


def _require_library() -> None:
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError as error:
        raise SigningError(
            f"signatures need the Python module '{error.name}'; install edge-agent with its extra [signing]"
        ) from None
