"""TorchScript to ONNX, and whether both answer the same.

A ScriptModule has no Python code that torch's newer exporter, which begins with torch.export, could follow; the
exporter for TorchScript is the one for it. torch calls that one deprecated and still has it: 2.4 and 2.15 were tried.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from edge_agent.building.importing.onnx_model import answers, load, parse_model
from edge_agent.building.importing.packages import require_torch
from edge_agent.errors import ImportFailed

OPSET = 17
#: pictures on which torch and ONNX Runtime are compared
_PICTURES = 3
#: how far an output's values may be apart, as a share of the largest of them; float32 in another order of summing
TOLERANCE = 1e-3


def convert(path: Path, shape: tuple[int, int, int, int]) -> ModelProto:
    """Write a TorchScript file, which takes float32 pictures of this shape, as ONNX.

    Loading it runs what its author has put into it.

    Raises:
        ImportFailed: torch is missing, the file is no TorchScript, can't be written as ONNX, or then answers otherwise.
    """
    require_torch(path.name)
    with warnings.catch_warnings(), _quiet_output():
        warnings.simplefilter("ignore")  # TorchScript is deprecated as a whole, and the user can't help it
        import torch

        try:
            module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call, unused-ignore]
        except Exception as error:  # RuntimeError and whatever unpickling raises
            raise ImportFailed(f"{path} is not a TorchScript file that torch can load: {_first_line(error)}") from None
        pictures = [_random_picture(shape, seed) for seed in range(_PICTURES)]
        try:
            with torch.no_grad():
                expected = [_run(torch, module, picture) for picture in pictures]
                data = _export(torch, module, pictures[0])
        except ImportFailed:
            raise
        except Exception as error:  # torch has no common class for what an operator or its exporter raises
            raise ImportFailed(f"torch can't run {path} or write it as ONNX: {_first_line(error)}") from None
    model = parse_model(data, path).model
    _compare(model, pictures, expected)
    return model


@contextlib.contextmanager
def _quiet_output() -> Iterator[None]:
    """Send to the error output what the model prints, from Python and from C++: standard output is ours."""
    if sys.stdout is None or sys.stderr is None:  # closed before the start
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C++ holds back
        os.dup2(kept, 1)
        os.close(kept)


def _random_picture(shape: tuple[int, int, int, int], seed: int) -> Any:
    """Make a normalised picture: values of about -2 to 2, coarse and fine detail."""
    random = np.random.default_rng(seed)
    _, channels, height, width = shape
    coarse = random.normal(size=(1, channels, -(-height // 16), -(-width // 16))).repeat(16, axis=2).repeat(16, axis=3)
    return (coarse[..., :height, :width] + 0.3 * random.normal(size=shape)).astype(np.float32)


def _run(torch: Any, module: Any, picture: Any) -> list[Any]:
    found = module(torch.from_numpy(picture))
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    if not all(isinstance(value, torch.Tensor) for value in found):
        raise ImportFailed("the TorchScript model answers with something else than tensors, expected mask and score")
    return [value.numpy() for value in found]


def _export(torch: Any, module: Any, picture: Any) -> bytes:
    written = io.BytesIO()
    torch.onnx.export(
        module, (torch.from_numpy(picture),), written, input_names=["input"], opset_version=OPSET, dynamo=False
    )
    return written.getvalue()


def _compare(model: ModelProto, pictures: list[Any], expected: list[list[Any]]) -> None:
    engine = load(model)
    for picture, values in zip(pictures, expected, strict=True):
        found = answers(engine, picture)
        if len(found) != len(values):
            raise ImportFailed(f"torch answers with {len(values)} outputs and the ONNX model with {len(found)}")
        for (name, output), value in zip(found.items(), values, strict=True):
            allowed = TOLERANCE * max(float(np.abs(value).max(initial=0)), 1e-6)
            apart = float(np.abs(output - value).max(initial=0)) if output.shape == value.shape else np.inf
            if not apart <= allowed:  # NaN is not, either
                raise ImportFailed(
                    f"output '{name}' of the converted model is off by {apart:.3g} from torch's on a random picture, "
                    f"expected at most {allowed:.3g}; it is not written"
                )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()
