"""Static quantisation in the form that TensorRT wants: QDQ nodes, signed, symmetric, weights by output channel.

Only what convolutions read is quantised, and neither what they write nor their bias: TensorRT fuses a convolution with
what follows only when nothing stands between them
(https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/quantized-types-explicit-quantization.html).
Matrix products stay in float32: in anomaly models they are distances, differences of large numbers. So does what tells
where to look (positions.py), and a network's
first convolutions, those that write few channels: what they lose is in everything behind them. With five of 33 in
float32 the score of a model of `edge-agent train` was off by 0.04 where it had been off by 1.1.

building/training/quantization.py quantises for the processor, which wants other types, other nodes and seven bits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from edge_agent.errors import ComponentError
from edge_agent.inference.conversion.onnx_model import opset, simplify, weights_of, write_model
from edge_agent.inference.conversion.positions import position_nodes
from edge_agent.inference.conversion.quantized import is_symmetric
from edge_agent.inference.conversion.reference import Reference, compare
from edge_agent.inference.engines.onnxruntime_cpu import first_line
from edge_agent.inference.imaging.tensor import Tensor

_COMPARED = 4  # samples
_FEW_CHANNELS = 32  # that a convolution writes
_BY_CHANNEL = 13  # the version of ONNX's operators since which a scale may differ by channel


def to_int8(model: ModelProto, samples: list[Tensor], progress: Callable[[str], None]) -> bytes:
    """Quantise the convolutions of a float32 model.

    Args:
        model: it is changed.
        samples: inputs that are like what the model will see; the ranges of its values are taken from them.
        progress: is told what is done.

    Raises:
        ComponentError: there are no samples or no convolutions, or the model can't be run or quantised.
    """
    if not samples:
        raise ComponentError(
            "precision int8 needs sample pictures to calibrate with, and the component has none; add golden samples to "
            "it, or use precision fp16"
        )
    model = simplify(_with_channels(model))
    reference = Reference(model.SerializeToString())
    reference.run(samples[0])  # what is wrong with samples is told before anything else
    weights = weights_of(model)
    channels, of_positions = {}, position_nodes(model)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.name or node.op_type}.{number}"  # it finds nodes by their names, which need not be there
        if node.op_type == "Conv" and node.input[1] in weights and number not in of_positions:
            channels[node.name] = weights[node.input[1]].dims[0]
    chosen = [name for name, count in channels.items() if count > _FEW_CHANNELS] or [*channels]
    if not chosen:
        raise ComponentError("the model has no convolutions that could be quantised; use precision fp16")
    # It warns of a model that was not prepared, in the log that is not ours.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "quantised.onnx"
        onnx.save(model, source)  # some versions damage a model that they are given in memory
        try:
            quantize_static(
                str(source),
                str(target),
                _Samples(reference.input, samples, progress),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=chosen,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                    "OpTypesToExcludeOutputQuantization": ["Conv"],
                },
            )
        except Exception as error:  # whatever its own code or ONNX Runtime raises
            raise ComponentError(f"the model can't be quantised: {first_line(error)}; use precision fp16") from None
        quantised = onnx.load(target)
    if not is_symmetric(quantised):
        raise ComponentError(
            "this version of onnxruntime.quantization quantises a bias; install onnxruntime 1.20 or later"
        )
    data = write_model(quantised)
    progress(f"int8: {len(chosen)} convolutions; {compare(reference, Reference(data), samples[:_COMPARED])}")
    return data


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, samples: list[Tensor], progress: Callable[[str], None]) -> None:
        self._left: Iterator[tuple[int, Tensor]] = iter(enumerate(samples, start=1))
        self._name, self._count, self._progress = name, len(samples), progress

    def get_next(self) -> dict[str, Tensor] | None:
        for number, sample in self._left:
            self._progress(f"int8: calibrating with sample {number} of {self._count}")
            return {self._name: sample}
        return None


def _with_channels(model: ModelProto) -> ModelProto:
    if opset(model) >= _BY_CHANNEL:
        return model
    try:
        return onnx.version_converter.convert_version(model, _BY_CHANNEL)
    except Exception as error:  # RuntimeError, or what its C++ code raises
        raise ComponentError(
            f"the model has opset {opset(model)}, expected {_BY_CHANNEL} or later, and can't be brought there "
            f"({first_line(error)}); export it anew"
        ) from None
