"""See README.md. The folder itself, not this package, goes on `PYTHONPATH`."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def python_path() -> str:
    """Return a PYTHONPATH with which a process finds the stand-ins before anything else."""
    return os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH", ""))))
