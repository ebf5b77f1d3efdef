"""Whether this device can run the agent and its models: what `edge-agent doctor` prints."""

from __future__ import annotations

import enum
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from edge_agent.catalogue.catalogue import Catalogue
from edge_agent.imaging.bitmap import MAX_SIDE, bitmap_bytes
from edge_agent.imaging.segment import SHM_DIR
from edge_agent.lifecycle.memory import available_bytes, estimated_bytes
from edge_agent.settings import Settings

_MIB = 1 << 20
_ARCHITECTURES = ("x86_64", "aarch64")  # what the guide asks for, and what the wheels are made for
_OLDEST_PYTHON = (3, 10)


class Verdict(enum.Enum):
    """ok; worth a note; or wrong: it has to be mended before models are served."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One line of the examination."""

    verdict: Verdict
    check: str
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at the device as these settings would use it. Changes nothing."""
    return [
        _system(),
        _python(),
        _processor(),
        _memory(settings),
        _shared_memory(),
        _socket(settings),
        _engine(),
        *_model_dirs(settings),
        *_components(settings),
    ]


def _system() -> Finding:
    found = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
        return Finding(Verdict.WRONG, "system", found, f"use Linux on {' or '.join(_ARCHITECTURES)}")
    return Finding(Verdict.OK, "system", found)


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding(Verdict.WRONG, "Python", found, f"install Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer")
    return Finding(Verdict.OK, "Python", found)


def _processor() -> Finding:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = values.get("model name") or platform.machine()
    found = f"{name}, {len(os.sched_getaffinity(0))} cores"
    if platform.machine() == "x86_64" and "avx2" not in values.get("flags", "").split():
        return Finding(Verdict.NOTE, "processor", found, "without AVX2 models run several times slower")
    return Finding(Verdict.OK, "processor", found)


def _memory(settings: Settings) -> Finding:
    available = available_bytes()
    found = f"{available // _MIB} MiB available"
    if available < (settings.memory_reserve_mib + 200) * _MIB:
        return Finding(Verdict.WRONG, "memory", found, "free memory: a running model takes about 200 MiB and more")
    return Finding(Verdict.OK, "memory", found)


def _shared_memory() -> Finding:
    try:
        usage = shutil.disk_usage(SHM_DIR)
    except OSError:
        return Finding(Verdict.WRONG, "shared memory", f"{SHM_DIR} is missing", f"mount -t tmpfs tmpfs {SHM_DIR}")
    found = f"{SHM_DIR} has {usage.total // _MIB} MiB, {usage.free // _MIB} MiB free"
    needed = 2 * bitmap_bytes(MAX_SIDE, MAX_SIDE)  # the largest picture and its mask
    if usage.free < needed:
        remedy = f"clients have room for less than a picture of {MAX_SIDE}x{MAX_SIDE} and its mask: "
        return Finding(Verdict.NOTE, "shared memory", found, remedy + f"mount -o remount,size=512M {SHM_DIR}")
    return Finding(Verdict.OK, "shared memory", found)


def _socket(settings: Settings) -> Finding:
    path = settings.socket_path
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
            return Finding(Verdict.OK, "socket", f"an agent serves {path}")
        except FileNotFoundError:
            pass
        except ConnectionRefusedError:
            return Finding(
                Verdict.OK, "socket", f"{path} is left over from an agent that was killed; serve replaces it"
            )
        except PermissionError:
            remedy = f"add this user to the socket's group: usermod -a -G GROUP {os.environ.get('USER', 'USER')}"
            return Finding(Verdict.NOTE, "socket", f"this user may not connect to {path}", remedy)
        except OSError as error:
            return Finding(Verdict.WRONG, "socket", f"{path}: {error.strerror}", "choose another with --socket")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        remedy = "create the folder, let the agent's user write to it, or choose another with --socket"
        return Finding(Verdict.WRONG, "socket", f"{path} can't be made by this user", remedy)
    return Finding(Verdict.OK, "socket", f"{path} is free; no agent is running there")


def _engine() -> Finding:
    try:
        return Finding(Verdict.OK, "engine onnxruntime-cpu", f"onnxruntime {metadata.version('onnxruntime')}")
    except metadata.PackageNotFoundError:
        return Finding(Verdict.WRONG, "engine onnxruntime-cpu", "not installed", "pip install 'edge-agent[cpu]'")


def _model_dirs(settings: Settings) -> Iterator[Finding]:
    for folder in settings.model_dirs:
        if not folder.is_dir():
            remedy = f"mkdir -p {folder}, or name another with --model-dir"
            yield Finding(Verdict.NOTE, "model folder", f"{folder} does not exist", remedy)
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Finding(Verdict.WRONG, "model folder", f"{folder} can't be read by this user", f"chmod a+rX {folder}")
        else:
            yield Finding(Verdict.OK, "model folder", str(folder))


def _components(settings: Settings) -> Iterator[Finding]:
    available = available_bytes()
    for name, (component, problem, _) in (
        Catalogue(settings.model_dirs, settings.pin, settings.registry_dir).scan().items()
    ):
        if component is None:
            yield Finding(Verdict.WRONG, f"model {name}", problem, "mend the component, or copy it anew")
            continue
        manifest = component.manifest
        needed = estimated_bytes(component.folder, manifest, settings.instances)
        found = f"{manifest.version}, {manifest.task}, {manifest.image.width}x{manifest.image.height}, "
        found += f"about {needed // _MIB} MiB when it runs"
        if needed + settings.memory_reserve_mib * _MIB > available:
            yield Finding(Verdict.NOTE, f"model {name}", found, "there is less memory than that")
        elif problem:
            yield Finding(Verdict.NOTE, f"model {name}", f"{found}; {problem}", "mend the newer version or remove it")
        else:
            yield Finding(Verdict.OK, f"model {name}", found)
