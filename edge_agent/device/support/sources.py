"""What is told of a device: each part is asked for by itself, and one that can't be had does not concern the others."""

from __future__ import annotations

import http.client
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from edge_agent.client.client import Client
from edge_agent.component.manifest import FILE_NAME
from edge_agent.device.doctor.checks import examine
from edge_agent.errors import EdgeAgentError
from edge_agent.hardware.nvidia import examine_nvidia
from edge_agent.serving.auditing.files import parts
from edge_agent.serving.auditing.reading import verify
from edge_agent.settings import Settings, shown_settings, split_host
from edge_agent.version import __version__

#: (name in the bundle, content)
Part = tuple[str, bytes]

_LOG_LINES = 5000
_LOG_BYTES = 4 << 20
_MOST_METRICS = 16 << 20
_SECONDS = 20.0


def settings_part(settings: Settings) -> Iterator[Part]:
    """Give the settings as serve would use them here, without secrets."""
    yield "settings.json", _json(shown_settings(settings))


def versions_part(settings: Settings) -> Iterator[Part]:
    """Give versions of the agent, its packages and what they run on."""
    packages = {found.metadata["Name"]: found.version for found in metadata.distributions() if found.metadata["Name"]}
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    yield "versions.json", _json({
        "edge_agent": __version__,
        "python": sys.version,
        "kernel": " ".join(os.uname()),
        "system": {name: system[name] for name in ("PRETTY_NAME", "ID", "VERSION_ID") if name in system},
        "nvidia": examine_nvidia()._asdict(),
        "packages": dict(sorted(packages.items())),
    })  # fmt: skip


def doctor_part(settings: Settings) -> Iterator[Part]:
    """Give what `edge-agent doctor` finds."""
    findings = [finding._asdict() | {"verdict": finding.verdict.value} for finding in examine(settings)]
    yield "doctor.json", _json(findings)


def models_part(settings: Settings) -> Iterator[Part]:
    """Give what the daemon says of its models."""
    with Client(settings.socket) as client:
        yield "models.json", _json([model._asdict() for model in client.models()])


def metrics_part(settings: Settings) -> Iterator[Part]:
    """Give the metrics as they are now."""
    address = settings.metrics
    if not address:
        raise EdgeAgentError("the setting metrics is empty: nothing is counted")
    if address.startswith("unix:"):
        connection = http.client.HTTPConnection("localhost", timeout=_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(_SECONDS)
        connection.sock.connect(address.removeprefix("unix://").removeprefix("unix:"))
    else:
        host, port = split_host(address)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # where it listens everywhere
        connection = http.client.HTTPConnection(host, int(port), timeout=_SECONDS)
    try:
        connection.request("GET", "/metrics")
        yield "metrics.txt", connection.getresponse().read(_MOST_METRICS)
    finally:
        connection.close()


def manifests_part(settings: Settings) -> Iterator[Part]:
    """Give the manifest of every version of every model component."""
    for folder in (*settings.model_dirs, settings.registry_dir):
        for pattern in (f"*/{FILE_NAME}", f"*/*/{FILE_NAME}"):
            for path in sorted(folder.glob(pattern)):
                yield f"manifests/{path.relative_to(folder)}", path.read_bytes()


def audit_part(settings: Settings) -> Iterator[Part]:
    """Give the audit trail, and whether it is whole."""
    folder = Path(settings.state_dir)
    for path in parts(folder):
        yield f"audit/{path.name}", path.read_bytes()
    yield "audit/verified.json", _json(verify(folder)._asdict())


def journal_part(unit: str) -> Iterator[Part]:
    """Give the last lines that a service has logged to the journal."""
    command = ["journalctl", "--unit", unit, "--lines", str(_LOG_LINES), "--no-pager", "--output", "short-iso-precise"]
    found = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    if found.returncode:
        raise EdgeAgentError(f"journalctl failed: {found.stderr.decode(errors='replace').strip()}")
    yield "log.txt", found.stdout[-_LOG_BYTES:]


def log_file_part(path: Path) -> Iterator[Part]:
    """Give the end of a log file."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
        yield "log.txt", file.read()


def pictures_part(folder: Path) -> Iterator[Part]:
    """Give the files of a folder of pictures."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"pictures/{path.relative_to(folder)}", path.read_bytes()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str).encode() + b"\n"
