"""The folder of Python packages that goes into the Debian package: our wheel, and what it needs, for another machine.

uv chooses the wheels, because it evaluates the conditions of dependencies (PEP 508) for the target. pip evaluates them
for the machine and the Python that it runs on, even with --platform and --python-version.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

#: the oldest glibc that every wheel we need is made for: Debian 12 has 2.36, Ubuntu 22.04 2.35
_MANYLINUX = "manylinux_2_28"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
ARCHITECTURES = tuple(_MACHINES)

#: of no use on a device, or untrue once something is left out
_LEFT_OUT = (
    "bin",
    ".lock",
    "*.dist-info/RECORD",
    "*.dist-info/REQUESTED",
    "*.dist-info/INSTALLER",
    "*.dist-info/direct_url.json",
    "*.dist-info/uv_cache.json",
    "**/__pycache__",
    "**/tests",
    "**/*.pyi",
    "**/*.a",
)


def fill(site: Path, project: Path, work: Path, *, architecture: str, python: str, constraints: Path | None) -> None:
    """Build the wheel of `project` and put it and what it needs into `site`.

    Raises:
        subprocess.CalledProcessError: uv failed, and has said why.
    """
    uv = [sys.executable, "-m", "uv", "--no-config", "--quiet"]
    subprocess.run([*uv, "build", "--wheel", "--out-dir", work, project], check=True)
    (wheel,) = work.glob("edge_agent-*.whl")
    options: list[str | Path] = [
        "--target",
        site,
        "--link-mode",
        "copy",
        "--only-binary",
        ":all:",
        "--python-version",
        python,
    ]
    options += ["--python-platform", f"{_MACHINES[architecture]}-{_MANYLINUX}"]
    if constraints is not None:
        options += ["--constraints", constraints]
    subprocess.run([*uv, "pip", "install", *options, f"{wheel}[cpu,signing,studio]"], check=True)
    trim(site)


def trim(site: Path) -> None:
    """Take out what only installers and developers need."""
    for pattern in _LEFT_OUT:
        for path in sorted(site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
