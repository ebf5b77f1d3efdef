"""From a component's folder to a pipeline that is ready to serve on this device."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge_agent.component.manifest import Manifest
from edge_agent.errors import ComponentError
from edge_agent.hardware.cpu_quota import threads_within_quota
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.engines.gpu_engine import load_on_gpu
from edge_agent.inference.engines.options import CPU, EngineName, EngineOptions
from edge_agent.inference.engines.progress import LOADING, Progress, silent
from edge_agent.inference.engines.selection import Device, examine_device, select_engines
from edge_agent.inference.golden import check_golden_samples
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.golden import read_golden
from edge_agent.inference.pipeline import Pipeline
from edge_agent.inference.steadiness import check_steady, training_nodes
from edge_agent.inference.warm_up import warm_up

log = logging.getLogger(__name__)

_TWICE = 2  # golden samples are inspected again, after others: a start must not take much longer for it
_SAMPLES = 8  # of the golden samples are enough to see whether pictures get into each other's way


class Loaded(NamedTuple):
    """A pipeline, the engine that runs it, and what a person should know of how; "" for nothing."""

    pipeline: Pipeline
    engine: EngineName
    note: str = ""


def load_pipeline(
    folder: Path,
    manifest: Manifest,
    options: EngineOptions,
    progress: Progress = silent,
    examine: Callable[[], Device] = examine_device,
    *,
    helped: bool = False,
) -> Loaded:
    """Load a component into the best engine that can run it here, check its golden samples, and warm it up.

    With `helped` a second thread prepares pictures on the processor too, where the engine may have more than one.

    Raises:
        ComponentError: no engine can, and why; or the answer to a golden sample is another than expected, or another
            each time.
        EngineFailed: the engine fails on a picture.
        EngineLost: the GPU failed; another process may do better.
    """
    candidates = select_engines(manifest, options, examine)
    lacking: list[str] = []  # of the better ones
    for engine, lacks in candidates:
        if lacks:
            lacking.append(f"{engine}: {lacks}")
            continue
        progress(f"{LOADING}{engine}")
        try:
            pipeline = _open(engine, folder, manifest, options, progress, helped=helped)
        except ComponentError as error:
            if len(candidates) == 1:
                raise
            log.warning("engine %s can't run %s %s: %s", engine, manifest.name, manifest.version, error)
            lacking.append(f"{engine}: {error}")
            continue
        progress("warming up")
        model = folder / manifest.onnx_file if manifest.onnx_file else folder
        answered = check_golden_samples(pipeline, folder, kept=_TWICE)
        samples = [read_golden(folder, manifest, sample) for sample in manifest.golden[:_SAMPLES]]
        blank = warm_up(pipeline, samples, training_nodes(model))
        check_steady(pipeline, [*answered, blank], engine, model)
        return Loaded(pipeline, engine, f"runs on {engine} ({'; '.join(lacking)})" if lacking else "")
    raise ComponentError("; ".join(lacking))


def _open(
    engine: EngineName,
    folder: Path,
    manifest: Manifest,
    options: EngineOptions,
    progress: Progress,
    *,
    helped: bool,
) -> Pipeline:
    if engine == CPU:
        threads = options.threads or threads_within_quota() or len(os.sched_getaffinity(0))
        loaded = load_on_processor(folder / manifest.onnx_file, options.threads)
        return HostPipeline(manifest, loaded, options.batch or 1, helped=helped and threads > 1)
    from edge_agent.inference.gpu import GpuPipeline  # with what only a GPU needs

    return GpuPipeline(manifest, load_on_gpu(engine, folder, manifest, options, progress))
