"""Whether the libraries that models are run with can be loaded on this device, not only whether they are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.hardware.library import describe_library, fault_of, is_installed
from edge_agent.inference.engines.options import CPU

#: what every worker loads
_ALWAYS = ("numpy", "cv2", "PIL")


def examine_libraries() -> Iterator[Finding]:
    """Load what every worker needs, and the processor's engine, in processes that may die of it."""
    faults = {} if fault_of(*_ALWAYS) is None else {module: fault_of(module) for module in _ALWAYS}
    for fault in faults.values():
        if fault is not None:
            yield Finding(Verdict.WRONG, "libraries", fault.sentence, fault.remedy)
    if not any(faults.values()):
        yield Finding(Verdict.OK, "libraries", ", ".join(map(describe_library, _ALWAYS)))
    check = f"engine {CPU}"
    if not is_installed("onnxruntime"):
        yield Finding(Verdict.WRONG, check, "not installed", f"{sys.executable} -m pip install onnxruntime")
    elif fault := fault_of("onnxruntime"):
        yield Finding(Verdict.WRONG, check, fault.sentence, fault.remedy)
    else:
        yield Finding(Verdict.OK, check, describe_library("onnxruntime"))


def is_usable(module: str, faults: list[Finding]) -> bool:
    """Tell whether a library for a GPU that is installed can be loaded; what is wrong with it is added to `faults`."""
    fault = fault_of(module)
    if fault is not None:
        faults.append(Finding(Verdict.WRONG, f"library {module}", *fault))
    return fault is None
