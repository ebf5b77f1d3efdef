"""edge-agent studio."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from edge_agent.cli.output import print_table, socket_option
from edge_agent.errors import StudioError
from edge_agent.settings import load_settings

_PATH = click.Path(path_type=Path, readable=False)
data_option = click.option(
    "--data",
    type=_PATH,
    default="edge-agent-studio",
    show_default=True,
    envvar="EDGE_AGENT_STUDIO_DATA",
    metavar="DIR",
    help="Folder for projects, models and jobs.",
)
sign_key_option = click.option(
    "--sign-key",
    type=_PATH,
    metavar="KEY.pem",
    help="Private key with which models are signed that the agent gets, for one with require_signature.",
)


@click.group(invoke_without_command=True, epilog="Example: edge-agent studio --data studio --port 8501")
@data_option
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; any but loopback asks people to sign in.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to listen on.")
@click.option("--deploy-to", type=_PATH, metavar="DIR",
              help="A folder of the agent's --model-dir, where models are put  [default: DATA/deployed]")  # fmt: skip
@click.option("--lines", type=_PATH, metavar="DIR",
              help="Folder of the line files that the page shows and edits  [default: DATA/lines]")  # fmt: skip
@click.option("--certificate", type=_PATH, metavar="FILE", help="TLS certificate (PEM), with --key.")
@click.option("--key", type=_PATH, metavar="FILE", help="Its private key (PEM).")
@click.option("--trusted-proxy", "proxies", multiple=True, metavar="ADDRESS",
              help="A reverse proxy whose X-Forwarded-For and -Proto are believed; several are possible.")  # fmt: skip
@click.option("--aws-port", type=click.IntRange(1, 65535), metavar="PORT",
              help="Serve the cloud service's API and a small S3 too, here; see edge-agent cloud.")  # fmt: skip
@click.option("--config", type=_PATH, metavar="FILE", help="TOML file with a table [buckets], for --aws-port.")
@sign_key_option
@socket_option
@click.option("--state-dir", metavar="DIR", help="State folder of the agent, as for serve: its records are there.")
@click.pass_context
def command(
    ctx: click.Context, data: Path, host: str, port: int, deploy_to: Path | None, certificate: Path | None,
    key: Path | None, lines: Path | None, aws_port: int | None, config: Path | None, sign_key: Path | None, socket: str,
    state_dir: str | None, proxies: tuple[str, ...],
) -> None:  # fmt: skip
    """Serve a page on which a line is set up and taught: pictures, labels, masks, training, trials, deployment.

    Everything stays in the folder DATA on this machine: datasets as manifests, models as components, which all other
    commands read too.
    """
    if ctx.invoked_subcommand is not None:
        return
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise StudioError(f"{path} is not there, expected a PEM file")
    require_packages()
    from edge_agent.studio.server import Options, run

    data = data.absolute()
    address = f"http{'s' if key else ''}://{f'[{host}]' if ':' in host else host}:{port}"
    target = (deploy_to or data / "deployed").absolute()
    api = None
    if aws_port is not None:
        from edge_agent.studio.aws.server import Options as ApiOptions

        api = ApiOptions(host, aws_port, load_settings({}, config=config).buckets, certificate, key)
    state = Path(load_settings({"state_dir": state_dir} if state_dir else {}, config=config).state_dir).absolute()
    options = Options(
        data,
        host,
        port,
        socket,
        target,
        certificate,
        key,
        api,
        state=state,
        sign_key=sign_key,
        proxies=proxies,
        lines=(lines or data / "lines").absolute(),
    )

    def tell() -> None:
        click.echo(f"studio at {address}, data in {data}; end it with Ctrl-C")
        if api is not None:
            click.echo(f"the service's API and S3 at {api.address}")
        click.echo(f"an agent that is to serve what is deployed: edge-agent serve --model-dir {target}")

    run(options, tell)


@command.command(epilog="Example: edge-agent studio reindex --data studio")
@data_option
def reindex(data: Path) -> None:
    """Make the index anew, after somebody has copied files in or out of the data folder."""
    from edge_agent.studio.store.reindex import reindex
    from edge_agent.studio.store.store import Store

    if not data.is_dir():
        raise StudioError(f"{data} is not there, expected the folder of a studio")
    with contextlib.closing(Store(data)) as store:
        found = reindex(store)
    for problem in found.problems:
        click.echo(f"note: {problem}", err=True)
    click.echo(f"{found.projects} projects with {found.pictures} pictures")


@command.group(epilog="Example: edge-agent studio user add anna --role engineer --data studio")
def user() -> None:
    """Say who may use the studio from other machines."""


@user.command(epilog="Example: edge-agent studio user add anna --role operator")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator", "engineer"]), default="operator", show_default=True,
              help="viewer: look; operator: label, paint, try; engineer: everything.")  # fmt: skip
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="EDGE_AGENT_STUDIO_PASSWORD",
              help="Asked for if not given (also the variable EDGE_AGENT_STUDIO_PASSWORD).")  # fmt: skip
@data_option
def add(name: str, role: str, password: str, data: Path) -> None:
    """Add a user, or give one another role and password."""
    from edge_agent.studio.access.users import Users
    from edge_agent.studio.store.store import Store

    with contextlib.closing(Store(data)) as store:
        Users(store.database).set(name, role, password)  # type: ignore[arg-type]
    click.echo(f"{name} may sign in as {role}; a studio that runs has to be started again if it had no users before")


@user.command(epilog="Example: edge-agent studio user remove anna")
@click.argument("name")
@data_option
def remove(name: str, data: Path) -> None:
    """Remove a user, whose sessions end at once."""
    from edge_agent.studio.access.users import Users
    from edge_agent.studio.store.store import Store

    with contextlib.closing(Store(data)) as store:
        Users(store.database).remove(name)


@user.command("list", epilog="Example: edge-agent studio user list --data studio")
@data_option
def list_(data: Path) -> None:
    """List the users."""
    from edge_agent.studio.access.users import Users
    from edge_agent.studio.store.store import Store

    with contextlib.closing(Store(data)) as store:
        print_table(("NAME", "ROLE"), [tuple(found) for found in Users(store.database).all()])


def require_packages() -> None:
    try:
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise StudioError(
            f"the studio needs the package '{error.name}'; install edge-agent with its extra [studio]"
        ) from None
