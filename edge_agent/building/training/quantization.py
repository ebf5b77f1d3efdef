"""Eight-bit integers for the convolutions: static quantisation, calibrated on the training pictures.

Only what is convolved is quantised; the heads are fitted afterwards, on the features that the quantised network gives.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.building.counting import Progress
from edge_agent.building.training import backbone
from edge_agent.building.training.features import input_spec
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer, Tensor

_MOST_PICTURES = 40
#: with so few channels the first convolutions are slower in int8, and less exact: 4.0 ms for all instead of 3.3
_KEPT = ("_conv_stem", "_blocks.0.")


def quantize(model: Any, pictures: list[U8], *, progress: Progress) -> Any:
    """Quantise the convolutions of an onnx.ModelProto whose input is `picture`; its values keep their names."""
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    height, width = pictures[0].shape[:2]
    normalize = Normalizer(input_spec(width, height))
    chosen = pictures[:: max(1, len(pictures) // _MOST_PICTURES)]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[tuple[int, U8]] = iter(enumerate(chosen, start=1))

        def get_next(self) -> dict[str, Tensor] | None:
            number, picture = next(self._left, (0, None))
            if picture is None:
                return None
            progress(number, len(chosen))
            return {backbone.INPUT: np.copy(normalize(picture))}

    # It warns that a model was not preprocessed; ours has nothing to fold.
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "model.onnx", Path(folder) / "quantised.onnx"
            onnx.save(model, source)  # it changes, and some versions damage, a model that they are given in memory
            quantize_static(
                str(source),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                # Seven bits of weight: processors without VNNI add products in 16 bits, which eight would overflow.
                reduce_range=True,
                op_types_to_quantize=["Conv", "Clip", "Relu", "Add"],
                nodes_to_exclude=[node.name for node in model.graph.node if node.name.startswith(_KEPT)],
                calibrate_method=CalibrationMethod.MinMax,
            )
            return onnx.load(target)
    finally:
        logging.disable(logging.NOTSET)
