"""Plays a Greengrass nucleus in a deployment, as the classic nucleus and nucleus lite were seen to do it.

Folders as on a device, references replaced, phases run as the user that a device has for components. Where lite is
stricter than the recipe format, this is too: it refuses what the real one would cut off or leave out.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml

from tests.support.daemon import PATIENCE, wait_until

Flavour = Literal["classic", "lite"]

_NOBODY = 65534  # stands for ggc_user
_REFERENCE = re.compile(r"\{([a-zA-Z]+):([^{}\s]+)\}")


class Component:
    """A deployed component and the process of its run phase."""

    def __init__(self, recipe: Mapping[str, Any], lifecycle: Mapping[str, Any]) -> None:
        self.recipe, self.lifecycle = recipe, lifecycle
        self.name: str = recipe["ComponentName"]
        self.version: str = recipe["ComponentVersion"]
        self.configuration: dict[str, str] = dict(
            recipe.get("ComponentConfiguration", {}).get("DefaultConfiguration", {})
        )
        self.process: subprocess.Popen[str] | None = None


def _is_there(leader: subprocess.Popen[str] | None) -> bool:
    """Tell whether a process of this group runs; one that nobody has reaped does not."""
    assert leader is not None
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == leader.pid and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


class Nucleus:
    """A core device in a folder."""

    def __init__(self, root: Path, flavour: Flavour) -> None:
        self.root, self.flavour = root, flavour
        self.components: dict[str, Component] = {}
        self.is_privileged = os.geteuid() == 0

    # Deploying

    def deploy(
        self, folder: Path, *, local: bool, architecture: str, configuration: Mapping[str, str] | None = None
    ) -> Component:
        """Deploy the component in `folder`, a recipe and zips; a local deployment does not unpack them."""
        component = self.place(folder, local=local, architecture=architecture, configuration=configuration)
        # As lite does it: what ran before runs on while the new version is installed.
        if "install" in component.lifecycle:
            self.run_phase(component, "install")
        self.take_over(component)
        return component

    def place(
        self, folder: Path, *, local: bool, architecture: str, configuration: Mapping[str, str] | None = None
    ) -> Component:
        """Put a component where its phases find it, and begin none of them: the first step of a deployment."""
        (recipe_path,) = [path for path in folder.iterdir() if path.suffix in (".json", ".yaml")]
        recipe = yaml.safe_load(recipe_path.read_text())
        manifest = next(one for one in recipe["Manifests"] if self._takes(one["Platform"], architecture))
        component = Component(recipe, manifest["Lifecycle"])
        component.configuration |= configuration or {}
        self._place_artifacts(component, folder, manifest.get("Artifacts", []), local=local)
        work = self.work(component)
        work.mkdir(parents=True, exist_ok=True)
        if self.is_privileged:
            os.chown(work, _NOBODY, _NOBODY)
        work.chmod(0o750 if self.flavour == "classic" else 0o755)
        return component

    def take_over(self, component: Component) -> None:
        """End what ran before, and begin with what has been installed: the last step of a deployment."""
        before = self.components.pop(component.name, None)
        if before is not None:
            self._end(before)
        self.components[component.name] = component
        self._begin(component)
        if before is not None and before.version != component.version:
            self._delete_artifacts(before)

    def remove(self, name: str) -> None:
        """Take a component out of the deployment."""
        component = self.components.pop(name)
        self._end(component)
        self._delete_artifacts(component)

    def kill(self, component: Component) -> None:
        """Kill a component's processes, as a loss of power does."""
        assert component.process is not None
        os.killpg(component.process.pid, signal.SIGKILL)
        component.process.wait(PATIENCE)
        wait_until(lambda: not _is_there(component.process), f"every process of {component.name} has ended")

    def stop(self) -> None:
        """End every process."""
        for component in reversed(list(self.components.values())):
            self._end(component)

    def _takes(self, platform: Mapping[str, str], architecture: str) -> bool:
        if self.flavour == "lite" and platform.get("runtime") not in ("*", "aws_nucleus_lite"):
            return False
        return platform["os"] == "linux" and platform.get("architecture", architecture) == architecture

    def _place_artifacts(self, component: Component, folder: Path, artifacts: list[Any], *, local: bool) -> None:
        target = self.artifacts(component)
        target.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.zip"):
            shutil.copy(path, target)
        for artifact in [] if local else artifacts:
            stem = Path(artifact["Uri"]).stem
            if artifact.get("Unarchive") == "ZIP":
                with zipfile.ZipFile(target / f"{stem}.zip") as archive:
                    archive.extractall(self.unarchived(component) / stem)

    def _delete_artifacts(self, component: Component) -> None:
        for folder in (self.artifacts(component), self.unarchived(component)):
            shutil.rmtree(folder, ignore_errors=True)

    # Phases

    def _begin(self, component: Component) -> None:
        phases = set(component.lifecycle) & {"run", "startup"}
        assert phases, "lite refuses a component without run and startup"
        if "startup" in phases:
            self.run_phase(component, "startup")
        else:
            component.process = self.launch(component, "run")

    def run_phase(self, component: Component, phase: str) -> str:
        """Run a phase to its end and return what it printed; it must succeed."""
        process = self.launch(component, phase)
        output, _ = process.communicate(timeout=2 * PATIENCE)
        assert process.returncode == 0, (
            f"{phase} of {component.name} {component.version} ended with {process.returncode}: {output!r}"
        )
        return output

    def _end(self, component: Component) -> None:
        if component.process is not None and component.process.poll() is None:
            os.killpg(component.process.pid, signal.SIGTERM)
            component.process.wait(PATIENCE)
            # As a nucleus does, whose supervisor waits for the whole group: the shell may be gone before the agent.
            wait_until(lambda: not _is_there(component.process), f"every process of {component.name} has ended")
        if self.flavour == "classic" and "shutdown" in component.lifecycle:  # lite has no such phase
            self.run_phase(component, "shutdown")

    def launch(self, component: Component, phase: str) -> subprocess.Popen[str]:
        step = component.lifecycle[phase]
        step = {"Script": step} if isinstance(step, str) else step
        root = self.is_privileged and str(step.get("RequiresPrivilege", False)).lower() == "true"
        user: dict[str, Any] = {}
        if self.is_privileged and not root:
            user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        variables = {**component.lifecycle.get("Setenv", {}), **step.get("Setenv", {})}
        environment = {name: self.replace(component, value) for name, value in variables.items()}
        with self._log_path(component).open("a") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", self.replace(component, step["Script"])],
                cwd=self.work(component),
                env={"PATH": "/usr/bin:/bin", "HOME": str(self.work(component)), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log if phase == "run" else subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                **user,
            )

    def replace(self, component: Component, text: str) -> str:
        """Replace the references in a script or a variable; lite knows few, and ends the script at any other `{`."""
        slash = "/" if self.flavour == "lite" else ""
        known = {
            ("artifacts", "path"): f"{self.artifacts(component)}{slash}",
            ("artifacts", "decompressedPath"): f"{self.unarchived(component)}{slash}",
            ("work", "path"): f"{self.work(component)}{slash}",
            ("kernel", "rootPath"): str(self.root),
            **{("configuration", f"/{key}"): value for key, value in component.configuration.items()},
        }
        replaced = _REFERENCE.sub(lambda match: known.get((match[1], match[2]), match[0]), text)
        assert self.flavour != "lite" or "{" not in _REFERENCE.sub("", text), f"lite would cut off {text!r}"
        assert not _REFERENCE.search(replaced), f"nothing is known of a reference in {replaced!r}"
        return replaced

    # Folders

    def artifacts(self, component: Component) -> Path:
        return self.root / "packages" / "artifacts" / component.name / component.version

    def unarchived(self, component: Component) -> Path:
        return self.root / "packages" / "artifacts-unarchived" / component.name / component.version

    def work(self, component: Component) -> Path:
        return self.root / "work" / component.name

    def log(self, component: Component) -> str:
        """Return what the component's run phase has printed."""
        return self._log_path(component).read_text()

    def _log_path(self, component: Component) -> Path:
        return self.root / f"{component.name}.log"


@contextmanager
def running_nucleus(flavour: Flavour) -> Iterator[Nucleus]:
    """A device whose folders every user can pass, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-nucleus-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        nucleus = Nucleus(root, flavour)
        try:
            yield nucleus
        finally:
            nucleus.stop()
