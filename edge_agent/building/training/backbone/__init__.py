"""EfficientNet-Lite0, trained on ImageNet: where the features come from. rebuild.py tells how the file was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("efficientnet-lite0.onnx")
INPUT = "picture"
#: a picture becomes (value - MEAN) / STD
MEAN, STD = 127.0, 128.0
#: width and height of the input have to be multiples of this
STRIDE = 32
#: name of an output -> channels and stride
STAGES = {"stage2": (24, 4), "stage3": (40, 8), "stage5": (112, 16), "stage6": (192, 32)}


def load_backbone() -> Any:
    """Read the file as an onnx.ModelProto."""
    import onnx

    return onnx.load(PATH)
