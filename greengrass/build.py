"""Build the Greengrass components of agent, studio, line and client: recipe, and zips to install without network.

    python greengrass/build.py agent --location s3://BUCKET/PREFIX
    python greengrass/build.py studio --location s3://BUCKET/PREFIX
    python greengrass/build.py line --name EdgeAgentLineFlange --location s3://BUCKET/PREFIX
    python greengrass/build.py client --model cookies --location s3://BUCKET/PREFIX

writes DIR/NAME/VERSION/: the recipe, and for each architecture a zip with the wheels of several Python versions. The
device takes those that fit its Python; it reaches no package registry. Needs network here, and an environment with
edge-agent's extra [dev].
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import yaml

from edge_agent.component.version import parse_version
from edge_agent.delivery.artifact import add_file
from edge_agent.delivery.modes import make_folder, open_to_readers
from edge_agent.delivery.publishing import parse_place
from edge_agent.delivery.recipe import ARCHITECTURES, DEFAULT_AGENT, write_recipe, zip_artifact
from edge_agent.errors import EdgeAgentError, PackagingError
from edge_agent.hardware.processor import ARCHITECTURES as MACHINES
from edge_agent.version import __version__

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

#: the tags of wheels that devices with glibc 2.28 and newer take
_MANYLINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
#: how AWS' own agent was called
AWS_AGENT = "aws.iot.lookoutvision.EdgeAgent"
#: of Ubuntu 22.04 (JetPack 6), Debian 12, Ubuntu 24.04 (JetPack 7) and Debian 13
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


class Kind(NamedTuple):
    """What distinguishes the components that are built here."""

    recipe: Path
    stem: str
    files: Sequence[Path]
    requirements: Sequence[str]
    #: of edge-agent, if it is in it; "" for a component that does without
    extras: str


AGENT = Kind(
    HERE / "agent" / "recipe.yaml",
    "edge_agent",
    (HERE / "install.sh", HERE / "agent" / "registry.sh", HERE / "predecessors.py"),
    (),
    "cpu,signing",
)
STUDIO = Kind(HERE / "studio" / "recipe.yaml", "edge_agent_studio", (HERE / "install.sh",), (), "cpu,signing,studio")
LINE = Kind(HERE / "line" / "recipe.yaml", "edge_agent_line", (HERE / "install.sh",), (), "gpio")
CLIENT = Kind(
    HERE / "client" / "recipe.yaml",
    "edge_agent_client",
    (HERE / "install.sh", HERE / "client" / "list_models.py"),
    ("grpcio", "protobuf>=7.35.1,<8"),
    "",
)
KINDS = {"agent": AGENT, "studio": STUDIO, "line": LINE, "client": CLIENT}


def build(
    kind: Kind, *, name: str, version: str, model: str | None, location: str | None, architectures: Sequence[str],
    pythons: Sequence[str], output: Path, recipe_format: Any,
) -> Path:  # fmt: skip
    """Build a component into <output>/<name>/<version>/ and return that folder.

    Raises:
        PackagingError: it exists already, a wheel can't be had, or the recipe would be refused.
    """
    folder = output / name / version
    if folder.exists():
        raise PackagingError(f"component {name} {version} exists already: {folder}")
    recipe = yaml.safe_load(kind.recipe.read_text())
    recipe |= {"ComponentName": name, "ComponentVersion": version}
    if model is not None:
        recipe["ComponentDependencies"] = {model: recipe["ComponentDependencies"]["model_component"]}
    template = recipe["Manifests"][0]
    recipe["Manifests"] = []
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as temporary:
        unfinished = Path(temporary) / "component"
        unfinished.mkdir()
        own = _own_wheel(Path(temporary)) if kind.extras else None
        for architecture in architectures:
            stem = f"{kind.stem}_{architecture}"
            wheels = Path(temporary) / architecture
            _gather_wheels(kind, own, architecture, pythons, wheels)
            files = {path.name: path for path in kind.files}
            files |= {f"wheels/{path.name}": path for path in wheels.iterdir()}
            if not kind.extras:
                files |= {path.name: path for path in _stubs(Path(temporary) / "stubs")}
            with zipfile.ZipFile(unfinished / f"{stem}.zip", "w") as archive:  # wheels are compressed already
                for path_inside in sorted(files):
                    add_file(archive, path_inside, files[path_inside].read_bytes())
            recipe["Manifests"].append(_manifest(template, architecture, stem, location, name, version))
        written = write_recipe(recipe, recipe_format)
        (unfinished / f"{name}-{version}.{recipe_format}").write_bytes(written)
        open_to_readers(unfinished)
        unfinished.rename(folder)
    return folder


def _manifest(
    template: dict[str, Any], architecture: str, stem: str, location: str | None, name: str, version: str
) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(json.dumps(template).replace("@STEM@", stem).replace("@VERSION@", version))
    manifest["Platform"]["architecture"] = ARCHITECTURES[MACHINES[architecture]]
    if location is not None:
        uri = parse_place(location).uri(name, version, f"{stem}.zip")
        manifest["Artifacts"] = [zip_artifact(uri)]
    return manifest


def _own_wheel(folder: Path) -> Path:
    """Build the wheel of the agent, which is the same for every device."""
    _run("pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("edge_agent-*.whl")).resolve()


def _gather_wheels(kind: Kind, own: Path | None, architecture: str, pythons: Sequence[str], folder: Path) -> None:
    """Put the wheels for each Python version into `folder`, with a list for each and the digest of all."""
    folder.mkdir()
    wanted = list(kind.requirements)
    if own is not None:
        shutil.copy(own, folder)
        wanted.append(f"edge-agent[{kind.extras}] @ {own.as_uri()}")
    for python in pythons:
        tags = [flag for tag in _MANYLINUX for flag in ("--platform", f"{tag}_{architecture}")]
        _run(
            "pip", "download", "--only-binary=:all:", "--no-deps", "--implementation", "cp", "--python-version", python,
            *tags, "--dest", str(folder), *_pins(wanted, architecture, python),
        )  # fmt: skip
        (folder / f"python{python}.txt").write_text("wheels for this Python are here\n")
    digest = hashlib.sha256()
    for wheel in sorted(folder.glob("*.whl")):
        digest.update(hashlib.sha256(wheel.read_bytes()).digest())
    (folder / "sha256.txt").write_text(digest.hexdigest() + "\n")


def _pins(requirements: Sequence[str], architecture: str, python: str) -> list[str]:
    """Choose the version of everything that a device with this Python needs.

    uv, because it evaluates the conditions of dependencies for the device; pip does so for the Python that it runs on.
    """
    compiled = _run(
        "uv", "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate", "--only-binary", ":all:",
        "--python-version", python, "--python-platform", f"{architecture}-manylinux_2_28", "-",
        text="\n".join(requirements),
    )  # fmt: skip
    return [line for line in compiled.splitlines() if line and "@ file:" not in line]


def _run(module: str, *arguments: str, text: str | None = None) -> str:
    """Run a Python module that installs things, and return what it printed."""
    quiet = ("--quiet", "--disable-pip-version-check") if module == "pip" else ()
    done = subprocess.run(
        [sys.executable, "-m", module, *quiet, *arguments], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = "; ".join(line.strip() for line in done.stderr.splitlines() if line.strip()) or "no reason was given"
        raise PackagingError(f"{module} {arguments[0]} failed: {said}")
    return done.stdout


def _stubs(folder: Path) -> list[Path]:
    """Make the client's stubs as the guide's chapter on client applications does."""
    if not folder.exists():
        folder.mkdir()
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'proto'}"]
        command += [f"--python_out={folder}", f"--grpc_python_out={folder}", "edge-agent.proto"]
        subprocess.run(command, check=True)
    return sorted(folder.iterdir())


def _version(given: str | None, name: str, *, is_ours: bool) -> str:
    """Return the component's version: what is given, or what suits the name.

    Fleets that knew AWS' agent depend on it by versions that it had, such as `>=1.0.0 <2.0.0`. Under its name ours has
    a version above those and below 2.0.0, which grows with our own: 0.1.0 is 1.101.0, 0.2.3 1.102.3, 1.4.0 1.204.0.
    """
    if given is not None:
        try:
            parse_version(given)
        except ValueError as error:
            raise PackagingError(f"--component-version: {error}") from None
        return given
    if not is_ours:
        return "1.0.0"
    if name != AWS_AGENT:
        return __version__
    major, minor, patch, *_ = parse_version(__version__)
    return f"1.{100 * (major + 1) + minor}.{patch}"


@click.command()
@click.argument("what", type=click.Choice(list(KINDS)))
@click.option("--name", help=f"Name of the component  [default: {DEFAULT_AGENT}, or that of the guide's client]")
@click.option(
    "--component-version",
    metavar="X.Y.Z",
    help="Its semantic version  [default: the agent's own, 1.101.0 and so on under the name of AWS' agent; 1.0.0]",
)
@click.option("--model", default="cookies", show_default=True, help="Model component that the client depends on.")
@click.option("--location", metavar="s3://BUCKET/PREFIX", help="Where the zips will lie; none for local deployments.")
@click.option("--arch", "architectures", multiple=True, type=click.Choice(list(MACHINES)), help="[default: both]")
@click.option("--python", "pythons", multiple=True, metavar="3.N", help=f"[default: {', '.join(PYTHONS)}]")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("packages"), show_default=True)
@click.option("--recipe-format", type=click.Choice(["json", "yaml"]), default="yaml", show_default=True)
def command(
    what: str, name: str | None, component_version: str | None, model: str, location: str | None,
    architectures: tuple[str, ...], pythons: tuple[str, ...], output: Path, recipe_format: str,
) -> None:  # fmt: skip
    """Build the Greengrass component of the agent, of the studio, of a line, or of the sample client."""
    kind = KINDS[what]
    chosen = name or yaml.safe_load(kind.recipe.read_text())["ComponentName"]
    try:
        folder = build(
            kind,
            name=chosen,
            version=_version(component_version, chosen, is_ours=bool(kind.extras)),
            model=None if kind.extras else model,
            location=location,
            architectures=architectures or tuple(MACHINES),
            pythons=pythons or PYTHONS,
            output=output,
            recipe_format=recipe_format,
        )
    except EdgeAgentError as error:
        raise click.ClickException(str(error)) from None
    for path in sorted(folder.iterdir()):
        click.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    command()
