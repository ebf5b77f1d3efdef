"""dataset.toml, the project's file of a dataset: what its names mean, so that nobody has to type it again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edge_agent.errors import DatasetError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "dataset.toml"
_KEYS = ("normal", "anomaly", "attribute")


def read_project(dataset: Path) -> tuple[Path, dict[str, tuple[str, ...]]] | None:
    """Read the file that lies in a folder of pictures, or beside a manifest; None where there is none.

    Raises:
        DatasetError: it is no TOML, or has a key or value that is not known; the text names it.
    """
    path = (dataset if dataset.is_dir() else dataset.absolute().parent) / FILE_NAME
    if not path.is_file():
        return None
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not TOML: {error}") from None
    read: dict[str, tuple[str, ...]] = {}
    for key, value in values.items():
        if key not in _KEYS:
            raise DatasetError(f"{path} has the key '{key}', expected {', '.join(_KEYS)}")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DatasetError(f'{path}: \'{key}\' is not a list of names, such as {key} = ["NG", "scratch"]')
        read[key] = tuple(names)
    return path, read
