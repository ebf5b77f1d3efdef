"""The agent of this device, as the studio sees it: a client like any other, and the folder in which it finds models."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from edge_agent.component.manifest import FILE_NAME
from edge_agent.component.version import parse_version
from edge_agent.errors import AgentUnreachable, CallFailed, ComponentError, StudioError
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
    """The agent behind a socket, and a folder that it serves."""

    def __init__(self, store: Store, socket: str, folder: Path, state: Path) -> None:
        self._store, self.socket, self.folder, self._state = store, socket, folder, state

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
        if found is None:
            return Served(name, status, message, self.deployed(name))
        shadow = "@".join(filter(None, (found["model"], found["version"])))
        told = (message[: found.start()] + message[found.end() :]).strip("; ")
        return Served(name, status, told, self.deployed(name), shadow, found["text"])

    def _unserved(self) -> list[Served]:
        """List what lies in the agent's folder while no agent answers."""
        names = sorted({place.parent.parent.name for place in self.folder.glob(f"*/*/{FILE_NAME}")})
        return [Served(name, "", "", self.deployed(name)) for name in names]

    def _is_shadow(self, name: str) -> bool:
        """Tell whether a model is a copy that was put there to be a shadow."""
        return name.endswith(_SHADOW) and bool(self.deployed(name.removesuffix(_SHADOW)))

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
        """
        source = self._store.models.folder(name, version)
        target = self.folder / name / version
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".deploying-", dir=target.parent) as temporary:
                copy = Path(temporary) / "component"
                shutil.copytree(source, copy)
                if target.exists():
                    target.rename(Path(temporary) / "replaced")
                copy.rename(target)
                _remove_others(target, Path(temporary))
        except OSError as error:
            raise StudioError(f"{self.folder} can't be written to: {error.strerror}") from None

    def shadow(self, name: str, version: str) -> None:
        """Have a version judge the pictures of the one that is deployed, of which clients are told nothing.

        It lies beside it under a name of its own, NAME-shadow, since the agent serves the newest version of a name.

        Raises:
            NotThere: there is no such version.
            StudioError: nothing is deployed, or the agent does not see what is.
            AgentUnreachable, CallFailed: as the client's; the agent says why it can't be a shadow.
        """
        from edge_agent.client.client import Client

        if not self.deployed(name):
            raise StudioError(f"no version of '{name}' is deployed, whose pictures another could judge")
        other = name + _SHADOW
        if (self._store.layout.projects / other).exists():
            raise StudioError(f"there is a project '{other}', whose name the shadow of '{name}' would need")
        with Client(self.socket, timeout=_SECONDS) as client:
            try:
                target = self._store.models.copy(name, version, self.folder, {"name": other}, {"shadow_of": name})
                with tempfile.TemporaryDirectory(prefix=".removed-", dir=target.parent) as temporary:
                    _remove_others(target, Path(temporary))
            except (OSError, ComponentError) as error:
                raise StudioError(f"{self.folder} can't be written to: {error}") from None
            end = time.monotonic() + _SECONDS
            while other not in (known := [model.name for model in client.models()]) and time.monotonic() < end:
                time.sleep(_LOOK_SECONDS)
            if other not in known:
                raise StudioError(f"the agent does not see what lies in {self.folder}; it needs --model-dir")
            client.shadow(name, other, version)

    def end_shadow(self, name: str) -> None:
        """Have no other version judge any more. AgentUnreachable and CallFailed as the client's."""
        from edge_agent.client.client import Client

        with Client(self.socket, timeout=_SECONDS) as client:
            client.shadow(name)
        if self._is_shadow(name + _SHADOW):
            aside = self.folder / f".removed-{name}{_SHADOW}"
            with contextlib.suppress(OSError):
                (self.folder / (name + _SHADOW)).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

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


def _remove_others(target: Path, aside: Path) -> None:
    """Put the other versions of a model aside."""
    for other in target.parent.iterdir():
        if other != target and (other / FILE_NAME).is_file():
            other.rename(aside / f"removed-{other.name}")
