"""A model on the processor: what it gives is what a changed one is compared with.

This module loads ONNX Runtime: import it where a model is changed, not where one is served.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnxruntime_cpu import LOG_FATAL, first_line
from edge_agent.inference.imaging.tensor import Tensor

_FREE_SIDE = 256  # pixels, of noise for a model that leaves its input's size open
_NOISE = 2.0  # noise for a model that takes floating point: uniform from -2 to 2, about what normalised pixels are


class Reference:
    """A model on the processor: what it gives is what a changed one is compared with."""

    def __init__(self, data: bytes) -> None:
        """Load it.

        Raises:
            ComponentError: ONNX Runtime can't load it, or it has not exactly one input.
        """
        self._session = load_session(data, session_options())
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(f"'{value.name}'" for value in inputs) or "none"
            raise ComponentError(f"the model has the inputs {names}, expected one")
        self.input = inputs[0].name
        self._shape = [side if isinstance(side, int) else None for side in inputs[0].shape]
        self._dtype = {"tensor(uint8)": np.uint8, "tensor(float16)": np.float16}.get(inputs[0].type, np.float32)
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, tensor: Tensor) -> dict[str, Tensor]:
        """Give every output by its name.

        Raises:
            ComponentError: it can't be run on this input.
        """
        try:
            results = self._session.run(self._outputs, {self.input: tensor})
        except Exception as error:  # ONNX Runtime's exceptions share no base class below Exception
            raise ComponentError(f"the model can't be run on a sample: {first_line(error)}") from None
        return dict(zip(self._outputs, results, strict=True))

    @property
    def range(self) -> tuple[float, float]:
        """What the values of an input may be, as long as no sample says it."""
        return (0.0, 256.0) if self._dtype is np.uint8 else (-_NOISE, _NOISE)

    def noise(self, seed: int, low: float, high: float) -> Tensor:
        """Make an input of one picture, or of a fixed batch, of values from `low` to `high`."""
        shape = [self._shape[0] or 1, *(side or _FREE_SIDE for side in self._shape[1:])] if self._shape else []
        return np.random.default_rng(seed).uniform(low, high, shape).astype(self._dtype)


def compare(reference: Reference, changed: Reference, samples: list[Tensor]) -> str:
    """Run both on samples, and say in words how far the outputs are apart.

    Raises:
        ComponentError: the changed one gives infinite values, or what is not a number, where the other does not.
    """
    apart: dict[str, float] = {}
    for sample in samples:
        found = changed.run(sample)
        for name, expected in reference.run(sample).items():
            if expected.dtype.kind != "f":
                continue  # a decision, made of what is compared
            finite = np.isfinite(expected)
            if not np.isfinite(found[name][finite]).all():
                raise ComponentError(
                    f"the output '{name}' is not finite any more in the precision wanted; use precision fp32"
                )
            difference = np.abs(found[name][finite].astype(np.float64) - expected[finite].astype(np.float64))
            apart[name] = max(apart.get(name, 0.0), float(difference.max(initial=0.0)))
    return "off from float32 by at most " + ", ".join(f"{value:.2g} in '{name}'" for name, value in apart.items())


def session_options() -> Any:
    """Make ONNX Runtime's options, silent."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = LOG_FATAL
    return options


def load_session(data: bytes, options: Any) -> Any:
    """Load a model into ONNX Runtime.

    Raises:
        ComponentError: it can't be loaded.
    """
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class below Exception
        raise ComponentError(f"ONNX Runtime can't load the model: {first_line(error)}") from None
