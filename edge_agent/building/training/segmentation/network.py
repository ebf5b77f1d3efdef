"""The network in torch, and the same network as ONNX nodes.

The backbone's first stages are shared with the verdict and stay as they are (frozen.py). A copy of its later stages is
tuned for the masks, so that learning them does not change what the verdict sees. The decoder joins strides 32, 16, 8
and 4 from coarse to fine, with depthwise separable convolutions.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from edge_agent.building.training import backbone
from edge_agent.building.training.features import mask_stride
from edge_agent.building.training.graph import Graph
from edge_agent.building.training.segmentation.convolution import depthwise
from edge_agent.inference.engines.onnx_graph import cut

#: coarse to fine: stage -> is it of the tuned copy
_LEVELS = {"stage6": True, "stage5": True, "stage3": False, "stage2": False}
_FIRST_TUNED_BLOCK = 5  # stage 4 begins there
_WIDTH = 64  # channels of the decoder
_PREFIX = "masks/"
_FINEST = 4  # stride of the last level
_BLOCK = re.compile(r"_blocks\.(\d+)\.")


class Convolutions(nn.Module):
    """Runs nodes of the backbone's graph: Conv, Clip to 0..6, Add and Identity."""

    def __init__(self, nodes: list[NodeProto], weights: dict[str, TensorProto]) -> None:
        super().__init__()
        self._steps = [(node.op_type, list(node.input), node.output[0], _attributes(node)) for node in nodes]
        for name in {name for node in nodes for name in node.input} & set(weights):
            value = torch.from_numpy(numpy_helper.to_array(weights[name]).copy())
            self.register_parameter(_key(name), nn.Parameter(value))

    def forward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add every node's output to `values`, by name."""
        values = dict(values)
        for kind, inputs, output, attributes in self._steps:
            first = values[inputs[0]]
            if kind == "Conv":
                values[output] = self._convolve(first, inputs, attributes)
            elif kind == "Clip":
                values[output] = functional.relu6(first)
            elif kind == "Add":
                values[output] = first + values[inputs[1]]
            else:
                values[output] = first
        return values

    def _convolve(self, first: Tensor, inputs: list[str], attributes: dict[str, Any]) -> Tensor:
        top, left, bottom, right = attributes["pads"]
        padding = (top, left)
        if (top, left) != (bottom, right):
            first = functional.pad(first, (left, right, top, bottom))
            padding = (0, 0)
        weight, bias = self.get_parameter(_key(inputs[1])), self.get_parameter(_key(inputs[2]))
        if attributes["group"] == len(weight) and weight.shape[1] == 1:
            return depthwise(first, weight, bias, attributes["strides"][0], padding[0])
        return functional.conv2d(first, weight, bias, attributes["strides"], padding, groups=attributes["group"])


