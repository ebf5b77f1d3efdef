"""Building TensorRT plans from ONNX files, with TensorRT 10 and 11.

https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/python-api-docs.html. Networks are strongly
typed: what a value is computed in is what the ONNX file says (precision.py); TensorRT 11 knows no other way.
"""

from __future__ import annotations

import logging
from pathlib import Path

import tensorrt as trt

from edge_agent.errors import ComponentError
from edge_agent.inference.engines.progress import Progress

log = logging.getLogger(__name__)

#: bytes that the builder may use for trying out ways to compute: on a Jetson they are everybody's
_WORKSPACE = 2 << 30


class Logger(trt.ILogger):  # type: ignore[misc]
    """Passes what TensorRT says on to the log; keeps the last error for the sentence that a user sees."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.error = ""

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT."""
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self.error = msg.strip()
            log.error("TensorRT: %s", self.error)
        elif severity == trt.ILogger.Severity.WARNING:
            log.info("TensorRT: %s", msg.strip())


class _Monitor(trt.IProgressMonitor):  # type: ignore[misc]
    """Tells how far the builder is. An exception from whoever is told ends the build."""

    def __init__(self, what: str, progress: Progress) -> None:
        trt.IProgressMonitor.__init__(self)
        self._what, self._progress = what, progress
        self._steps: dict[str, int] = {}
        self.stopped: BaseException | None = None

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """Called by TensorRT."""
        self._steps[phase_name] = num_steps

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Called by TensorRT, which goes on when the answer is True."""
        try:
            of = self._steps.get(phase_name, 0)
            self._progress(f"building the plan of the {self._what}: {phase_name}, {step + 1} of {of}", building=True)
        except BaseException as error:  # must not pass through TensorRT
            self.stopped = error
        return self.stopped is None

    def phase_finish(self, phase_name: str) -> None:
        """Called by TensorRT."""
        self._steps.pop(phase_name, None)


def _sizes(batch: int) -> list[tuple[int, int, int]]:
    """Return the least, best and greatest size of batch of each profile: a picture alone is tuned for by itself."""
    return [(1, 1, 1)] + ([(2, batch, batch)] if batch > 1 else [])


def build_plan(what: str, model: bytes, batch: int, target: Path, progress: Progress) -> None:
    """Build a plan for this device's GPU and write it to `target`.

    Args:
        what: the stage, for messages.
        model: an ONNX model whose inputs have the batch as their first dimension, free or 1.
        batch: the most pictures at once; not regarded when the model's batch is 1.
        target: the file to write.
        progress: told every step; an exception from it ends the build and is passed on.

    Raises:
        ComponentError: TensorRT can't read or build it; its own words are in the text.
    """
    logger = Logger()
    monitor = _Monitor(what, progress)
    progress(f"building the plan of the {what}", building=True)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        reasons = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise ComponentError(f"TensorRT can't read the {what}: {reasons or logger.error}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE)
    config.progress_monitor = monitor
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    free = {tensor.name: tuple(tensor.shape)[1:] for tensor in inputs if tuple(tensor.shape)[:1] == (-1,)}
    for sizes in _sizes(batch) if free else ():
        profile = builder.create_optimization_profile()
        for name, rest in free.items():
            profile.set_shape(name, *((size, *rest) for size in sizes))
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if monitor.stopped is not None:
        raise monitor.stopped
    if plan is None:
        raise ComponentError(f"TensorRT can't build the {what}: {logger.error or 'it gave no reason'}")
    target.write_bytes(memoryview(plan))
