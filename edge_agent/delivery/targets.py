"""What a model is packaged for: a target device, or a target platform with its compiler options."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_agent.component.manifest import Target
from edge_agent.errors import PackagingError
from edge_agent.hardware.processor import INSTRUCTION_SETS

_PLATFORM = re.compile(r"(LINUX)/(ARM64|X86_64)(?:/(NVIDIA))?")
_DEFAULT_MCPU = "core-avx2"  # as the cloud service had it

#: option -> what it looks like, with an example
_NVIDIA = {
    "gpu-code": (re.compile(r"sm_\d{2,3}[a-z]?"), "sm_72"),
    "trt-ver": (re.compile(r"\d+\.\d+\.\d+"), "8.2.1"),
    "cuda-ver": (re.compile(r"\d+\.\d+"), "10.2"),
}
_ARM_CPU = re.compile(r"[a-z][a-z0-9-]*")


class Combination(msgspec.Struct, frozen=True):
    """A row of known_targets.json: hardware with the options that fit it, and who says so."""

    hardware: str
    arch: Literal["ARM64", "X86_64"]
    accelerator: Literal["NVIDIA"] | None
    compiler_options: dict[str, str]
    known_from: str


class _KnownTargets(msgspec.Struct, frozen=True):
    devices: dict[str, Target]
    combinations: tuple[Combination, ...]


@functools.cache
def _known() -> _KnownTargets:
    return msgspec.json.decode((Path(__file__).parent / "known_targets.json").read_bytes(), type=_KnownTargets)


def combinations() -> tuple[Combination, ...]:
    """Return the combinations of hardware and compiler options that are known to fit."""
    return _known().combinations


def target_device(name: str) -> Target:
    """Return the platform and options of a target device; they are not for the user to choose.

    Raises:
        PackagingError: no such device is known.
    """
    device = _known().devices.get(name)
    if device is None:
        known = ", ".join(sorted(_known().devices))
        raise PackagingError(
            f"target device '{name}' is not known, expected {known}; for others name a target platform"
        )
    return msgspec.structs.replace(device, device=name)


def target_platform(text: str, options: str | None) -> Target:
    """Read a target platform such as LINUX/ARM64/NVIDIA, and compiler options in JSON.

    Raises:
        PackagingError: one of them is not what it has to be; it is named with what was expected.
    """
    match = _PLATFORM.fullmatch(text)
    if match is None:
        raise PackagingError(
            f"target platform '{text}' is not OS/ARCH or OS/ARCH/ACCELERATOR, expected LINUX/ARM64 or LINUX/X86_64, "
            "with /NVIDIA for a GPU"
        )
    fields: dict[str, Any] = {"os": match[1], "arch": match[2], "accelerator": match[3]}
    given = _read_options(options)
    checked = _check_nvidia(given) if match[3] else _check_cpu(given, match[2])
    return msgspec.convert({**fields, "compiler_options": checked}, Target)


def _read_options(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackagingError(f"compiler options {text!r} are not valid JSON: {error}") from None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise PackagingError(
            f'compiler options {text!r} are not a JSON object of strings such as {{"gpu-code": "sm_72"}}'
        )
    return given


def _refuse_unknown(given: dict[str, str], known: list[str], what: str) -> None:
    for name in given:
        if name not in known:
            raise PackagingError(f"compiler option '{name}' is not for {what}, expected {', '.join(known)}")


def _check_nvidia(given: dict[str, str]) -> dict[str, str]:
    _refuse_unknown(given, list(_NVIDIA), "an NVIDIA accelerator")
    for name, (pattern, example) in _NVIDIA.items():
        if name not in given:
            raise PackagingError(
                f"compiler option '{name}' is missing: a target platform with NVIDIA needs {', '.join(_NVIDIA)}"
            )
        if not pattern.fullmatch(given[name]):
            raise PackagingError(f"compiler option {name} is '{given[name]}', expected one such as {example}")
    return {name: given[name] for name in _NVIDIA}


def _check_cpu(given: dict[str, str], arch: str) -> dict[str, str]:
    _refuse_unknown(given, ["mcpu"], "a platform without an accelerator")
    if arch == "X86_64":
        mcpu = given.get("mcpu", _DEFAULT_MCPU)
        if mcpu not in INSTRUCTION_SETS:
            raise PackagingError(f"compiler option mcpu is '{mcpu}', expected one of {', '.join(INSTRUCTION_SETS)}")
        return {"mcpu": mcpu}
    mcpu = given.get("mcpu", "")
    if mcpu and not _ARM_CPU.fullmatch(mcpu):
        raise PackagingError(f"compiler option mcpu is '{mcpu}', expected a name such as cortex-a78ae")
    return {"mcpu": mcpu} if mcpu else {}


def is_known(target: Target) -> bool:
    """Tell whether the options of a target are among the known combinations."""
    return any(
        (known.arch, known.accelerator, known.compiler_options)
        == (target.arch, target.accelerator, target.compiler_options)
        for known in combinations()
    )
