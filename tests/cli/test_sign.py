"""`edge-agent sign` as a user types it, and what openssl says of what it makes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from edge_agent.cli.sign import command
from edge_agent.delivery.signing import make_key_pair, read_private_key
from edge_agent.errors import EdgeAgentError, SigningError
from tests.support.commands import failed, run
from tests.support.fakes import write_echo
from tests.support.keys import Signer, edit_manifest


@pytest.fixture
def component(tmp_path: Path) -> Path:
    return write_echo(tmp_path / "models")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "release")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _refused(*arguments: object) -> str:
    """Run the command in this process; it must raise one of the errors that the command line prints as a line."""
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert isinstance(done.exception, EdgeAgentError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_from_a_new_key_to_a_checked_signature(tmp_path: Path, component: Path) -> None:
    key, public = tmp_path / "release.pem", tmp_path / "release.pub.pem"
    made = run("sign", "--new-key", key)
    assert made.returncode == 0, made.stderr
    fingerprint = made.stdout.partition("the public key, ")[2].partition(":")[0]
    assert made.stdout.splitlines()[0].startswith(f"{key}  the private key")
    signed = run("sign", component, "--key", key)
    assert (signed.stdout, signed.stderr) == (
        f"{component}/manifest.json.sig  signed with release.pem ({fingerprint})\n",
        "",
    )
    checked = run("sign", "--check", component, "--trusted-key", public)
    assert checked.stdout == f"{component}/manifest.json.sig  signed with release.pub.pem, and whole\n"
    assert checked.returncode == 0
    edit_manifest(component, threshold=0.1)
    line = failed(run("sign", "--check", component, EDGE_AGENT_TRUSTED_KEY=str(public)))
    assert line.startswith(f"edge-agent: {component}: manifest.json.sig does not fit")
    assert line.endswith(f"expected release.pub.pem ({fingerprint})")


def test_a_private_key_is_for_its_owner_alone(tmp_path: Path, component: Path) -> None:
    before = os.umask(0)
    try:
        made = make_key_pair(tmp_path / "release.pem")
    finally:
        os.umask(before)
    assert (_mode(made.private), _mode(made.public)) == (0o600, 0o644)
    made.private.chmod(0o640)
    done = CliRunner().invoke(command, [str(component), "--key", str(made.private)])
    assert f"note: {made.private} can be used by others than its owner: chmod 600 {made.private}" in done.output


@pytest.mark.parametrize("name", ["release.pem", "release.pub.pem"])
@pytest.mark.parametrize("is_link", [True, False])
def test_no_key_is_written_over(tmp_path: Path, name: str, is_link: bool) -> None:
    there, target = tmp_path / name, tmp_path / "target"
    if is_link:
        there.symlink_to(target)  # somebody would like to have the key
    else:
        there.write_text("older")
    with pytest.raises(SigningError, match=rf"{name} is there already, and a key is never replaced$"):
        make_key_pair(tmp_path / "release.pem")
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == [name], "half a key pair is of no use"


def test_a_key_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert (
        _refused("--new-key", tmp_path / "no/k.pem")
        == f"{tmp_path}/no/k.pem can't be written: No such file or directory"
    )


def test_openssl_checks_what_is_signed_here_and_the_other_way_round(
    tmp_path: Path, component: Path, signer: Signer
) -> None:
    """With the commands of docs/security.md."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def openssl(*arguments: object) -> str:
        return subprocess.run(
            ["openssl", *map(str, arguments)], check=True, capture_output=True, text=True
        ).stdout  # fmt: skip

    manifest, signature = component / "manifest.json", component / "manifest.json.sig"
    signer.sign(component)
    files = ("-rawin", "-in", manifest)
    assert "Success" in openssl("pkeyutl", "-verify", "-pubin", "-inkey", signer.public, *files, "-sigfile", signature)
    theirs, public = tmp_path / "theirs.pem", tmp_path / "theirs.pub.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", theirs)
    openssl("pkey", "-in", theirs, "-pubout", "-out", public)
    openssl("pkeyutl", "-sign", "-inkey", theirs, *files, "-out", signature)
    done = CliRunner().invoke(command, ["--check", str(component), "--trusted-key", str(public)])
    assert done.exit_code == 0, done.output
    signer_of_theirs = read_private_key(theirs)
    assert signer_of_theirs.sign(manifest.read_bytes()) == signature.read_bytes(), "Ed25519 has one signature"


