"""Environments of their own with packages of PyPI, for clients of other versions than ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class Environment(NamedTuple):
    """A virtual environment."""

    folder: Path

    @property
    def program(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        return next((self.folder / "lib").glob("python3*")) / "site-packages"


class Environments:
    """Makes environments below a folder, each set of packages once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, ...], Environment] = {}

    def python(self, *packages: str) -> Environment:
        """Give an environment with packages; the test is skipped where no registry can be reached."""
        if packages not in self._made:
            environment = Environment(self._folder / str(len(self._made)))
            uv = [sys.executable, "-m", "uv", "--no-config", "--quiet"]
            subprocess.run([*uv, "venv", "--python", sys.executable, str(environment.folder)], check=True)
            install = [*uv, "pip", "install", "--python", str(environment.program), *packages]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{' '.join(packages)} can't be installed: {done.stderr.strip().splitlines()[-1:]}")
            self._made[packages] = environment
        return self._made[packages]
