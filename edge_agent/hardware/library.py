"""Whether a library that is installed also works here: it is imported in a process of its own, which may die of it.

A build for newer processors ends with SIGILL, a damaged one with an error of the loader or a crash, and on ARM a
library may find no room for its thread-local variables ("static TLS block", glibc's manual on tunables). None of that
can be seen from its metadata.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from typing import NamedTuple

from edge_agent.children.command import child_command
from edge_agent.children.said import last_words
from edge_agent.hardware.processor import cpuinfo

#: module -> names of the packages that may bring it, where they are called otherwise
_PACKAGES = {
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "PIL": ("Pillow",),
    "yaml": ("PyYAML",),
    "cuda.bindings": ("cuda-bindings",),
    "google.protobuf": ("protobuf",),
    "grpc": ("grpcio",),
}
_SECONDS = 60.0
_LONGEST = 300  # characters of what it said


class Fault(NamedTuple):
    """Why a library can't be used, in a sentence, and what may help."""

    sentence: str
    remedy: str


def describe_library(module: str) -> str:
    """Return the name and version of the package that a module comes from; without a version when it has none."""
    from importlib import metadata  # the daemon needs it only when something has gone wrong

    names = _PACKAGES.get(module, (module,))
    for name in names:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return names[0]


def describe_processor() -> str:
    """Return what the kernel calls the processor."""
    fields = cpuinfo()
    return fields.get("model name") or fields.get("Hardware") or os.uname().machine


def describe_signal(number: int) -> str:
    """Return a signal's name, with what it means: "SIGILL (Illegal instruction)"."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    meaning = signal.strsignal(number)
    return f"{name} ({meaning})" if meaning else name


def is_installed(module: str) -> bool:
    """Tell whether a module can be found; whether it works, fault_of says."""
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:  # of the package that it would be in
        return False
    return spec is not None and spec.origin is not None  # type stubs alone are a folder without code


def fault_of(*modules: str) -> Fault | None:
    """Import modules that are installed in a process of its own, and say what came of it; None when they work.

    Of several modules the first is named, whichever it was.
    """
    module = modules[0]
    command = child_command(__name__, *modules)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Fault(f"importing {describe_library(module)} takes longer than {_SECONDS:g} s", _remedy(module, ""))
    if not done.returncode:
        return None
    words = last_words(done.stderr.decode(errors="replace"))[:_LONGEST]
    if done.returncode < 0:
        cause = f"is killed by {describe_signal(-done.returncode)} on this processor, {describe_processor()}"
    else:
        cause = f"fails on this device, {describe_processor()}"
    return Fault(
        f"importing {describe_library(module)} {cause}" + (f": {words}" if words else ""), _remedy(module, words)
    )


def _remedy(module: str, words: str) -> str:
    if "static TLS" in words:
        library = next((word.strip(":") for word in words.split() if ".so" in word), "that library")
        return f"start with LD_PRELOAD={library}"
    package = describe_library(module).partition(" ")[0]
    return (
        f"{sys.executable} -m pip install --force-reinstall {package}, or a version that was built for this processor"
    )


def main() -> None:
    """Entry point of the process: import the modules that are named."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
