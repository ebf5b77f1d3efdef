"""The Debian package of a folder of Python packages: where everything goes, what it is called, and dpkg-deb's work."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import string
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from shared_libraries import needed_packages

_HERE = Path(__file__).resolve().parent
_PACKAGING = _HERE.parent
_PROJECT = _PACKAGING.parent

_HOME = "usr/lib/edge-agent"
_DOC = "usr/share/doc/edge-agent"
# -I: nothing of the folder, the user's packages or PYTHON* variables of whoever calls it.
_COMMAND = f"""#!/{_HOME}/bin/python3 -I
import sys

from edge_agent.cli import main

sys.exit(main())
"""


@dataclass(frozen=True)
class Target:
    """What the package is for, and by whom and when it was made."""

    architecture: str
    python: str  # "3.11": the compiled parts of wheels fit one minor version
    maintainer: str
    epoch: int  # of every file in it, so that the same contents give the same package


def write_package(site: Path, output: Path, work: Path, target: Target) -> Path:
    """Make edge-agent_VERSION_ARCHITECTURE.deb in `output` of the Python packages in `site`.

    Raises:
        UnknownLibrary: see shared_libraries.
        subprocess.CalledProcessError: dpkg-deb failed, and has said why.
    """
    root = work / "root"
    packages = dict(_bundled(site))
    own = packages.pop("edge-agent")
    _write_environment(root, site, target)
    _write_service(root)
    _write_documents(root, packages)
    _write_control(root, site, debian_version(own["Version"]), target)
    _settle(root, target.epoch)
    output.mkdir(parents=True, exist_ok=True)
    package = output / f"edge-agent_{debian_version(own['Version'])}_{target.architecture}.deb"
    command: list[str | Path] = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, package]
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(target.epoch)}
    )
    return package


def debian_version(version: str) -> str:
    """Return a PEP 440 version as deb-version(7) sorts it: a release candidate, with a tilde, before the release."""
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", version)


def _write_environment(root: Path, site: Path, target: Target) -> None:
    """A virtual environment by hand (PEP 405), so that sys.executable, which starts the workers, finds its packages."""
    home = root / _HOME
    shutil.copytree(site, home / f"lib/python{target.python}/site-packages")
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(f"/usr/bin/python{target.python}")
    (home / "bin/edge-agent").write_text(_COMMAND)
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {target.python}\n"
    )
    (root / "usr/bin").mkdir()
    (root / "usr/bin/edge-agent").symlink_to("../lib/edge-agent/bin/edge-agent")


def _write_service(root: Path) -> None:
    for source, place in (
        ("systemd/edge-agent.service", "usr/lib/systemd/system/edge-agent.service"),
        ("systemd/edge-agent-line@.service", "usr/lib/systemd/system/edge-agent-line@.service"),
        ("systemd/edge-agent-studio.service", "usr/lib/systemd/system/edge-agent-studio.service"),
        ("systemd/edge-agent.sysusers", "usr/lib/sysusers.d/edge-agent.conf"),
        ("systemd/edge-agent.tmpfiles", "usr/lib/tmpfiles.d/edge-agent.conf"),
        ("config.toml", "etc/edge-agent/config.toml"),
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_PACKAGING / source, root / place)


def _write_documents(root: Path, packages: dict[str, Message]) -> None:
    folder = root / _DOC
    folder.mkdir(parents=True)
    shutil.copy(_HERE / "copyright", folder)
    told = ("install", "security", "settings", "metrics", "operation", "api", "manifest", "records", "events",
            "line", "applications")  # fmt: skip
    for name in (*(f"{page}.md" for page in told), "event.schema.json"):
        shutil.copy(_PROJECT / "docs" / name, folder)
    for name in (
        "prometheus/edge-agent.rules.yml",
        "prometheus/prometheus.yml",
        "systemd/metrics.conf",
        "systemd/events.conf",
    ):
        (folder / "examples").mkdir(exist_ok=True)
        shutil.copy(_PACKAGING / name, folder / "examples")
    shutil.copy(_PACKAGING / "grafana" / "edge-agent.json", folder / "examples" / "grafana-dashboard.json")
    changelog = (_PROJECT / "CHANGELOG.md").read_bytes()
    (folder / "changelog.gz").write_bytes(gzip.compress(changelog, mtime=0))
    # Also what --constraints takes, to build the same package again.
    lines = [f"{name}=={meta['Version']}  # {_license(meta)}\n" for name, meta in packages.items()]
    (folder / "bundled.txt").write_text("".join(lines))


def _bundled(site: Path) -> Iterator[tuple[str, Message]]:
    """The packages in `site` by name, with their metadata."""
    for path in sorted(site.glob("*.dist-info/METADATA")):
        meta = HeaderParser().parsestr(path.read_text())
        yield re.sub(r"[-_.]+", "-", meta["Name"]).lower(), meta


def _license(meta: Message) -> str:
    """What the package says of its licence: an expression, else a classifier, else a short free text."""
    classifiers = [line.rpartition(" :: ")[2] for line in meta.get_all("Classifier", []) if line.startswith("License")]
    free = (meta["License"] or "").strip()
    return str(meta["License-Expression"] or ", ".join(classifiers) or free.partition("\n")[0] or "see its dist-info")


def _write_control(root: Path, site: Path, version: str, target: Target) -> None:
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    # systemd as dh_installsysusers has it: where no service runs, such as in an image, its two small tools are enough.
    depends = [f"python{target.python}", *needed_packages(site)]
    depends += ["systemd | systemd-standalone-sysusers", "systemd | systemd-standalone-tmpfiles"]
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(
        string.Template((_HERE / "control").read_text()).substitute(
            version=version,
            architecture=target.architecture,
            maintainer=target.maintainer,
            installed_size=-(-size // 1024),
            depends=", ".join(depends),
        )
    )
    for name in ("conffiles", "postinst", "prerm", "postrm"):
        shutil.copy(_HERE / name, folder)


def _settle(root: Path, epoch: int) -> None:
    """Give every file the same permissions and time, whatever the umask and the state of the checkout."""
    executable = {
        root / _HOME / "bin/edge-agent",
        *(root / "DEBIAN" / name for name in ("postinst", "prerm", "postrm")),
    }
    for path in sorted([root, *root.rglob("*")], reverse=True):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
