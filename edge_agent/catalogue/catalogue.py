"""Finds model components in folders: <model dir>/<name>/<version>/manifest.json.

A scan costs a few stat calls a component; files are read and digests computed only for what has changed since the last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.component.version import is_name, parse_version
from edge_agent.engines.onnx_signature import read_signature
from edge_agent.engines.signature import check_signature
from edge_agent.errors import ComponentError


class Component(NamedTuple):
    """One version of a model component that has passed every check that needs no engine."""

    folder: Path
    manifest: Manifest
    #: size, time of change and inode of each of its files
    stamp: tuple[tuple[str, int, int, int], ...]


class Entry(NamedTuple):
    """What the catalogue says of a name: the version to serve, and what is wrong with others, or with all."""

    component: Component | None
    problem: str


class Catalogue:
    """The components in some folders; `scan` looks again."""

    def __init__(self, folders: Sequence[Path], pins: Mapping[str, str]) -> None:
        """Look into `folders`; `pins` gives for a name the only version that is served."""
        self._folders, self._pins = folders, pins
        self._known: dict[Path, tuple[object, Component | str]] = {}

    def scan(self) -> dict[str, Entry]:
        """Return what is there now, by name. Blocking: meant for a thread."""
        found: dict[str, dict[str, Component | str]] = {}
        seen: dict[Path, tuple[object, Component | str]] = {}
        for folder in self._folders:
            for path in _subfolders(folder):
                if not is_name(path.name):
                    continue
                for version in _subfolders(path):
                    checked = self._check(path.name, version)
                    seen[version] = checked
                    found.setdefault(path.name, {}).setdefault(version.name, checked[1])
        self._known = seen
        return {name: self._choose(name, versions) for name, versions in sorted(found.items())}

    def _check(self, name: str, folder: Path) -> tuple[object, Component | str]:
        try:
            manifest_stamp = _stamp(folder, FILE_NAME)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            return None, f"{FILE_NAME} {'is missing' if missing else f'can not be read: {error.strerror}'}"
        known = self._known.get(folder)
        if known is not None and known[0] is not None and known[0] == _stamps(folder, manifest_stamp, known[1]):
            return known
        try:
            component = _load(name, folder, manifest_stamp)
        except (ComponentError, OSError) as error:
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
            return Entry(chosen, "") if isinstance(chosen, Component) else Entry(None, f"version {pin}: {chosen}")
        problems: list[str] = []
        for version in sorted(versions, key=_order, reverse=True):
            checked = versions[version]
            if isinstance(checked, Component):
                return Entry(checked, "; ".join(problems))
            problems.append(f"version {version}: {checked}")
        return Entry(None, "; ".join(problems))


def _order(version: str) -> tuple[bool, object]:
    try:
        return True, parse_version(version)
    except ValueError:
        return False, ()


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # not there yet, not a folder, or not ours to read: edge-agent doctor tells
        return []


def _stamp(folder: Path, path: str) -> tuple[str, int, int, int]:
    status = (folder / path).stat()
    return path, status.st_size, status.st_mtime_ns, status.st_ino


def _stamps(folder: Path, manifest_stamp: tuple[str, int, int, int], checked: Component | str) -> object:
    """Return what has to change before a component is looked at again."""
    try:
        if isinstance(checked, Component):
            return (manifest_stamp, *(_stamp(folder, artifact.path) for artifact in checked.manifest.artifacts))
        # A broken component is looked at again when any of its files changes: it may be half copied.
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple(_stamp(folder, str(path.relative_to(folder))) for path in files)
    except OSError:  # a file went away just now
        return None


def _load(name: str, folder: Path, manifest_stamp: tuple[str, int, int, int]) -> Component:
    try:
        parse_version(folder.name)
    except ValueError as error:
        raise ComponentError(f"folder {error}") from None
    if not (folder / FILE_NAME).is_file():
        raise ComponentError(f"{FILE_NAME} is not a file")
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source=FILE_NAME)
    if (manifest.name, manifest.version) != (name, folder.name):
        raise ComponentError(
            f"{FILE_NAME} says {manifest.name} {manifest.version}, its folders say {name} {folder.name}"
        )
    check_artifacts(folder, manifest)
    if manifest.model.endswith(".onnx"):
        check_signature(read_signature(folder / manifest.model), manifest)
    stamp = (manifest_stamp, *(_stamp(folder, artifact.path) for artifact in manifest.artifacts))
    return Component(folder, manifest, stamp)
