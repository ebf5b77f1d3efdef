"""The pictures of a component's golden samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge_agent.component.manifest import Golden, Manifest
from edge_agent.errors import ComponentError
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer
from edge_agent.inference.imaging.tensor import Normalizer, Tensor


def read_golden(folder: Path, manifest: Manifest, sample: Golden) -> U8:
    """Read the picture of a sample: uint8 [height, width, 3] in RGB, of the training pictures' size.

    Raises:
        ComponentError: it is no picture, or one of another size.
    """
    shape = (manifest.image.height, manifest.image.width, CHANNELS)
    picture = cv2.imread(str(folder / sample.image), cv2.IMREAD_COLOR)
    if picture is None or picture.shape != shape:
        found = "not a picture" if picture is None else f"{picture.shape[1]}x{picture.shape[0]}"
        raise ComponentError(f"golden sample '{sample.image}' is {found}, expected one of {shape[1]}x{shape[0]}")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def prepared_samples(folder: Path, manifest: Manifest) -> Iterator[Tensor]:
    """Give the golden samples as the model's input tensors, each [1, …]; ComponentError as read_golden."""
    image, spec = manifest.image, manifest.input
    resize = make_resizer((image.width, image.height), (spec.width, spec.height), spec.resize)
    normalize = Normalizer(spec)
    for sample in manifest.golden:
        yield normalize(resize(ArrayPixels(read_golden(folder, manifest, sample)))).copy()
