"""Finds model components: in folders as <model dir>/<name>/<version>/manifest.json, in the registry as <name>.

The registry is where deployed components announce themselves (greengrass/): an entry is a link, named as the component,
to the folder of the one version that is deployed. A link whose folder has gone says nothing any more.

A scan costs a few stat calls a component; files are read and digests computed only for what has changed since the last.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.component.misnamed import describe_misnamed
from edge_agent.component.trust import SIGNATURE_NAME, Trust
from edge_agent.component.version import is_name, parse_version
from edge_agent.errors import ComponentError
from edge_agent.hardware.target import check_processor
from edge_agent.inference.engines.onnx_references import check_references
from edge_agent.inference.engines.onnx_signature import read_signature
from edge_agent.inference.engines.signature import check_signature
from edge_agent.settings import Settings
from edge_agent.shortage import is_shortage

log = logging.getLogger(__name__)

#: stands for the versions in a folder that can't be looked into
UNKNOWN = ""
#: stands for the version of a registered component that can't be served
AS_DEPLOYED = "as deployed"
#: versions of which it is said what is wrong with them
_TOLD = 3


class Component(NamedTuple):
    """One version of a model component that has passed every check that needs no engine."""

    folder: Path
    manifest: Manifest
    #: size, time of change and inode of each of its files
    stamp: tuple[tuple[str, int, int, int], ...]
    #: name of the trusted key that it is signed with, "" for none
    signer: str = ""


class Entry(NamedTuple):
    """What the catalogue says of a name: the version to serve, and what is wrong with others, or with all."""

    component: Component | None
    problem: str
    #: the versions that are there and can't be served
    broken: frozenset[str] = frozenset()


class Catalogue:
    """The components in some folders and a registry; `scan` looks again."""

    def __init__(
        self,
        folders: Sequence[Path],
        pins: Mapping[str, str],
        registry: Path | None = None,
        trust: Trust = Trust(),  # noqa: B008, it is immutable
    ) -> None:
        """Look into `folders` and `registry`; `pins` gives for a name the only version that is served."""
        self._folders, self._pins, self._registry, self._trust = folders, pins, registry, trust
        self._known: dict[Path, tuple[object, Component | str]] = {}
        self._closed: Set[Path] = frozenset()

    @classmethod
    def of(cls, settings: Settings, trust: Trust | None = None) -> Catalogue:
        """Look where the settings say; SettingsError when they don't say whom to trust, unless `trust` does."""
        trust = Trust.of(settings) if trust is None else trust
        return cls(settings.model_dirs, settings.pin, settings.registry_dir, trust)

    def scan(self) -> dict[str, Entry]:
        """Return what is there now, by name. Blocking: meant for a thread.

        Raises:
            OSError: the system has run out of something; nothing is known of what is there.
        """
        found: dict[str, dict[str, Component | str]] = {}
        seen: dict[Path, tuple[object, Component | str]] = {}
        for name, target, problem in _registered(self._registry) if self._registry else ():
            component: Component | str = problem
            if target is not None:
                seen[target] = checked = self._check(name, None, target)
                component = checked[1]
            label = component.manifest.version if isinstance(component, Component) else AS_DEPLOYED
            found.setdefault(name, {})[label] = component
        closed = {folder: reason for folder in self._folders if (reason := _closed(folder))}
        for folder in closed.keys() - self._closed:
            log.warning("the model folder %s can't be read: %s", folder, closed[folder])
        self._closed = closed.keys()
        for folder in self._folders:
            for path in _subfolders(folder):
                if not is_name(path.name):
                    continue
                if reason := _closed(path):
                    found.setdefault(path.name, {})[UNKNOWN] = f"the folder {path} can't be read: {reason}"
                    continue
                for version in _subfolders(path):
                    seen[version] = checked = self._check(path.name, version.name, version)
                    found.setdefault(path.name, {}).setdefault(version.name, checked[1])
        self._known = seen
        return {name: self._choose(name, versions) for name, versions in sorted(found.items())}

    def find(self, name: str, version: str) -> Component | None:
        """Return a version as it was at the last scan, whether it is the one to serve or not; None where it is not."""
        for _, found in self._known.values():
            if isinstance(found, Component) and (found.manifest.name, found.manifest.version) == (name, version):
                return found
        return None

    def _check(self, name: str, version: str | None, folder: Path) -> tuple[object, Component | str]:
        try:
            manifest_stamp = _stamp(folder, FILE_NAME)
        except OSError as error:
            _pass_on_shortage(error)
            missing = isinstance(error, FileNotFoundError)
            if missing and not folder.is_dir():
                return None, f"the folder {folder} is missing"
            reason = "is missing" if missing else f"can not be read: {describe_refusal(error, folder / FILE_NAME)}"
            return None, f"{FILE_NAME} {reason}"
        known = self._known.get(folder)
        if known is not None and known[0] is not None and known[0] == _stamps(folder, manifest_stamp, known[1]):
            return known
        try:
            component = _load(name, version, folder, manifest_stamp, self._trust)
        except (ComponentError, OSError) as error:
            _pass_on_shortage(error)
            problem = str(error)
            return _stamps(folder, manifest_stamp, problem), problem
        return component.stamp, component

    def _choose(self, name: str, versions: Mapping[str, Component | str]) -> Entry:
        """Take the pinned version, or the newest that can be served; a broken newer one is reported, not served."""
        pin = self._pins.get(name)
        if pin is not None:
            if pin not in versions:
                return Entry(None, f"version {pin} is pinned but not there")
            chosen = versions[pin]
            if isinstance(chosen, Component):
                return Entry(chosen, "")
            return Entry(None, _tell(pin, chosen), frozenset({pin}))
        broken = frozenset(version for version, checked in versions.items() if not isinstance(checked, Component))
        problems: list[str] = []
        for version in sorted(versions, key=_order, reverse=True):
            checked = versions[version]
            if isinstance(checked, Component):
                return Entry(checked, _together(problems), broken)
            problems.append(_tell(version, checked))
        return Entry(None, _together(problems), broken)


