"""The precision that an engine calculates in, written into the ONNX file.

TensorRT 11 has no flag for it any more: what an ONNX file says of types is what is calculated
(https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/advanced.html, strongly typed networks). What is
read or changed here is tried on the processor before it is given to a GPU.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Literal

from edge_agent.errors import ComponentError
from edge_agent.inference.imaging.tensor import Tensor

Precision = Literal["fp32", "fp16", "int8"]

#: more pictures make calibration no better, and take time and memory
_MOST_CALIBRATED = 64
#: enough to see how large values become, and how far float16 is off
_MOST_TRIED = 4


def convert_precision(
    model: bytes,
    precision: Precision,
    samples: Callable[[], Iterator[Tensor]] | None,
    progress: Callable[[str], None],
) -> bytes:
    """Write a precision into a model, whose inputs and outputs keep their names, types and shapes.

    fp32 is the model as it is, unless it is quantised in a way that TensorRT refuses: then it is made float. fp16 turns
    float32 into float16 where no more is lost than rounding; a model that is in float16 already stays as it is, one
    that is quantised is made float first. int8 quantises the convolutions; a model that is quantised in TensorRT's way
    stays as it is.

    Args:
        model: an ONNX file's content, with its weights.
        precision: what is wanted.
        samples: makes prepared inputs [1, …], one for each sample picture of the component; None when there are none.
        progress: is told, in words, what is done.

    Raises:
        ComponentError: the model can't be had in this precision, or something is missing; the text says what to do.
    """
    try:
        from edge_agent.inference.conversion import half_precision, onnx_model, quantized

        if precision == "int8":
            from edge_agent.inference.conversion import symmetric_int8
    except ImportError as error:
        raise ComponentError(
            f"precision {precision} needs the Python module '{error.name}'; install edge-agent with its extra [gpu]"
        ) from None
    graph = onnx_model.read_model(model)
    if precision == "fp32":
        if not quantized.is_quantized_for_processors(graph):
            return model
        progress("fp32: the model's own quantisation is taken out")
        quantized.without_quantization(graph)
        return onnx_model.write_model(graph)
    is_half = half_precision.is_float16(graph)
    if precision == "fp16" and is_half:
        progress("float16: the model is in float16 already")
        return model
    if quantized.is_quantized(graph):
        if precision == "int8" and quantized.is_symmetric(graph):
            progress("int8: the model is quantised already")
            return model
        progress(f"{precision}: the model's own quantisation is taken out")
        quantized.without_quantization(graph)
    if precision == "fp16":
        return half_precision.to_float16(graph, _some(samples, _MOST_TRIED), progress)
    if is_half:
        raise ComponentError(
            "the model is in float16, and quantisation begins with float32; export it in float32, or use precision fp16"
        )
    return symmetric_int8.to_int8(graph, _some(samples, _MOST_CALIBRATED), progress)


def _some(samples: Callable[[], Iterator[Tensor]] | None, most: int) -> list[Tensor]:
    # A normalizer fills one and the same tensor again and again.
    return [sample.copy() for sample in itertools.islice(samples(), most)] if samples else []
