"""Whether this device can run the agent and its models: what `edge-agent doctor` prints.

Where the guide of the Lookout for Vision Edge Agent had a requirement (architecture, memory, storage, Python, GPU), the
line is called as there; the figures are this agent's.
"""

from __future__ import annotations

import itertools
import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from edge_agent.access.names import group_id
from edge_agent.access.rights import REMEDY as RIGHTS_REMEDY
from edge_agent.access.rights import describe_refusal
from edge_agent.component.trust import SIGNATURE_NAME, Trust
from edge_agent.device.doctor.auditing import examine_audit
from edge_agent.device.doctor.finding import Finding, Verdict, join_group_of
from edge_agent.device.doctor.gpu import examine_gpu, examine_gpu_engines
from edge_agent.device.doctor.libraries import examine_libraries, is_usable
from edge_agent.device.doctor.lines import examine_lines
from edge_agent.device.doctor.records import examine_records
from edge_agent.device.doctor.segments import remove_left_segments
from edge_agent.device.doctor.signatures import examine_signatures
from edge_agent.device.doctor.writable import lowest_seen
from edge_agent.errors import ComponentError, SettingsError
from edge_agent.hardware.cpu_quota import cpu_quota
from edge_agent.hardware.processor import ARCHITECTURES, cpuinfo, has_flag
from edge_agent.hardware.target import differences
from edge_agent.inference.engines.onnx_int8 import REMEDY, WIDE, has_wide_int8, multiplies_exactly
from edge_agent.inference.engines.options import CPU, EngineOptions
from edge_agent.inference.engines.selection import Device, examine_device, select_engines
from edge_agent.inference.imaging.bitmap import MAX_SIDE, bitmap_bytes
from edge_agent.inference.imaging.segment import SHM_DIR
from edge_agent.line.running import CONFIGURED
from edge_agent.serving.catalogue.catalogue import Catalogue
from edge_agent.serving.lifecycle.memory import available_bytes, estimated_bytes
from edge_agent.settings import Settings

_MIB = 1 << 20
_OLDEST_PYTHON = (3, 10)
_LEAST_STORAGE = 16 * _MIB
_GOOD_STORAGE = 1500 * 1000**2  # bytes
_CPU_REMEDY = "package it without an accelerator, or set cpu_fallback"
_GPU_REMEDY = "install what is missing (docs/gpu.md), or set cpu_fallback"


def examine(settings: Settings, lines: Path = CONFIGURED) -> list[Finding]:
    """Look at the device as these settings would use it, and at the lines whose files are in the folder `lines`.

    Changes nothing, but segments of killed clients go.
    """
    faults: list[Finding] = []
    device = examine_device(lambda module: is_usable(module, faults))
    trust, signatures = examine_signatures(settings)
    return [
        _system(),
        _python(),
        _processor(),
        _memory(settings),
        _storage(settings),
        _shared_memory(),
        *remove_left_segments(),
        *_seen("socket", lambda: [_socket(settings)]),
        *_groups(settings),
        *_seen("audit trail", lambda: examine_audit(settings)),
        *_seen("records", lambda: examine_records(settings)),
        *examine_libraries(),
        *examine_gpu(device.nvidia),
        *faults,
        *examine_gpu_engines(device),
        *(finding for folder in settings.model_dirs for finding in _seen("model folder", partial(_model_dir, folder))),
        *_seen("registry", lambda: _registry(settings)),
        *signatures,
        *_seen("models", lambda: _components(settings, device, trust)),
        *_seen("lines", lambda: examine_lines(lines, Path(settings.state_dir))),
    ]


