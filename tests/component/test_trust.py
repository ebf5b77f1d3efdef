"""Which signatures count, which keys are taken, and what is said of the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent.component.trust import SIGNATURE_NAME, Trust, read_trusted_keys
from edge_agent.errors import ComponentError, SettingsError, SigningError
from edge_agent.settings import Settings
from tests.support.fakes import write_echo
from tests.support.keys import Signer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "release")


@pytest.fixture
def signed(tmp_path: Path, signer: Signer) -> Path:
    """A component with a good signature."""
    folder = write_echo(tmp_path / "models")
    signer.sign(folder)
    return folder


def _check(trust: Trust, folder: Path) -> str:
    return trust.check(folder, (folder / "manifest.json").read_bytes())


def _write(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def _cut(path: Path) -> None:
    os.truncate(path, 63)


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_by_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def _replace_by_link_to_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _edit_manifest(path: Path) -> None:
    manifest = path.with_name("manifest.json")
    manifest.write_bytes(manifest.read_bytes() + b"\n")


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_write(b""), r"has 0 bytes, expected the 64 of an Ed25519 signature$"),
        (_cut, r"has 63 bytes, expected the 64 of"),
        (_lengthen, r"has more than 64 bytes, expected the 64 of"),
        (_flip, r"does not fit: manifest\.json has changed since it was signed, or the key is not trusted"),
        (_write(bytes(64)), r"does not fit"),
        (_edit_manifest, r"does not fit: .*, expected release\.pub\.pem \([0-9a-f]{16}\)$"),
        (_replace_by_folder, r"is not a file$"),
        (_replace_by_fifo, r"is not a file$"),
        (_replace_by_link_to_nothing, r"is missing$"),
        (_replace_by_link_to_a_device, r"is not a file$"),
    ],
)
def test_a_signature_that_is_there_has_to_be_good(
    signed: Path, signer: Signer, damage: Callable[[Path], None], said: str, required: bool
) -> None:
    assert _check(signer.trust(required=required), signed) == "release.pub.pem"
    damage(signed / SIGNATURE_NAME)
    with pytest.raises(ComponentError, match=rf"^manifest\.json\.sig {said}"):
        _check(signer.trust(required=required), signed)


def test_a_component_without_a_signature(signed: Path, signer: Signer) -> None:
    (signed / SIGNATURE_NAME).unlink()
    assert _check(signer.trust(required=False), signed) == ""
    expected = r"^it is not signed, and a signature is required \(manifest\.json\.sig is missing\)$"
    with pytest.raises(ComponentError, match=expected):
        _check(signer.trust(), signed)


def test_without_a_trusted_key_signatures_are_not_looked_at(signed: Path) -> None:
    (signed / SIGNATURE_NAME).write_bytes(b"whatever")
    assert _check(Trust(), signed) == ""


def test_any_of_the_trusted_keys_will_do(signed: Path, signer: Signer, tmp_path: Path) -> None:
    other = Signer(tmp_path, "other")
    for trust in (other.trust(), Trust(True)):
        with pytest.raises(ComponentError, match="does not fit"):
            _check(trust, signed)
    both = Trust(True, read_trusted_keys([other.public, signer.public]))
    assert _check(both, signed) == "release.pub.pem"


def test_a_signature_may_be_a_link_to_one(signed: Path, signer: Signer, tmp_path: Path) -> None:
    """It is the bytes that count, wherever they lie."""
    (signed / SIGNATURE_NAME).rename(tmp_path / "elsewhere")
    (signed / SIGNATURE_NAME).symlink_to(tmp_path / "elsewhere")
    assert _check(signer.trust(), signed) == "release.pub.pem"


def test_keys_in_a_folder_and_by_links(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("b", "a"):
        (keys / f"{name}.pem").symlink_to(Signer(tmp_path / "made", name).public)
    (keys / "README").write_text("not a key")
    (keys / ".a.pem").write_text("what an editor left")
    assert [key.name for key in read_trusted_keys([keys, keys / "a.pem"])] == ["a.pem", "b.pem"], "each once"


def _another_kind(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _twice(path: Path) -> None:
    path.write_bytes(2 * path.read_bytes())


def _private(path: Path) -> None:
    path.write_bytes(path.with_name("release.pem").read_bytes())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_private, "holds a private key, expected the public one"),
        (_another_kind, "holds a public key of another kind, expected Ed25519"),
        (_twice, "holds several keys, expected one a file"),
        (_write(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "holds no public key"),
        (_write(b"ssh-ed25519 AAAA"), "holds no public key, expected Ed25519 in PEM"),
        (_write(b""), "holds no public key"),
        (_write(bytes(70_000)), "is too large for a key"),
        (_replace_by_folder, "has no file *.pem"),
        (_replace_by_fifo, "is not a file"),
        (_replace_by_link_to_nothing, "is missing"),
    ],
)
def test_what_is_no_public_key_is_refused(
    signer: Signer, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(signer.public)
    with pytest.raises(SigningError) as refused:
        read_trusted_keys([signer.public])
    assert f"{signer.public} {said}" in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(SettingsError, match=r"^trusted_key: "):
        Trust.of(Settings(trusted_key=(str(signer.public),)))


def test_required_by_nobody(signer: Signer) -> None:
    with pytest.raises(SettingsError, match=r"^require_signature is set, but no key is trusted"):
        Trust.of(Settings(require_signature=True))
    assert Trust.of(Settings(require_signature=True, trusted_key=(str(signer.public),))) == signer.trust()
