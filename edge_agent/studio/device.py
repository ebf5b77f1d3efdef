"""The agent of this device, as the studio sees it: a client like any other, and the folder in which it finds models."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.component.ed25519 import PrivateKey
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.component.version import parse_version
from edge_agent.component.writing import write_component
from edge_agent.delivery.signing import sign_component
from edge_agent.errors import AgentUnreachable, CallFailed, StudioError
from edge_agent.studio.store.store import Store

_SECONDS = 10.0


class Served(msgspec.Struct, frozen=True):
    """A model as the agent knows it; `deployed` is the version that was put there from here, "" for none."""

    name: str
    status: str
    message: str
    deployed: str


class DeviceState(msgspec.Struct, frozen=True):
    """Whether an agent answers, and what it says of its models."""

    socket: str
    reachable: bool
    problem: str
    folder: str
    models: list[Served]


class Device:
    """The agent behind a socket, and a folder that it serves. With a `key`, what is put there is signed with it."""

    def __init__(self, store: Store, socket: str, folder: Path, key: PrivateKey | None = None) -> None:
        self._store, self.socket, self.folder, self._key = store, socket, folder, key

    @property
    def signs(self) -> bool:
        """Tell whether what is put into the agent's folder is signed."""
        return self._key is not None

    def state(self) -> DeviceState:
        """Ask the agent for its models."""
        from edge_agent.client.client import Client

        try:
            with Client(self.socket, timeout=_SECONDS) as client:
                models = [Served(m.name, m.status, m.message, self.deployed(m.name)) for m in client.models()]
        except (AgentUnreachable, CallFailed) as error:
            return DeviceState(self.socket, reachable=False, problem=str(error), folder=str(self.folder), models=[])
        return DeviceState(self.socket, reachable=True, problem="", folder=str(self.folder), models=models)

    def deployed(self, name: str) -> str:
        """Return the version of a model that lies in the agent's folder, "" for none."""
        versions = []
        for place in (self.folder / name).glob(f"*/{FILE_NAME}"):
            try:
                versions.append((parse_version(place.parent.name), place.parent.name))
            except ValueError:
                continue
        return max(versions)[1] if versions else ""

    def deploy(self, name: str, version: str) -> None:
        """Put a version into the agent's folder in place of any other; a model that runs changes over to it.

        The agent serves the newest version that is there. What it serves now goes on until the other has taken over, so
        the other versions can go at once.

        Raises:
            NotThere: there is no such version.
            StudioError: the folder can't be written to.
            EdgeAgentError: it can't be signed.
        """
        source = self._store.models.folder(name, version)
        with self._preparing() as folder:
            copy = folder / "component"
            shutil.copytree(source, copy)
            self._put(copy, name, version, folder)

    def host(self, name: str, version: str, *, under: str, instances: int) -> None:
        """Put a version into the agent's folder under another name, to be run by so many workers.

        Raises:
            NotThere, StudioError, EdgeAgentError: as `deploy`.
        """
        source = self._store.models.folder(name, version)
        with self._preparing() as folder:
            content = (source / FILE_NAME).read_bytes()
            manifest = decode_manifest(content, source=str(source / FILE_NAME))
            names = [field for field in Manifest.__struct_fields__ if field not in ("format", "artifacts")]
            fields = {field: getattr(manifest, field) for field in names} | {"name": under, "instances": instances}
            files = {artifact.path: (source / artifact.path).read_bytes() for artifact in manifest.artifacts}
            made = write_component(folder, files, **fields)
            self._put(made, under, manifest.version, folder)

    @contextlib.contextmanager
    def _preparing(self) -> Iterator[Path]:
        """Give a folder beside the models, which the agent does not look at."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".deploying-", dir=self.folder) as temporary:
                yield Path(temporary)
        except OSError as error:
            raise StudioError(f"{self.folder} can't be written to: {error.strerror}") from None

    def _put(self, made: Path, name: str, version: str, folder: Path) -> None:
        """Move a component to its place, and others of its name to `folder`."""
        if self._key is not None:
            sign_component(made, self._key)
        target = self.folder / name / version
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            target.rename(folder / "replaced")
        made.rename(target)
        for other in target.parent.iterdir():
            if other != target and (other / FILE_NAME).is_file():
                other.rename(folder / f"removed-{other.name}")

    def start(self, name: str) -> None:
        """Start a model; it is not waited for. AgentUnreachable and CallFailed as the client's."""
        from edge_agent.client.client import Client

        with Client(self.socket, timeout=_SECONDS) as client:
            client.start(name, wait=False)

    def stop(self, name: str) -> None:
        """Stop a model. AgentUnreachable and CallFailed as the client's."""
        from edge_agent.client.client import Client

        with Client(self.socket, timeout=60.0) as client:
            client.stop(name)
