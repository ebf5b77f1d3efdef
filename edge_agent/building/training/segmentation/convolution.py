"""Depthwise convolutions whose learning takes no longer than it must.

oneDNN, which torch learns with on processors, has fast ways for kernels of 3x3 only: of a kernel of 5x5 the weights'
gradient takes ten to thirty times as long as everything else of it (docs/model-quality-tried.md). That gradient is
itself a depthwise convolution, of the input with the output's gradient as the kernel, and as such it is fast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional, grad

_FAST = 3  # the side of kernels that need no help


def depthwise(values: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve [n, c, h, w] with a square kernel [c, 1, k, k] for each channel."""
    if stride != 1:
        # With a stride oneDNN has no fast gradient in bfloat16 at all.
        values = values.float()
    weight, bias = weight.to(values.dtype), bias.to(values.dtype)
    with torch.autocast("cpu", enabled=False):
        if weight.shape[-1] <= _FAST:
            return functional.conv2d(values, weight, bias, stride, padding, groups=len(weight))
        found: Tensor = _Large.apply(values, weight, bias, stride, padding)
        return found


class _Large(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(values, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weight = ctx.saved_tensors
        of_values = None
        if ctx.needs_input_grad[0]:
            of_values = grad.conv2d_input(values.shape, weight, gradient, ctx.stride, ctx.padding, groups=len(weight))
        return (
            of_values,
            _of_weight(values, weight, gradient, ctx.stride, ctx.padding),
            gradient.sum((0, 2, 3)),
            None,
            None,
        )


def _of_weight(values: Tensor, weight: Tensor, gradient: Tensor, stride: int, padding: int) -> Tensor:
    """Sum, for each place of the kernel, what it has multiplied with the gradient of what came of it."""
    pictures, channels = values.shape[:2]
    side = weight.shape[-1]
    found = functional.conv2d(
        values.reshape(1, pictures * channels, *values.shape[2:]),
        gradient.reshape(pictures * channels, 1, *gradient.shape[2:]),
        padding=padding,
        dilation=stride,
        groups=pictures * channels,
    )
    # Rows and columns that the stride left over come behind the kernel's.
    return found[..., :side, :side].reshape(pictures, *weight.shape).sum(0)
