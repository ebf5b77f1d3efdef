"""Which targets there are, and the inputs that are kept of each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

CORPUS = Path(__file__).with_name("corpus")

#: modules of this folder; each has `consume(data)`, which must not raise, and `seeds()`, what to begin with
NAMES = ("manifest", "dataset", "archive", "onnx_file", "request", "connection")


def target(name: str) -> ModuleType:
    """Give the module of a target."""
    return importlib.import_module(f"tests.fuzz.{name}")


def kept(name: str) -> Iterator[bytes]:
    """Give the inputs that are kept of a target: what once broke it, and the few that reach all of its code."""
    for path in sorted((CORPUS / name).iterdir()):
        yield path.read_bytes()