def test_a_broken_component_is_not_signed(component: Path, signer: Signer) -> None:
    (component / "model.onnx").write_bytes(b"another")
    line = _refused(component, "--key", signer.private)
    assert line.startswith(f"{component} is not signed: artifact 'model.onnx' has SHA-256")
    assert not (component / "manifest.json.sig").exists()
    (component / "manifest.json").unlink()
    line = _refused(component, "--key", signer.private)
    assert line.startswith(f"{component} is not a model component: manifest.json is missing")


def test_a_signature_is_replaced_as_a_whole_and_through_no_link(
    tmp_path: Path, component: Path, signer: Signer
) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (component / "manifest.json.sig").symlink_to(other)
    signer.sign(component)
    assert other.read_text() == "of somebody else"
    assert not (component / "manifest.json.sig").is_symlink()
    assert _mode(component / "manifest.json.sig") == _mode(component / "manifest.json")
    assert sorted(path.name for path in component.iterdir()) == ["manifest.json", "manifest.json.sig", "model.onnx"]


def test_check_looks_at_the_files_too(component: Path, signer: Signer) -> None:
    signer.sign(component)
    (component / "model.onnx").write_bytes(b"another")
    line = _refused("--check", component, "--trusted-key", signer.public)
    assert line.startswith(f"{component}: artifact 'model.onnx' has SHA-256")


def test_keys_that_can_not_sign(tmp_path: Path, component: Path, signer: Signer) -> None:
    pkcs8 = (Encoding.PEM, PrivateFormat.PKCS8)
    key = read_private_key(signer.private)._key
    contents = {
        "is encrypted with a passphrase, sign with openssl instead": key.private_bytes(
            *pkcs8, BestAvailableEncryption(b"secret")
        ),
        "holds a private key of another kind, expected Ed25519": ec.generate_private_key(ec.SECP256R1()).private_bytes(
            *pkcs8, NoEncryption()
        ),
        "holds no private key, expected Ed25519 in PEM": signer.public.read_bytes(),
    }
    path = tmp_path / "k.pem"
    for said, content in contents.items():
        path.write_bytes(content)
        assert _refused(component, "--key", path) == f"{path} {said}"
    assert _refused(component, "--key", tmp_path / "none.pem") == f"{tmp_path}/none.pem is missing"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["models/x/1.0.0"],
        ["--key", "k.pem"],
        ["--check"],
        ["--check", "--key", "k.pem", "x"],
        ["--new-key", "k.pem", "x"],
        ["x", "--key", "k.pem", "--trusted-key", "p.pem"],
        ["--check", "x"],
    ],
)
def test_wrong_usage(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_AGENT_TRUSTED_KEY", raising=False)
    done = CliRunner().invoke(command, arguments)
    assert (done.exit_code, "Usage:" in done.output) == (2, True)


def test_without_the_package_cryptography(tmp_path: Path, signer: Signer) -> None:
    """One sentence, and only for those who use signatures."""
    missing = tmp_path / "missing" / "cryptography"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ModuleNotFoundError('no', name='cryptography')")
    path = {"PYTHONPATH": str(missing.parent)}
    said = "signatures need the Python module 'cryptography'; install edge-agent with its extra [signing]"
    assert failed(run("sign", "--new-key", tmp_path / "k.pem", **path)) == f"edge-agent: {said}"
    serve = ("serve", "--socket", f"unix://{tmp_path}/a.sock", "--state-dir", tmp_path)
    line = failed(run(*serve, "--trusted-key", signer.public, **path))
    assert line == f"edge-agent: trusted_key: {said}"
