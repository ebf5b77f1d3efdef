"""Masks in which any value marks, or of which a picture has several, written as one that a manifest can describe."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from edge_agent.building.datasets.dataset import Example, MaskFile
from edge_agent.building.datasets.masks import read_mask


class PlainMasks:
    """Writes masks to a folder: black is background, the label is white."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0

    def write(self, example: Example) -> MaskFile:
        """Write the mask of a picture; return it as it then is.

        Raises:
            DatasetError: it can't be read.
        """
        assert example.mask is not None
        names = tuple(name for name in example.mask.colors if name is not None)
        classes = read_mask(example.mask, names).classes
        self._folder.mkdir(parents=True, exist_ok=True)
        self._written += 1
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(example.path.with_suffix("").parts[-2:]))
        path = self._folder / f"{self._written:05d}-{stem[:100]}.png"
        Image.fromarray((classes > 0).astype("uint8") * 255).save(path)
        return MaskFile(path, {None: (0, 0, 0), names[0]: (255, 255, 255)})
