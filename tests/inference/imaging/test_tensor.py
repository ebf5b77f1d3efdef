"""The input tensor is (value * scale - mean) / std, in every layout and type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.component.manifest import Input
from edge_agent.inference.imaging.tensor import Normalizer

PIXELS = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("dtype", "values", "tolerance"),
    [
        ("float32", {"scale": 1.0, "mean": (127.0, 127.0, 127.0), "std": (128.0, 128.0, 128.0)}, 1e-6),
        ("float32", {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, 1e-5),
        ("float32", {"scale": 0.0, "mean": (1.0, 2.0, 3.0), "std": (2.0, 2.0, 2.0)}, 1e-6),
        ("float16", {"scale": 1 / 255, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}, 1e-3),
        ("uint8", {"scale": 1.0}, 0),
    ],
)
def test_values(layout: str, dtype: str, values: dict[str, Any], tolerance: float) -> None:
    spec = Input(name="x", width=7, height=5, layout=layout, dtype=dtype, **values)  # type: ignore[arg-type]
    expected = (PIXELS.astype(np.float64) * spec.scale - spec.mean) / spec.std
    normalize = Normalizer(spec)
    for _ in range(2):
        tensor = normalize(PIXELS)
        assert tensor.dtype == dtype
        assert tensor.flags.c_contiguous
        shown = tensor[0].transpose(1, 2, 0) if layout == "NCHW" else tensor[0]
        assert np.abs(shown - expected).max() <= tolerance
