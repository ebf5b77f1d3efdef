"""The support bundle: an archive of what is told of a device, with a list of what is in it and what is not."""

from __future__ import annotations

import functools
import io
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.device.support import sources
from edge_agent.device.support.sources import Part
from edge_agent.errors import EdgeAgentError
from edge_agent.settings import Settings

_FOLDER = "edge-agent-support"


class Wanted(NamedTuple):
    """What somebody asks for."""

    unit: str
    log: Path | None = None
    pictures: Path | None = None


class Bundled(NamedTuple):
    """What came of it."""

    files: list[str]
    #: part: why it is not there
    missing: dict[str, str]


def write_bundle(path: Path, settings: Settings, wanted: Wanted, say: Callable[[str], object]) -> Bundled:
    """Write the bundle, readable by its owner alone; `say` is told what is being collected.

    Raises:
        OSError: it can't be written there.
    """
    files: list[str] = []
    missing: dict[str, str] = {}
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target, tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, source in _sources(settings, wanted).items():
            say(name)
            try:
                for part, content in source():
                    _add(archive, part, content)
                    files.append(part)
            # One part that can't be had, for whatever reason, must not keep the others from whoever helps.
            except Exception as error:
                missing[name] = _why(error)
        contents = [*sorted(files), *(f"missing: {name}: {why}" for name, why in missing.items())]
        _add(archive, "contents.txt", "".join(f"{line}\n" for line in contents).encode())
    return Bundled(files, missing)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {describe_refusal(error)}"
    return str(error) if isinstance(error, EdgeAgentError | OSError) else repr(error)


def _sources(settings: Settings, wanted: Wanted) -> dict[str, Callable[[], Iterator[Part]]]:
    log = functools.partial(sources.journal_part, wanted.unit)
    found: dict[str, Callable[[], Iterator[Part]]] = {
        "settings": functools.partial(sources.settings_part, settings),
        "versions": functools.partial(sources.versions_part, settings),
        "doctor": functools.partial(sources.doctor_part, settings),
        "models": functools.partial(sources.models_part, settings),
        "metrics": functools.partial(sources.metrics_part, settings),
        "manifests": functools.partial(sources.manifests_part, settings),
        "audit trail": functools.partial(sources.audit_part, settings),
        "log": functools.partial(sources.log_file_part, wanted.log) if wanted.log else log,
    }
    if wanted.pictures is not None:
        found["pictures"] = functools.partial(sources.pictures_part, wanted.pictures)
    return found


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(f"{_FOLDER}/{name}")
    member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(content))
