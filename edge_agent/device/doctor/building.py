"""Making a component ready for this device ahead of time: what takes minutes is built, checked and kept."""

from __future__ import annotations

import time
from typing import NamedTuple

from edge_agent.component.manifest import manifest_digest
from edge_agent.component.trust import Trust
from edge_agent.device.doctor.finding import Finding
from edge_agent.device.doctor.libraries import is_usable
from edge_agent.errors import ComponentError, ModelNotFound
from edge_agent.inference.engines.options import CPU, EngineOptions
from edge_agent.inference.engines.progress import Progress
from edge_agent.inference.engines.selection import examine_device, select_engines
from edge_agent.inference.loading import load_pipeline
from edge_agent.serving.catalogue.catalogue import Catalogue, Component
from edge_agent.serving.workers.checking import checked_component
from edge_agent.settings import Settings


class Built(NamedTuple):
    """What was made ready, for which engine, and how many seconds that took."""

    component: Component
    engine: str
    precision: str
    seconds: float


def build(settings: Settings, name: str, progress: Progress) -> Built:
    """Load a component as a daemon with these settings would: build its plans, and run its golden samples on them.

    Raises:
        ModelNotFound: there is no such component.
        ComponentError: it can't be served on this device, or runs on the processor, where there is nothing to build.
        EngineFailed: the engine fails on a picture.
        SettingsError: they don't say whom to trust.
    """
    trust = Trust.of(settings)
    component, problem, _ = Catalogue.of(settings, trust).scan().get(name, (None, "", frozenset()))
    if component is None and problem:
        raise ComponentError(problem)
    if component is None:
        folders = ", ".join(str(folder) for folder in (*settings.model_dirs, settings.registry_dir))
        raise ModelNotFound(f"there is no model component '{name}' in {folders}")
    options = EngineOptions.of(settings)
    faults: list[Finding] = []
    device = examine_device(lambda module: is_usable(module, faults))
    try:
        candidates = select_engines(component.manifest, options, lambda: device)
    except ComponentError as error:
        raise ComponentError("; ".join((str(error), *(fault.found for fault in faults)))) from None
    if next(engine for engine, lacks in candidates if not lacks) == CPU:
        lacking = "; ".join(f"{engine}: {lacks}" for engine, lacks in candidates if lacks)
        asked = CPU in (options.engine, *component.manifest.engines[:1])
        why = "that engine is asked for" if asked else "this device has no NVIDIA GPU that can be used"
        raise _nothing_to_build(component, lacking or why)
    begun = time.monotonic()
    # As carefully as a worker: what is built here is loaded there, by the digest that the manifest has.
    with checked_component(component.folder, manifest_digest(component.manifest), trust) as (folder, manifest):
        loaded = load_pipeline(folder, manifest, options, progress)
    if loaded.engine == CPU:
        raise _nothing_to_build(component, loaded.note)
    precision = options.precision or component.manifest.precision
    return Built(component, loaded.engine, precision, time.monotonic() - begun)


def _nothing_to_build(component: Component, why: str) -> ComponentError:
    manifest = component.manifest
    return ComponentError(f"{manifest.name} {manifest.version} runs on the processor, nothing is built: {why}")
