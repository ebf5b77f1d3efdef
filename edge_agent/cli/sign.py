"""edge-agent sign."""

from __future__ import annotations

from pathlib import Path

import click

from edge_agent.cli.output import note
from edge_agent.component.trust import SIGNATURE_NAME, Trust, read_trusted_keys
from edge_agent.delivery.signing import (
    check_signed,
    is_open_to_others,
    make_key_pair,
    read_private_key,
    sign_component,
)
from edge_agent.errors import ComponentError, EdgeAgentError
from edge_agent.settings import load_settings

_PATH = click.Path(path_type=Path, readable=False)


@click.command(epilog="Example: edge-agent sign models/cookies/1.0.0 --key release.pem")
@click.argument("components", metavar="COMPONENT...", type=_PATH, nargs=-1)
@click.option("--key", type=_PATH, metavar="KEY.pem", help="Private key to sign with.")
@click.option("--check", is_flag=True, help="Check the signatures and the files instead.")
@click.option("--trusted-key", "trusted", type=_PATH, multiple=True, metavar="PATH",
              help="(--check) Public key, or folder of them (may be given again)  [default: those of the "
              "configuration]")  # fmt: skip
@click.option("--new-key", type=_PATH, metavar="KEY.pem", help="Make a key pair instead: KEY.pem and KEY.pub.pem.")
def command(
    components: tuple[Path, ...], key: Path | None, check: bool, trusted: tuple[Path, ...], new_key: Path | None
) -> None:
    """Sign model components, so that devices can tell that nobody has swapped a model.

    COMPONENT is a folder such as models/cookies/1.0.0. The signature is over its manifest.json, which has the digests
    of all its files, and lies beside it. Devices whose configuration says require_signature serve nothing else;
    docs/security.md says how to set them up, and how openssl makes and checks the same.
    """
    if [key is not None, check, new_key is not None].count(True) != 1:
        raise click.UsageError("name one of --key, --check and --new-key")
    if trusted and not check:
        raise click.UsageError("--trusted-key goes with --check")
    if new_key is not None:
        if components:
            raise click.UsageError("--new-key takes no COMPONENT")
        _make(new_key)
    elif not components:
        raise click.UsageError("name a COMPONENT, a folder such as models/cookies/1.0.0")
    elif key is not None:
        _sign(components, key)
    else:
        _check(components, trusted)


def _make(path: Path) -> None:
    made = make_key_pair(path)
    click.echo(f"{made.private}  the private key: it signs, and no device needs it")
    click.echo(f"{made.public}  the public key, {made.key.fingerprint}: devices name it in trusted_key")


def _sign(components: tuple[Path, ...], path: Path) -> None:
    key = read_private_key(path)
    if is_open_to_others(path):
        note(f"{path} can be used by others than its owner: chmod 600 {path}")
    for folder in components:
        try:
            click.echo(f"{sign_component(folder, key)}  signed with {key.public}")
        except ComponentError as error:
            raise EdgeAgentError(f"{folder} is not signed: {error}") from None


def _check(components: tuple[Path, ...], trusted: tuple[Path, ...]) -> None:
    paths = trusted or tuple(map(Path, load_settings({}).trusted_key))
    if not paths:
        raise click.UsageError("name a --trusted-key; the configuration has none")
    trust = Trust(True, read_trusted_keys(paths))
    for folder in components:
        try:
            click.echo(f"{folder / SIGNATURE_NAME}  signed with {check_signed(folder, trust)}, and whole")
        except ComponentError as error:
            raise EdgeAgentError(f"{folder}: {error}") from None
