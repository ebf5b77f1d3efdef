"""A folder in which nothing may be imported from, and the program as it was installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: what `pip install` has put there; `python -m edge_agent` is for who wants the folder that they are in
PROGRAM = Path(sys.executable).with_name("edge-agent")

_POISON = """
import os
with open({marker!r}, "a") as file:
    file.write(__name__ + " ")
raise SystemExit("imported from the folder it was started in: " + __name__)
"""
_NAMES = ("edge_agent/__init__.py", "numpy/__init__.py", "onnxruntime/__init__.py", "json.py", "sitecustomize.py")


def poison(folder: Path) -> Path:
    """Fill a folder with modules that must not be imported, and return the file that says which were."""
    marker = folder / "imported"
    for name in _NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(_POISON.format(marker=str(marker)))
    return marker


def run_installed(folder: Path, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program, started in `folder`."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **environ},
    )  # fmt: skip
