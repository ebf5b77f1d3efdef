"""A virtual environment for each peer, made once from its pinned requirements in benchmarks/.peers/."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).parent
_FOLDER = CHECKOUT / "benchmarks" / ".peers"
#: in every environment as in the agent's, so that preparation, engine, mask and the client's gRPC are the same
_ALIKE = ("grpcio", "msgspec", "numpy", "onnxruntime", "opencv-python-headless")


class PeerUnavailable(Exception):
    """A peer can't be run on this machine; the sentence says why."""


def environment(name: str) -> Path:
    """Return the folder of a peer's environment, making it if it is not there or its requirements have changed.

    Raises:
        PeerUnavailable: this Python is none of the peer's, or a package can't be installed.
    """
    if not (3, 10) <= sys.version_info < (3, 13):
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise PeerUnavailable(f"{name} needs Python 3.10 to 3.12, this is {running}: make the agent's environment anew")
    pinned = _HERE / f"requirements-{name}.txt"
    named = set(re.findall(r"^([\w-]+)==", pinned.read_text(), re.MULTILINE))
    alike = [f"{package}=={version(package)}" for package in _ALIKE if package not in named]
    wanted = hashlib.sha256("\n".join([sys.version, pinned.read_text(), *alike]).encode()).hexdigest()
    folder = _FOLDER / name
    stamp = folder / "made-of"
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    print(f"making the environment of {name} in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", str(pinned), *alike],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or [done.stderr]
            raise PeerUnavailable(f"the environment of {name} can't be made: {said[-1].strip()}")
    stamp.write_text(wanted)
    return folder


def site_packages(folder: Path) -> Path:
    """Return where an environment keeps its packages."""
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