def _seen(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Give what `look` finds; where a folder can't be looked at that is a finding too, and the others go on."""
    try:
        yield from look()
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        found = f"{named}{describe_refusal(error)}".removesuffix(f"; {RIGHTS_REMEDY}")
        remedy = RIGHTS_REMEDY if isinstance(error, PermissionError) else ""
        yield Finding(Verdict.WRONG, check, found, remedy)


def _system() -> Finding:
    found = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if platform.system() != "Linux" or platform.machine() not in ARCHITECTURES:
        return Finding(Verdict.WRONG, "architecture", found, f"use Linux on {' or '.join(ARCHITECTURES)}")
    return Finding(Verdict.OK, "architecture", found)


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding(
            Verdict.WRONG, "Python", found, f"sudo apt install python{'.'.join(map(str, _OLDEST_PYTHON))}, or newer"
        )
    return Finding(Verdict.OK, "Python", found)


def _processor() -> Finding:
    name = cpuinfo().get("model name") or platform.machine()
    found = f"{name}, {len(os.sched_getaffinity(0))} cores"
    quota = cpu_quota()
    if quota is not None:
        found += f", of which a control group leaves {quota:g} (CPUQuota=, cpu.max)"
    if platform.machine() == "x86_64" and not has_flag("avx2"):
        return Finding(Verdict.NOTE, "processor", found, "without AVX2 models run several times slower")
    return Finding(Verdict.OK, "processor", found)


def _memory(settings: Settings) -> Finding:
    available = available_bytes()
    found = f"{available // _MIB} MiB available"
    if available < (settings.memory_reserve_mib + 200) * _MIB:
        return Finding(Verdict.WRONG, "memory", found, "free memory: a running model takes about 200 MiB and more")
    return Finding(Verdict.OK, "memory", found)


def _storage(settings: Settings) -> Finding:
    folder = lowest_seen(Path(settings.state_dir))
    free = shutil.disk_usage(folder).free
    found = f"{free // _MIB} MiB free in {folder}"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        found = f"{folder} is mounted read-only"
        return Finding(Verdict.WRONG, "storage", found, "mount it writable: nothing is remembered, recorded or audited")
    if free < _LEAST_STORAGE:
        return Finding(Verdict.WRONG, "storage", found, "free some: what runs could not be remembered")
    if free < _GOOD_STORAGE:
        return Finding(Verdict.NOTE, "storage", found, "little room for models: the guide asked for 1.5 GB")
    return Finding(Verdict.OK, "storage", found)


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
            return Finding(Verdict.NOTE, "socket", f"this user may not connect to {path}", join_group_of(path))
        except OSError as error:
            said = f"{path}: {describe_refusal(error)}"
            return Finding(Verdict.WRONG, "socket", said, "choose another with --socket")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        remedy = "create the folder, let the agent's user write to it, or choose another with --socket"
        return Finding(Verdict.WRONG, "socket", f"{path} can't be made by this user", remedy)
    return Finding(Verdict.OK, "socket", f"{path} is free; no agent is running there")


def _groups(settings: Settings) -> Iterator[Finding]:
    for setting, may in (("socket_group", "connect"), ("control_group", "start and stop models")):
        group = getattr(settings, setting)
        try:
            if group_id(setting, group) is not None:
                yield Finding(Verdict.OK, setting, f"members of the group '{group}' may {may}")
        except SettingsError as error:
            yield Finding(Verdict.WRONG, setting, str(error), f"sudo groupadd {group}, or name another")


def _model_dir(folder: Path) -> list[Finding]:
    check = "model folder"
    try:
        status = folder.stat()
    except FileNotFoundError:
        remedy = f"mkdir -p {folder}, or name another with --model-dir"
        return [Finding(Verdict.NOTE, check, f"{folder} does not exist", remedy)]
    if not stat.S_ISDIR(status.st_mode):
        return [Finding(Verdict.WRONG, check, f"{folder} is not a folder", "name another with --model-dir")]
    if not os.access(folder, os.R_OK | os.X_OK):
        return [Finding(Verdict.WRONG, check, f"{folder} can't be read by this user", f"chmod a+rX {folder}")]
    if status.st_mode & stat.S_IWOTH:
        return [Finding(Verdict.NOTE, check, f"every user may put models into {folder}", f"chmod o-w {folder}")]
    return [Finding(Verdict.OK, check, str(folder))]


def _registry(settings: Settings) -> Iterator[Finding]:
    registry = settings.registry_dir
    try:
        status = registry.stat()
    except FileNotFoundError:
        return
    if not os.access(registry, os.R_OK | os.X_OK):
        yield Finding(Verdict.WRONG, "registry", f"{registry} can't be read by this user", f"chmod a+rX {registry}")
    elif stat.S_ISDIR(status.st_mode):
        yield Finding(Verdict.OK, "registry", f"{registry}, where deployed components register")


def _components(settings: Settings, device: Device, trust: Trust) -> Iterator[Finding]:
    available, options = available_bytes(), EngineOptions.of(settings)
    for name, (component, problem, _) in Catalogue.of(settings, trust).scan().items():
        check = f"model {name}"
        if component is None:
            yield Finding(Verdict.WRONG, check, problem, _remedy(problem))
            continue
        manifest = component.manifest
        try:
            candidates = select_engines(manifest, options, lambda: device)
        except ComponentError as error:
            yield Finding(Verdict.WRONG, check, str(error), _GPU_REMEDY if device.nvidia.gpus else _CPU_REMEDY)
            continue
        needed = estimated_bytes(component.folder, manifest, manifest.workers(settings.instances))
        found = f"{manifest.version}, {manifest.task}, {manifest.image.width}x{manifest.image.height}, "
        found += f"about {needed // _MIB} MiB when it runs"
        if trust.keys:
            found += f", signed with {component.signer}" if component.signer else ", not signed"
        engine = next(engine for engine, lacks in candidates if not lacks)
        different = differences(manifest.target, device.nvidia) if manifest.target and engine != CPU else []
        if device.nvidia.gpus:
            better = itertools.takewhile(lambda candidate: candidate.lacks, candidates)
            lacking = [f"{name}: {lacks}" for name, lacks in better]
            found = "; ".join((f"{found} on {engine}", *different, *lacking))
        is_wide = engine == CPU and has_wide_int8(component.folder / manifest.onnx_file)
        if is_wide:
            how = "this one has it" if multiplies_exactly() else "this one has none, so they are multiplied slower"
            found = f"{found}; {WIDE} ({how})"
        if needed + settings.memory_reserve_mib * _MIB > available:
            yield Finding(Verdict.NOTE, check, found, "there is less memory than that")
        elif problem:
            yield Finding(Verdict.NOTE, check, f"{found}; {problem}", "mend the newer version or remove it")
        elif different:
            yield Finding(Verdict.NOTE, check, found, f"its plan is built here: edge-agent models build {name}")
        elif is_wide and not multiplies_exactly():
            yield Finding(Verdict.NOTE, check, found, REMEDY)
        else:
            yield Finding(Verdict.OK, check, found)


def _remedy(problem: str) -> str:
    """Say what to do about a component that can't be served."""
    if "it was packaged for" in problem:
        return "package it for this device"
    if SIGNATURE_NAME in problem:
        return "where the private key is: edge-agent sign COMPONENT --key KEY.pem, and copy it anew"
    return "mend the component, or copy it anew"