class Network(nn.Module):
    """Maps of the frozen stages in, class scores [n, labels, h / stride, w / stride] out, as the finished graph gives
    them; label 0 is the background."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        model = backbone.load_backbone()
        weights = {weight.name: weight for weight in model.graph.initializer}
        nodes, _ = cut(list(model.graph.node), set(_LEVELS))
        tuned = [node for node in nodes if _is_tuned(node, nodes)]
        self._tuned_nodes = tuned
        self.stride = mask_stride(labels)
        made = {node.output[0] for node in tuned}
        read = {name for node in tuned for name in node.input} | set(_LEVELS)
        #: the frozen stages' outputs that `forward` needs
        self.reads = sorted(read - made - set(weights))
        self.tuned = Convolutions(tuned, weights)
        self.decoder = _Decoder(labels)

    def forward(self, frozen: dict[str, Tensor]) -> Tensor:
        values = self.tuned(frozen)
        scores = self.decoder([values[stage] for stage in _LEVELS]).float()
        factor = _FINEST // self.stride
        enlarged: Tensor = functional.interpolate(scores, scale_factor=factor, mode="bilinear", align_corners=False)
        return enlarged

    def add_to(self, graph: Graph) -> str:
        """Write what is not the shared backbone into a graph that has it; return the name of the class scores."""
        own = {node.output[0] for node in self._tuned_nodes}
        for node in self._tuned_nodes:
            copy = NodeProto()
            copy.CopyFrom(node)
            names = [_PREFIX + name if name in own or self._is_weight(name) else name for name in node.input]
            del copy.input[:]
            copy.input.extend(names)
            copy.output[0] = _PREFIX + node.output[0]
            copy.name = _PREFIX + node.name
            graph.take([copy], [])
            for name in node.input:
                if self._is_weight(name):
                    graph.weight(_PREFIX + name, self.tuned.get_parameter(_key(name)).detach().numpy())
        stages = [_PREFIX + stage if tuned else stage for stage, tuned in _LEVELS.items()]
        scores = self.decoder.add_to(graph, stages)
        return graph.enlarge(_PREFIX + "enlarged", scores, _FINEST // self.stride)

    def _is_weight(self, name: str) -> bool:
        return any(name in node.input[1:] for node in self._tuned_nodes if node.op_type == "Conv")


class _Separable(nn.Module):
    """Depthwise 3x3, pointwise, ReLU; twice."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, groups=_WIDTH) for _ in range(2))
        self.wide = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for deep, wide in zip(self.deep, self.wide, strict=True):
            x = functional.relu(wide(deep(x)))
        return x


class _Decoder(nn.Module):
    def __init__(self, labels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(backbone.STAGES[stage][0], _WIDTH, 1) for stage in _LEVELS)
        self.blocks = nn.ModuleList(_Separable() for _ in _LEVELS)
        self.out = nn.Conv2d(_WIDTH, labels, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        x: Tensor | None = None
        for lateral, block, found in zip(self.lateral, self.blocks, maps, strict=True):
            here = lateral(found)
            if x is not None:
                factor = here.shape[-1] // x.shape[-1]
                here = here + functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
            x = block(here)
        scores: Tensor = self.out(x)
        return scores

    def add_to(self, graph: Graph, stages: list[str]) -> str:
        """Write the decoder as nodes that read `stages`."""
        strides = [backbone.STAGES[stage][1] for stage in _LEVELS]
        x = ""
        for number, stage in enumerate(stages):
            at = f"{_PREFIX}level{number}"
            here = _add_convolution(graph, f"{at}.lateral", stage, self.lateral[number])
            if x:
                wide = graph.enlarge(f"{at}.enlarged", x, strides[number - 1] // strides[number])
                here = graph.op("Add", f"{at}.sum", here, wide)
            block = self.blocks[number]
            assert isinstance(block, _Separable)
            for turn, (deep, wide_) in enumerate(zip(block.deep, block.wide, strict=True)):
                here = _add_convolution(graph, f"{at}.deep{turn}", here, deep)
                here = _add_convolution(graph, f"{at}.wide{turn}", here, wide_)
                here = graph.op("Relu", f"{at}.relu{turn}", here)
            x = here
        return _add_convolution(graph, f"{_PREFIX}scores", x, self.out)


def _add_convolution(graph: Graph, name: str, source: str, module: nn.Module) -> str:
    assert isinstance(module, nn.Conv2d) and module.bias is not None
    weight = graph.weight(f"{name}.weight", module.weight.detach().numpy())
    bias = graph.weight(f"{name}.bias", module.bias.detach().numpy())
    pad = module.kernel_size[0] // 2
    return graph.op(
        "Conv", name, source, weight, bias, kernel_shape=list(module.kernel_size), pads=[pad] * 4, group=module.groups
    )


def _is_tuned(node: NodeProto, nodes: list[NodeProto]) -> bool:
    """Tell whether a node is of the tuned blocks, or hands on the output of one."""
    match = _BLOCK.match(node.output[0])
    if match:
        return int(match[1]) >= _FIRST_TUNED_BLOCK
    source = next((other for other in nodes if other.output[0] == node.input[0]), None)
    return node.op_type == "Identity" and source is not None and _is_tuned(source, nodes)


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _key(name: str) -> str:
    return name.replace(".", "/")
