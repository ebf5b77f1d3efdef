"""Build the Debian package: python packaging/debian/build_deb.py --arch arm64

Needs dpkg-deb, git or SOURCE_DATE_EPOCH, and the Python package uv; root is not needed. Packages come from the Python
package registry. The architecture and the Python are the device's, not this machine's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import package_tree
import site_packages
from shared_libraries import UnknownLibrary

_PROJECT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Build the Debian package of edge-agent.")
    parser.add_argument("--arch", choices=site_packages.ARCHITECTURES, default="amd64", help="[default: amd64]")
    parser.add_argument(
        "--python",
        choices=("3.10", "3.11", "3.12", "3.13"),
        default="3.11",
        help="Python of the device; Debian 12: 3.11, Ubuntu 22.04: 3.10 [default: 3.11]",
    )
    parser.add_argument("--output", type=Path, default=Path("dist"), metavar="DIR", help="[default: dist]")
    parser.add_argument(
        "--constraints",
        type=Path,
        metavar="FILE",
        help="versions to take instead of the newest, such as bundled.txt of an earlier package",
    )
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="edge-agent-deb-") as folder:
            work = Path(folder)
            site = work / "site-packages"
            site_packages.fill(
                site, _PROJECT, work, architecture=given.arch, python=given.python, constraints=given.constraints
            )
            target = package_tree.Target(given.arch, given.python, _maintainer(), _epoch())
            package = package_tree.write_package(site, given.output, work, target)
    except UnknownLibrary as error:
        print(f"build_deb.py: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:  # it has said why
        print(f"build_deb.py: {Path(error.cmd[0]).name} failed with status {error.returncode}", file=sys.stderr)
        return 1
    print(f"{package} ({package.stat().st_size / 1e6:.1f} MB)")
    return 0


def _maintainer() -> str:
    """Return whom to ask about this package, from the variables of Debian's own tools."""
    name, address = os.environ.get("DEBFULLNAME", "edge-agent"), os.environ.get("DEBEMAIL", "root@localhost")
    return f"{name} <{address}>"


def _epoch() -> int:
    """Return the time of all files: SOURCE_DATE_EPOCH of reproducible-builds.org, else that of the last commit."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(_PROJECT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