def read_component(folder: Path) -> Component:
    """Read and check one component, wherever its folder is.

    Raises:
        ComponentError: it can't be served; the text says why.
    """
    try:
        manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source=str(folder / FILE_NAME))
        return _load(manifest.name, None, folder, _stamp(folder, FILE_NAME), Trust())
    except FileNotFoundError:
        raise ComponentError(describe_misnamed(folder)) from None
    except OSError as error:
        raise ComponentError(f"{folder} is not a model component: {FILE_NAME}: {describe_refusal(error)}") from None


def _tell(version: str, problem: str) -> str:
    if version == UNKNOWN:
        return problem
    return f"{version}: {problem}" if version == AS_DEPLOYED else f"version {version}: {problem}"


def _together(problems: list[str]) -> str:
    more = [f"{len(problems) - _TOLD} more versions can't be served"] if len(problems) > _TOLD else []
    return "; ".join([*problems[:_TOLD], *more])


def _order(version: str) -> tuple[int, object]:
    if version == AS_DEPLOYED:
        return 2, ()  # what is deployed and broken is told, whatever else is there
    try:
        return 1, parse_version(version)
    except ValueError:
        return 0, ()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:  # not there yet, not a folder, or not ours to read: edge-agent doctor tells
        _pass_on_shortage(error)
        return []


def _closed(folder: Path) -> str:
    """Say why this process may not look into a folder; "" where it may, or there is none."""
    if os.access(folder, os.R_OK | os.X_OK):
        return ""
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116, a Path would drop the dot, which needs the right to enter
        os.scandir(folder).close()
    except PermissionError as error:
        return describe_refusal(error, folder)
    except OSError:
        return ""
    return ""


def _pass_on_shortage(error: Exception) -> None:
    """Raise an error of a system that has run out of something: it does not mean that a component is broken or gone."""
    if isinstance(error, OSError) and is_shortage(error):
        raise error


def _subfolders(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        with contextlib.suppress(OSError):  # a link that leads nowhere: one bad entry must not hide the others
            if entry.is_dir():
                yield folder / entry.name


def _registered(registry: Path) -> Iterator[tuple[str, Path | None, str]]:
    """Give name and folder of each component in the registry, or name and problem."""
    for entry in _entries(registry):
        if not is_name(entry.name):
            continue
        try:
            if entry.is_dir():  # False where the folder has gone
                yield entry.name, Path(os.path.realpath(entry.path)), ""  # a worker must not see the link change
        except OSError as error:
            yield (
                entry.name,
                None,
                f"the folder {_target(entry.path)} can't be read: {describe_refusal(error, Path(entry.path))}",
            )


def _target(link: str) -> str:
    try:
        return str(Path(link).readlink())
    except OSError:
        return link


def _stamp(folder: Path, path: str) -> tuple[str, int, int, int]:
    status = (folder / path).stat()
    return path, status.st_size, status.st_mtime_ns, status.st_ino


def _stamps(folder: Path, manifest_stamp: tuple[str, int, int, int], checked: Component | str) -> object:
    """Return what has to change before a component is looked at again."""
    try:
        if isinstance(checked, Component):
            return _component_stamp(folder, manifest_stamp, checked.manifest)
        # A broken component is looked at again when any of its files changes: it may be half copied.
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple(_stamp(folder, str(path.relative_to(folder))) for path in files)
    except OSError:  # a file went away just now
        return None


def _component_stamp(
    folder: Path, manifest_stamp: tuple[str, int, int, int], manifest: Manifest
) -> tuple[tuple[str, int, int, int], ...]:
    signature = [_stamp(folder, SIGNATURE_NAME)] if os.path.lexists(folder / SIGNATURE_NAME) else []
    return (manifest_stamp, *signature, *(_stamp(folder, artifact.path) for artifact in manifest.artifacts))


def _load(
    name: str, version: str | None, folder: Path, manifest_stamp: tuple[str, int, int, int], trust: Trust
) -> Component:
    """Read and check a component that the folders, or the registry, call `name` and `version` (None: any)."""
    try:
        parse_version(version or "0.0.0")
    except ValueError as error:
        raise ComponentError(f"folder {error}") from None
    manifest, signer = trust.read_manifest(folder)
    if version is None and manifest.name != name:
        raise ComponentError(f"{FILE_NAME} says {manifest.name}, it is registered as {name}")
    if version is not None and (manifest.name, manifest.version) != (name, version):
        raise ComponentError(f"{FILE_NAME} says {manifest.name} {manifest.version}, its folders say {name} {version}")
    if manifest.target is not None:
        check_processor(manifest.target)
    check_artifacts(folder, manifest)
    if manifest.onnx_file:
        check_signature(read_signature(folder / manifest.onnx_file), manifest)
    check_references(folder, manifest)
    return Component(folder, manifest, _component_stamp(folder, manifest_stamp, manifest), signer)
