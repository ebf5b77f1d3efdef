"""Which engine runs a component on this device, and what a better one lacks.

The component and the settings may ask for one; otherwise it is the fastest that is there. A component that was packaged
for an NVIDIA GPU runs on the processor only where that is allowed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge_agent.component.manifest import Manifest
from edge_agent.errors import ComponentError
from edge_agent.hardware.library import is_installed
from edge_agent.hardware.nvidia import Nvidia, examine_nvidia
from edge_agent.hardware.target import describe_target, differences
from edge_agent.inference.engines.options import CPU, ENGINES, EngineName, EngineOptions

#: the oldest TensorRT whose networks say of every value which type it has; JetPack 6.1 has 10.3
OLDEST_TENSORRT = 10

_PROVIDERS = {"onnxruntime-tensorrt": "TensorrtExecutionProvider", "onnxruntime-cuda": "CUDAExecutionProvider"}
_MODULES = {
    "tensorrt": ("tensorrt", "cuda.bindings", "onnx"),  # onnx writes what comes before and after the model
    "onnxruntime-tensorrt": ("onnxruntime", "onnx"),
    "onnxruntime-cuda": ("onnxruntime", "onnx"),
}
_REMEDY = "package it without an accelerator, or set cpu_fallback"


class Device(NamedTuple):
    """What there is to run models with on a GPU."""

    nvidia: Nvidia = Nvidia()
    #: Python modules that are installed
    modules: frozenset[str] = frozenset()
    #: what the installed ONNX Runtime was built with
    providers: frozenset[str] = frozenset()


class Candidate(NamedTuple):
    """An engine that is wanted, and why it can't run the component here; "" when it can."""

    engine: EngineName
    lacks: str = ""


def examine_device(is_usable: Callable[[str], bool] = lambda _: True) -> Device:
    """Look at the GPU and at what is installed for it; takes microseconds where there is no GPU.

    `is_usable` may except modules that are installed and can't be loaded.
    """
    nvidia = examine_nvidia()
    if not nvidia.gpus:
        return Device(nvidia)
    installed = set(filter(is_installed, set[str]().union(*_MODULES.values())))
    modules = frozenset(filter(is_usable, installed))
    providers: frozenset[str] = frozenset()
    if "onnxruntime" in modules:
        import onnxruntime

        providers = frozenset(onnxruntime.get_available_providers())
    return Device(nvidia, modules, providers)


def libraries(engine: str) -> tuple[str, ...]:
    """Return the Python modules that an engine is made of."""
    return ("onnxruntime",) if engine == CPU else _MODULES[engine]


def may_use_gpu(manifest: Manifest, options: EngineOptions) -> bool:
    """Tell, without looking at the GPU, whether a component may run on one, as far as its engines are installed."""
    return any(
        all(map(is_installed, _MODULES[engine])) and _has_provider(engine)
        for engine in _wanted(manifest, options)
        if engine != CPU
    )


def _has_provider(engine: str) -> bool:
    """Tell whether the installed ONNX Runtime is the one for GPUs, if the engine is one of its."""
    if engine not in _PROVIDERS:
        return True
    spec = importlib.util.find_spec("onnxruntime")
    return spec is not None and any(
        (Path(folder) / "capi" / "libonnxruntime_providers_cuda.so").exists()
        for folder in spec.submodule_search_locations or ()
    )


def select_engines(
    manifest: Manifest, options: EngineOptions, examine: Callable[[], Device] = examine_device
) -> tuple[Candidate, ...]:
    """Give the engines that are wanted, the best first, and what each lacks as far as is known before it is tried.

    Raises:
        ComponentError: every one lacks something; all of it is named.
    """
    for_gpu = manifest.target is not None and manifest.target.accelerator is not None
    wanted = _wanted(manifest, options)
    if wanted == (CPU,) and not for_gpu:
        return (Candidate(CPU),)
    device = examine()
    if not device.nvidia.gpus:
        if for_gpu and not options.cpu_fallback:
            assert manifest.target is not None
            raise ComponentError(
                f"it was packaged for {describe_target(manifest.target)}, this device has no NVIDIA GPU that can be "
                f"used; {_REMEDY}"
            )
        if CPU in wanted and manifest.onnx_file:
            return (Candidate(CPU),)
    candidates = tuple(Candidate(engine, _lacks(engine, manifest, options, device)) for engine in wanted)
    if all(candidate.lacks for candidate in candidates):
        raise ComponentError("; ".join(f"{engine}: {lacks}" for engine, lacks in candidates))
    return candidates


def _wanted(manifest: Manifest, options: EngineOptions) -> tuple[EngineName, ...]:
    return (options.engine,) if options.engine != "auto" else manifest.engines or ENGINES


def plan_problems(manifest: Manifest, nvidia: Nvidia) -> list[str]:
    """Return, in sentences, why the component's TensorRT plan does not fit this device; empty when it does."""
    if not manifest.plan_file or manifest.target is None:
        return ["it has no TensorRT plan"]
    return differences(manifest.target, nvidia)


def _lacks(engine: EngineName, manifest: Manifest, options: EngineOptions, device: Device) -> str:
    """Say why an engine can't run a component here; "" when it can, as far as is known before it is tried."""
    if engine == CPU:
        return _processor_lacks(manifest, options)
    return device_lacks(engine, device) or _component_lacks(engine, manifest, device)


def device_lacks(engine: EngineName, device: Device) -> str:
    """Say why an engine for a GPU can't be used on a device; "" when it can."""
    if not device.nvidia.gpus:
        return "this device has no NVIDIA GPU that can be used"
    for module in _MODULES[engine]:
        if module not in device.modules:
            return f"the Python module '{module}' is not installed"
    provider = _PROVIDERS.get(engine)
    if provider is not None and provider not in device.providers:
        return f"the installed ONNX Runtime has no {provider}"
    release = device.nvidia.tensorrt.partition(".")[0]
    if engine == "tensorrt" and release and int(release) < OLDEST_TENSORRT:
        return f"TensorRT {device.nvidia.tensorrt} is installed, expected {OLDEST_TENSORRT} or newer"
    return ""


def _component_lacks(engine: EngineName, manifest: Manifest, device: Device) -> str:
    if not manifest.onnx_file:
        return "; ".join(plan_problems(manifest, device.nvidia)) if engine == "tensorrt" else "it has no ONNX file"
    return ""


def _processor_lacks(manifest: Manifest, options: EngineOptions) -> str:
    target = manifest.target
    if target is not None and target.accelerator is not None and not options.cpu_fallback:
        return f"it was packaged for {describe_target(target)}, and this engine runs on the processor; {_REMEDY}"
    return "" if manifest.onnx_file else "it has no ONNX file"
