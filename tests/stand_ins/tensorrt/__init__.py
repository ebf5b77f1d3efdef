"""TensorRT whose plans are run by ONNX Runtime: https://docs.nvidia.com/deeplearning/tensorrt/latest/.

What a test wants to know or to hold up: every build adds a line to the file that `STAND_IN_BUILDS` names, and stops
in its middle for as long as the file that `STAND_IN_GATE` names exists.
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from cuda.bindings import driver as cuda
from onnx import helper

__version__ = "10.3.0"

_MAGIC = b"plan of sm_87 "


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3


class ILogger:
    Severity = Severity

    def log(self, severity: Any, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    pass


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class ExecutionContextAllocationStrategy(enum.IntEnum):
    STATIC = 0
    USER_MANAGED = 2


class TensorIOMode(enum.IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


def nptype(dtype: Any) -> Any:
    return dtype


class _Tensor:
    def __init__(self, value: Any) -> None:
        self.name = value.name
        self.shape = tuple(
            dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim
        )
        self.dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


class _Network:
    model: Any = None

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    def get_input(self, index: int) -> _Tensor:
        return _Tensor(self.model.graph.input[index])


class _Error:
    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text


class OnnxParser:
    def __init__(self, network: _Network, logger: ILogger) -> None:
        self._network, self._errors = network, list[_Error]()

    def parse(self, model: bytes) -> bool:
        try:
            self._network.model = onnx.load_model_from_string(model)
            onnx.checker.check_model(self._network.model, full_check=True)
        except Exception as error:
            self._errors.append(_Error(str(error).splitlines()[0]))
        unknown = [node.op_type for node in self._network.model.graph.node if node.op_type == "NonMaxSuppression"]
        self._errors += [_Error(f"no importer registered for op: {name}") for name in unknown]
        return not self._errors

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> _Error:
        return self._errors[index]


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, name: str, least: Sequence[int], best: Sequence[int], most: Sequence[int]) -> None:
        self.shapes[name] = [list(least), list(best), list(most)]


class _Config:
    progress_monitor: Any = None

    def __init__(self) -> None:
        self.profiles: list[_Profile] = []

    def set_memory_pool_limit(self, pool: MemoryPoolType, size: int) -> None:
        assert pool is MemoryPoolType.WORKSPACE

    def add_optimization_profile(self, profile: _Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int) -> _Network:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return _Network()

    def create_builder_config(self) -> _Config:
        return _Config()

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: _Network, config: _Config) -> bytes | None:
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            if -1 in tensor.shape and not all(tensor.name in profile.shapes for profile in config.profiles):
                self._logger.log(Severity.ERROR, f"{tensor.name}: dynamic input is missing dimensions in profile")
                return None
        monitor, steps = config.progress_monitor, 3
        monitor.phase_start("Building Engine", None, steps)
        for step in range(steps):
            while "STAND_IN_GATE" in os.environ and Path(os.environ["STAND_IN_GATE"]).exists() and step == 1:
                time.sleep(0.01)
            if not monitor.step_complete("Building Engine", step):
                return None
        monitor.phase_finish("Building Engine")
        if "STAND_IN_BUILDS" in os.environ:
            with Path(os.environ["STAND_IN_BUILDS"]).open("a") as file:
                file.write(f"{network.model.graph.name}\n")
        profiles = json.dumps([profile.shapes for profile in config.profiles]).encode()
        model: bytes = network.model.SerializeToString()
        return _MAGIC + len(profiles).to_bytes(4, "big") + profiles + model


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        if not plan.startswith(_MAGIC):
            self._logger.log(Severity.ERROR, "magicTag mismatch: the plan is not of this version of TensorRT")
            return None
        start = len(_MAGIC) + 4
        end = start + int.from_bytes(plan[start - 4 : start], "big")
        return _Engine(plan[end:], json.loads(plan[start:end]), self._logger)


class _Engine:
    def __init__(self, model: bytes, profiles: Any, logger: ILogger) -> None:
        graph = onnx.load_model_from_string(model).graph
        self.inputs = {value.name: _Tensor(value) for value in graph.input}
        self.outputs = {value.name: _Tensor(value) for value in graph.output}
        self.tensors = self.inputs | self.outputs
        self.profiles, self.logger = profiles, logger
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self.profiles))

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def get_tensor_dtype(self, name: str) -> Any:
        return self.tensors[name].dtype

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self.profiles[profile][name]]

    @property
    def device_memory_size_v2(self) -> int:
        return 1000

    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy) -> _Context | None:
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        return None if "STAND_IN_NO_CONTEXT" in os.environ else _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._shapes = {name: tensor.shape for name, tensor in engine.inputs.items()}
        self._profile = 0
        self._memory = False

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0
        assert cuda.is_inside("device", memory, size)
        self._memory = size >= self._engine.device_memory_size_v2

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self._profile = index
        return index < self._engine.num_optimization_profiles

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self._engine.profiles[self._profile][name]
        fits = all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True))
        if fits:
            self._shapes[name] = tuple(shape)
        return fits

    def set_tensor_address(self, name: str, address: int) -> bool:
        if name not in self._engine.tensors or not cuda.is_inside("device", address, 1):
            return False
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        missing = [name for name in self._engine.tensors if name not in self._addresses]
        unset = [name for name, shape in self._shapes.items() if -1 in shape]
        if missing or unset or not self._memory:
            self._engine.logger.log(Severity.ERROR, f"no address for {missing}, no shape for {unset}")
            return False
        cuda.streams[stream].add(self._run)
        return True

    def _run(self) -> None:
        feeds = {
            name: _at(self._addresses[name], self._shapes[name], tensor.dtype)
            for name, tensor in self._engine.inputs.items()
        }
        results = self._engine.session.run(list(self._engine.outputs), feeds)
        for name, result in zip(self._engine.outputs, results, strict=True):
            assert cuda.is_inside("device", self._addresses[name], result.nbytes), name
            source = np.ascontiguousarray(result)
            ctypes.memmove(self._addresses[name], source.ctypes.data, source.nbytes)


def _at(address: int, shape: tuple[int, ...], dtype: Any) -> Any:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    assert cuda.is_inside("device", address, size)
    block = (ctypes.c_uint8 * size).from_address(address)
    return np.frombuffer(block, np.uint8).view(dtype).reshape(shape).copy()
