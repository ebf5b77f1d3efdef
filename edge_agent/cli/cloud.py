"""edge-agent cloud."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import get_args

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.cli.output import json_option, print_json, print_table, socket_option
from edge_agent.cli.studio import data_option, require_packages, sign_key_option
from edge_agent.errors import StudioError
from edge_agent.settings import load_settings
from edge_agent.studio.aws.table.shape import Scope

_PATH = click.Path(path_type=Path, readable=False)
DEFAULT_PORT = 8502


@click.group(epilog="Example: edge-agent cloud serve --data studio --port 8502")
def command() -> None:
    """Answer scripts that were written for the cloud service: its 22 operations and a small S3, on this machine.

    Projects, datasets, models and jobs are those of `edge-agent studio` on the same data folder; models run on the
    agent of this device. To serve page and API together: edge-agent studio --aws-port 8502.
    """


@command.command(epilog="Example: edge-agent cloud serve --data studio --port 8502")
@data_option
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; any but loopback needs access keys.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True,
              help="Port for the service and for S3.")  # fmt: skip
@click.option("--deploy-to", type=_PATH, metavar="DIR",
              help="A folder of the agent's --model-dir, where models are put  [default: DATA/deployed]")  # fmt: skip
@click.option("--certificate", type=_PATH, metavar="FILE", help="TLS certificate (PEM), with --key.")
@click.option("--key", type=_PATH, metavar="FILE", help="Its private key (PEM).")
@click.option("--config", type=_PATH, metavar="FILE", help="TOML file with a table [buckets]; see docs/settings.md.")
@sign_key_option
@socket_option
def serve(
    data: Path, host: str, port: int, deploy_to: Path | None, certificate: Path | None, key: Path | None,
    config: Path | None, sign_key: Path | None, socket: str,
) -> None:  # fmt: skip
    """Serve the API alone, without the studio's page."""
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise StudioError(f"{path} is not there, expected a PEM file")
    require_packages()
    from edge_agent.studio.aws.server import Options as ApiOptions
    from edge_agent.studio.server import Options, run

    data = data.absolute()
    target = (deploy_to or data / "deployed").absolute()
    api = ApiOptions(host, port, load_settings({}, config=config).buckets, certificate, key)

    def tell() -> None:
        click.echo(f"the service's API and S3 at {api.address}, data in {data}; end it with Ctrl-C")
        addresses = f"AWS_ENDPOINT_URL_LOOKOUTVISION={api.address} AWS_ENDPOINT_URL_S3={api.address}"
        click.echo(f"for clients: export {addresses}")
        click.echo(f"an agent that is to serve the models: edge-agent serve --model-dir {target}")

    run(Options(data, host, port, socket, target, certificate, key, api, pages=False, sign_key=sign_key), tell)


@command.group(epilog="Example: edge-agent cloud keys add laptop --scope administer")
def keys() -> None:
    """Say who may call: access keys of this machine's own."""


@keys.command(epilog="Example: edge-agent cloud keys add laptop --scope administer")
@click.argument("name")
@click.option("--scope", type=click.Choice(get_args(Scope)), default="use", show_default=True,
              help="read: look; use: start, stop and ask models, write objects; administer: everything.")  # fmt: skip
@data_option
@json_option
def add(name: str, scope: Scope, data: Path, as_json: bool) -> None:
    """Make an access key, and print it as ~/.aws/credentials has it. From the first key on, all calls are checked."""
    from edge_agent.studio.aws.keys import AccessKeys

    made = AccessKeys(data).add(name, scope)
    if as_json:
        print_json({"AccessKeyId": made.id, "SecretAccessKey": made.secret, "Scope": made.scope, "Name": made.name})
        return
    click.echo(f"[{name}]\naws_access_key_id = {made.id}\naws_secret_access_key = {made.secret}")


@keys.command("list", epilog="Example: edge-agent cloud keys list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List the access keys, without their secrets."""
    from edge_agent.studio.aws.keys import AccessKeys

    found = AccessKeys(data).all()
    if as_json:
        print_json(
            [{"AccessKeyId": key.id, "Name": key.name, "Scope": key.scope, "Created": key.created} for key in found]
        )
        return
    rows = [
        (key.id, key.name, key.scope, time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created))) for key in found
    ]
    print_table(("KEY", "NAME", "SCOPE", "CREATED"), rows)


@keys.command(epilog="Example: edge-agent cloud keys remove EDGEABCDEFGHIJKLMNOP")
@click.argument("id_", metavar="KEY")
@data_option
def remove(id_: str, data: Path) -> None:
    """Remove an access key; it is nobody's from the next call on."""
    from edge_agent.studio.aws.keys import AccessKeys

    AccessKeys(data).remove(id_)


@command.command("install-client", epilog="Example: edge-agent cloud install-client --endpoint http://127.0.0.1:8502")
@click.option("--output", type=_PATH, metavar="DIR", help="Folder of botocore's models  [default: ~/.aws/models]")
@click.option("--endpoint", default=f"http://127.0.0.1:{DEFAULT_PORT}", show_default=True, metavar="URL",
              help="Address to name in what is printed.")  # fmt: skip
def install_client(output: Path | None, endpoint: str) -> None:
    """Give boto3 and the AWS CLI back what they lost with botocore 1.40.61: the model of the service, and paginators.

    The model is our own, written from the table by which the server works. Nothing else of boto3 is changed.
    """
    from edge_agent.studio.aws.client_model import paginators, service_model
    from edge_agent.studio.aws.table.operations import VERSION
    from edge_agent.studio.store.writing import write_file

    default = Path("~/.aws/models").expanduser()
    folder = (output or default) / "lookoutvision" / VERSION
    for name, content in (("service-2.json", service_model()), ("paginators-1.json", paginators())):
        try:
            write_file(folder / name, json.dumps(content, indent=1).encode())
        except OSError as error:
            raise StudioError(f"{folder / name} can't be written: {describe_refusal(error)}") from None
    click.echo(f"{folder} has service-2.json and paginators-1.json")
    if output is not None and os.path.abspath(output) != str(default):  # noqa: PTH100, links stay as they are written
        click.echo(f"botocore looks there with:\n    export AWS_DATA_PATH={output.absolute()}")
    click.echo(
        "To point scripts to the endpoint:\n"
        f"    export AWS_ENDPOINT_URL_LOOKOUTVISION={endpoint} AWS_ENDPOINT_URL_S3={endpoint}\n"
        "or, for profiles such as lookoutvision-access, in ~/.aws/config:\n"
        "    [profile lookoutvision-access]\n"
        "    region = us-east-1\n"
        f"    endpoint_url = {endpoint}\n"
        "Clients want a region and keys, any where `edge-agent cloud keys list` is empty:\n"
        "    export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
    )
