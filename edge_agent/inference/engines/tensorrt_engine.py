"""TensorRT plans on a GPU: the component's own where it fits the device, otherwise ones that are built here and kept.

Preparation, model and conclusion are three plans on one CUDA stream. A call is one CUDA graph: the bitmaps go in from
page-locked memory, the plans run, the answers come back. There is a graph, with execution contexts of its own, for each
of a few sizes of batch, because a graph is bound to the shapes and the contexts that it was recorded with.
https://docs.nvidia.com/deeplearning/tensorrt/latest/performance/best-practices.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorrt as trt

from edge_agent.component.manifest import Manifest
from edge_agent.errors import ComponentError, EngineFailed, EngineLost
from edge_agent.hardware.nvidia import Nvidia, examine_nvidia
from edge_agent.inference.engines.cuda import Stream
from edge_agent.inference.engines.gpu_model import GpuModel, Stage
from edge_agent.inference.engines.options import EngineOptions, batch_sizes
from edge_agent.inference.engines.progress import Progress
from edge_agent.inference.engines.selection import plan_problems
from edge_agent.inference.engines.signature import Signature, TensorSpec, check_signature
from edge_agent.inference.engines.tensorrt_building import Logger, build_plan
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Tensor
from edge_agent.inference.stages.conclusion import input_name
from edge_agent.inference.stages.preparation import PIXELS, TENSOR

log = logging.getLogger(__name__)


class Plan:
    """One plan, loaded."""

    def __init__(self, stage: Stage, file: Path, runtime: trt.Runtime, logger: Logger) -> None:
        """Load a file.

        Raises:
            ComponentError: TensorRT can't load it on this device.
        """
        self.stage = stage
        self._engine = runtime.deserialize_cuda_engine(file.read_bytes())
        if self._engine is None:
            raise ComponentError(f"TensorRT can't load the plan of the {stage}: {logger.error or 'it gave no reason'}")
        self._logger = logger
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self.inputs = tuple(self._spec(name) for name in names if self._is_input(name))
        self.outputs = tuple(self._spec(name) for name in names if not self._is_input(name))

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)

    def _spec(self, name: str) -> TensorSpec:
        dtype = np.dtype(trt.nptype(self._engine.get_tensor_dtype(name))).name
        return TensorSpec(name, dtype, tuple(None if n == -1 else n for n in self._engine.get_tensor_shape(name)))

    @property
    def memory(self) -> int:
        """Bytes of the GPU that a run needs beside inputs and outputs."""
        return int(self._engine.device_memory_size_v2)

    @property
    def batch(self) -> int:
        """The most pictures at once that it was built for."""
        free = [spec.name for spec in self.inputs if spec.shape and spec.shape[0] is None]
        most = 1
        for profile in range(self._engine.num_optimization_profiles) if free else ():
            most = max(most, min(self._engine.get_tensor_profile_shape(name, profile)[2][0] for name in free))
        return most

    def context(self, size: int, addresses: Mapping[str, int], memory: tuple[int, int], stream: Stream) -> Any:
        """Make what runs it for `size` pictures.

        Args:
            size: of the batch.
            addresses: where its inputs and outputs are on the GPU.
            memory: address and size of what a run needs beside them; plans that run one after the other share it.
            stream: that it will run on.

        Raises:
            ComponentError: TensorRT refuses something of it.
        """
        context = self._engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            raise self._refused("make a context for")
        free = [spec for spec in self.inputs if spec.shape and spec.shape[0] is None]
        if free:
            self._check(context.set_optimization_profile_async(self._profile(free[0].name, size), stream.handle))
            stream.wait()
        context.set_device_memory(*memory)
        for spec in free:
            self._check(context.set_input_shape(spec.name, shape_of(spec, size)))
        for name, address in addresses.items():
            self._check(context.set_tensor_address(name, address))
        return context

    def _check(self, accepted: bool) -> None:
        if not accepted:
            raise self._refused("set up")

    def _refused(self, what: str) -> ComponentError:
        reason = self._logger.error or "it gave no reason"
        return ComponentError(f"TensorRT can't {what} the plan of the {self.stage}: {reason}")

    def _profile(self, name: str, size: int) -> int:
        for profile in range(self._engine.num_optimization_profiles):
            least, _, most = self._engine.get_tensor_profile_shape(name, profile)
            if least[0] <= size <= most[0]:
                return profile
        raise ComponentError(f"the plan of the {self.stage} was not built for {size} pictures at once")


class TensorRtEngine:
    """A component's three plans; a GpuEngine."""

    def __init__(self, folder: Path, manifest: Manifest, options: EngineOptions, progress: Progress) -> None:
        self._logger = Logger()
        self._stream = Stream()
        self._runtime = trt.Runtime(self._logger)
        self._progress = progress
        nvidia = examine_nvidia()
        self._source = GpuModel(folder, manifest, options, nvidia, progress)
        model = self._model(folder, nvidia)
        signature = Signature(model.inputs, model.outputs)
        check_signature(signature, manifest)
        self._batch = min(self._source.batch, model.batch)
        first = self._built(Stage.PREPARATION, self._source.preparation(), self._batch)
        last = self._built(Stage.CONCLUSION, self._source.conclusion(signature), self._batch)
        self._plans = (first, model, last)
        image = manifest.image
        #: the bitmaps of the next run: uint8 [batch, height, width, 3], page-locked
        self.pixels: U8 = self._stream.page_locked((self._batch, image.height, image.width, 3), np.uint8)
        self._answers = {
            spec.name: self._stream.page_locked(shape_of(spec, self._batch), spec.dtype) for spec in last.outputs
        }
        self._addresses = self._allocate(manifest)
        most = max(plan.memory for plan in self._plans)
        self._memory = (self._stream.allocate(most), most)
        self._calls = {size: self._record(size) for size in batch_sizes(self._batch)}

    def run(self, count: int) -> Mapping[str, Tensor]:
        """See GpuEngine.run."""
        size = next(size for size in self._calls if size >= count)
        try:
            self._calls[size]()
            self._stream.wait()
        except EngineFailed as error:  # after one such error CUDA answers everything in this process with it
            raise EngineLost(str(error)) from None
        return {name: answer[:count] for name, answer in self._answers.items()}

    def _model(self, folder: Path, nvidia: Nvidia) -> Plan:
        """Load the component's own plan, or one of its ONNX file where that does not fit or can't be loaded."""
        manifest = self._source.manifest
        if not plan_problems(manifest, nvidia) and self._source.takes_own_plan:
            try:
                return Plan(Stage.MODEL, folder / manifest.plan_file, self._runtime, self._logger)
            except ComponentError as error:
                if not manifest.onnx_file:
                    raise
                log.warning("%s; it is built anew", error)
        with self._source.onnx_file() as file:
            return self._built(Stage.MODEL, file.read_bytes(), self._source.batch)

    def _built(self, stage: Stage, graph: bytes, batch: int) -> Plan:
        """Load the plan of an ONNX graph from the cache, building it where it is not there or can't be loaded."""

        def build(target: Path) -> None:
            build_plan(str(stage), graph, batch, target, self._progress)

        try:
            with self._source.plan(stage, graph, batch, build) as file:
                return Plan(stage, file, self._runtime, self._logger)
        except ComponentError as error:  # whole, but not for this TensorRT: its version is not always known
            if not self._source.forget_plan(stage, graph, batch):
                raise
            log.warning("%s; it is built anew", error)
        with self._source.plan(stage, graph, batch, build) as file:
            return Plan(stage, file, self._runtime, self._logger)

    def _allocate(self, manifest: Manifest) -> list[dict[str, int]]:
        """Give every input and output of each plan a place on the GPU; what goes from one to the next has one place."""
        first, model, last = self._plans
        place = {spec.name: self._stream.allocate(_bytes(spec, self._batch)) for spec in first.outputs + first.inputs}
        results = {spec.name: self._stream.allocate(_bytes(spec, self._batch)) for spec in model.outputs}
        taken = {input_name(name): results[name] for name in manifest.outputs.names}
        answers = {spec.name: self._stream.allocate(_bytes(spec, self._batch)) for spec in last.outputs}
        return [place, {manifest.input.name: place[TENSOR], **results}, {**taken, **answers}]

    def _record(self, size: int) -> Callable[[], None]:
        """Return what queues a call for `size` pictures."""
        contexts = [
            plan.context(size, addresses, self._memory, self._stream)
            for plan, addresses in zip(self._plans, self._addresses, strict=True)
        ]

        def queue() -> None:
            self._stream.copy_in(self._addresses[0][PIXELS], self.pixels[:size])
            for plan, context in zip(self._plans, contexts, strict=True):
                if not context.execute_async_v3(self._stream.handle):
                    raise EngineFailed(f"the plan of the {plan.stage} failed: {self._logger.error}")
            for name, answer in self._answers.items():
                self._stream.copy_out(answer[:size], self._addresses[-1][name])

        queue()  # once as it is: TensorRT puts off some of its preparations until then
        self._stream.wait()
        try:
            return self._stream.capture(queue)
        except EngineFailed as error:  # some layers synchronise, which can't be recorded
            log.info("calls of %d pictures are not recorded as a CUDA graph: %s", size, error)
            return queue


def shape_of(spec: TensorSpec, batch: int) -> tuple[int, ...]:
    """Return a tensor's shape with `batch` for a free batch; ComponentError when something else is free."""
    first, *others = spec.shape or (1,)
    if None in others:
        raise ComponentError(
            f"'{spec.name}' of the plan has the shape {list(spec.shape or ())}, only the batch may be free"
        )
    return (batch if first is None else first, *(size or 0 for size in others)) if spec.shape else ()


def _bytes(spec: TensorSpec, batch: int) -> int:
    return int(np.prod(shape_of(spec, batch))) * np.dtype(spec.dtype).itemsize
