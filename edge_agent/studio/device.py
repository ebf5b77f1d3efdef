"""The agent of this device, as the studio sees it: a client like any other, and the folder in which it finds models."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.component.ed25519 import PrivateKey
from edge_agent.component.manifest import FILE_NAME
from edge_agent.component.version import parse_version
from edge_agent.delivery.signing import sign_component
from edge_agent.errors import AgentUnreachable, CallFailed, StudioError
from edge_agent.studio.store.layout import LONGEST_COMPONENT, shortened
from edge_agent.studio.store.store import Store

_SECONDS = 10.0
#: a shadow is served under a name of its own: of one name, the agent would serve the newer version to everybody
_SHADOW = "-shadow"
_LOOK_SECONDS = 0.2
#: what the agent says of a model that has a shadow, somewhere in its text
_SHADOW_TEXT = re.compile(r"(?:^|; )shadow (?P<model>[^\s@:]+)(?:@(?P<version>[^\s:]+))?: (?P<text>[^;]*)")


class Served(msgspec.Struct, frozen=True):
    """A model as the agent knows it; `deployed` is the version that was put there from here, "" for none."""

    name: str
    status: str
    message: str
    deployed: str
    #: what judges the same pictures, MODEL@VERSION, and how that stands; "" for none
    shadow: str = ""
    shadow_text: str = ""


class DeviceState(msgspec.Struct, frozen=True):
    """Whether an agent answers, and what it says of its models."""

    socket: str
    reachable: bool
    problem: str
    folder: str
    models: list[Served]
    #: the agent that this studio needs, as a command
    command: list[str] = []


class Device:
    """The agent behind a socket, and a folder that it serves. With a `key`, what is put there is signed with it."""

    def __init__(self, store: Store, socket: str, folder: Path, state: Path, key: PrivateKey | None = None) -> None:
        self._store, self.socket, self.folder, self._state, self._key = store, socket, folder, state, key

    @property
    def signs(self) -> bool:
        """Tell whether what is put into the agent's folder is signed."""
        return self._key is not None

    def state(self) -> DeviceState:
        """Ask the agent for its models."""
        from edge_agent.client.client import Client

        try:
            with Client(self.socket, timeout=_SECONDS) as client:
                models = [self._served(found.name, found.status, found.message) for found in client.models()]
        except (AgentUnreachable, CallFailed) as error:
            return self._said(reachable=False, problem=str(error), models=self._unserved())
        return self._said(reachable=True, problem="", models=models)

    def _said(self, *, reachable: bool, problem: str, models: list[Served]) -> DeviceState:
        command = ["edge-agent", "serve", "--socket", self.socket, "--model-dir", str(self.folder), "--state-dir",
                   str(self._state), "--keep-mib", "1024"]  # fmt: skip
        shown = [model for model in models if not self._is_shadow(model.name)]
        return DeviceState(self.socket, reachable, problem, str(self.folder), shown, command)

    def _served(self, name: str, status: str, message: str) -> Served:
        found = _SHADOW_TEXT.search(message)
        name = self._store.projects.name_of(name)
        if found is None:
            return Served(name, status, message, self.deployed(name))
        shadow = "@".join(filter(None, (found["model"], found["version"])))
        told = (message[: found.start()] + message[found.end() :]).strip("; ")
        return Served(name, status, told, self.deployed(name), shadow, found["text"])

    def _unserved(self) -> list[Served]:
        """List what lies in the agent's folder while no agent answers."""
        names = sorted({place.parent.parent.name for place in self.folder.glob(f"*/*/{FILE_NAME}")})
        return [Served(self._store.projects.name_of(name), "", "", self.deployed(name)) for name in names]

    def _is_shadow(self, name: str) -> bool:
        """Tell whether a model is a copy that was put there to be a shadow."""
        return name.endswith(_SHADOW) and name in {_shadow_of(place.name) for place in self.folder.glob("*")}

    def deployed(self, name: str) -> str:
        """Return the version of a model that lies in the agent's folder, "" for none."""
        versions = []
        for place in (self.folder / shortened(name)).glob(f"*/{FILE_NAME}"):
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
            self._put(copy, shortened(name), version, folder)

    def host(self, name: str, version: str, *, under: str, instances: int = 0) -> None:
        """Put a version into the agent's folder under another name.

        So many workers run it; with 0 of them, those of its manifest.

        Raises:
            NotThere, StudioError, EdgeAgentError: as `deploy`.
        """
        changed = {"name": under, **({"instances": instances} if instances else {})}
        with self._preparing() as folder:
            self._put(self._store.models.copy(name, version, folder, changed), under, version, folder)

    def shadow(self, name: str, version: str) -> None:
        """Have a version judge the pictures of the one that is deployed, of which clients are told nothing.

        It lies beside it under a name of its own, NAME-shadow, since the agent serves the newest version of a name.

        Raises:
            NotThere: there is no such version.
            StudioError: nothing is deployed.
            AgentUnreachable, CallFailed: as the client's; the agent says why it can't be a shadow.
        """
        from edge_agent.client.client import Client

        if not self.deployed(name):
            raise StudioError(f"no version of '{name}' is deployed, whose pictures another could judge")
        other = _shadow_of(name)
        if (self._store.layout.projects / other).exists():
            raise StudioError(f"there is a project '{other}', whose name the shadow of '{name}' would need")
        with Client(self.socket, timeout=_SECONDS) as client:
            self.host(name, version, under=other)
            end = time.monotonic() + _SECONDS
            while True:  # the agent looks into its folder every second
                try:
                    client.shadow(shortened(name), other, version)
                except CallFailed as error:
                    if error.code != "NOT_FOUND" or time.monotonic() > end:
                        raise
                    time.sleep(_LOOK_SECONDS)
                else:
                    return

    def end_shadow(self, name: str) -> None:
        """Have no other version judge any more. AgentUnreachable and CallFailed as the client's."""
        from edge_agent.client.client import Client

        with Client(self.socket, timeout=_SECONDS) as client:
            client.shadow(shortened(name))
        other = _shadow_of(name)
        if self._is_shadow(other):
            aside = self.folder / f".removed-{other}"
            with contextlib.suppress(OSError):
                (self.folder / other).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    @contextlib.contextmanager
    def _preparing(self) -> Iterator[Path]:
        """Give a folder beside the models, which the agent does not look at."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".deploying-", dir=self.folder) as temporary:
                yield Path(temporary)
        except OSError as error:
            raise StudioError(f"{self.folder} can't be written to: {describe_refusal(error)}") from None

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
            client.start(shortened(name), wait=False)

    def stop(self, name: str) -> None:
        """Stop a model. AgentUnreachable and CallFailed as the client's."""
        from edge_agent.client.client import Client

        with Client(self.socket, timeout=60.0) as client:
            client.stop(shortened(name))


def _shadow_of(name: str) -> str:
    """Give the name under which a version is served that judges the pictures of a project's model."""
    return shortened(name, LONGEST_COMPONENT - len(_SHADOW)) + _SHADOW
