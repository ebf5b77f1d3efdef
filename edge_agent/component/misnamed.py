"""A folder that is named as a model component's and is none: what it is, and what to name instead."""

from __future__ import annotations

from pathlib import Path

from edge_agent.component.manifest import FILE_NAME
from edge_agent.component.version import parse_version

_EXPECTED = "expected the folder of one version of a model component, such as models/cookies/1.0.0"
_SHOWN = 5


def describe_misnamed(folder: Path) -> str:
    """Say why a folder is no model component, which versions or models it has, and what to type."""
    if not folder.exists():
        beside = _versions(folder.parent)
        there = f"{_EXPECTED}; {folder.parent} has {_some(beside)}" if beside else _EXPECTED
        return f"{folder} does not exist, {there}"
    if not folder.is_dir():
        return f"{folder} is not a folder, {_EXPECTED}"
    missing = f"{folder} is not a model component: {FILE_NAME} is missing"
    if versions := _versions(folder):
        many = "versions" if len(versions) > 1 else "version"
        return f"{missing}; it is the folder of {many} {_some(versions)} of one: name {folder / versions[-1]}"
    models = [place for place in _folders(folder) if _versions(place)]
    if models:
        first = models[0] / _versions(models[0])[-1]
        return f"{missing}; it is a folder of models, {_some([m.name for m in models])}: name one, such as {first}"
    return f"{missing}; {_EXPECTED}"


def _versions(folder: Path) -> list[str]:
    """List the versions that have a manifest in the folder of a model, the oldest first."""
    found = []
    for place in _folders(folder):
        try:
            if (place / FILE_NAME).is_file():
                found.append((parse_version(place.name), place.name))
        except (OSError, ValueError):
            continue
    return [name for _, name in sorted(found)]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(place for place in folder.iterdir() if place.is_dir())
    except OSError:
        return []


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[-_SHOWN:]) + (f" and {more} more" if more > 0 else "")
