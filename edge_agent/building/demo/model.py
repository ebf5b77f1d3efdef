"""The sample model: built of drawn pictures by the same trainer as any other."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
from PIL import Image

from edge_agent.building.datasets.reading import Datasets, read_dataset
from edge_agent.building.demo.pictures import anomalous_picture, normal_picture
from edge_agent.building.evaluation.packages import require_packages

NAME, VERSION = "flange", "1.0.0"
#: the guide's least numbers of pictures
GOOD, BAD = 20, 10


def draw_pictures(folder: Path, *, normal: int, anomaly: int, seed: int) -> list[Path]:
    """Draw pictures into folder/normal and folder/anomaly; return their paths."""
    rng = np.random.default_rng(seed)
    paths = []
    for kind, draw, count in (("normal", normal_picture, normal), ("anomaly", anomalous_picture, anomaly)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            path = folder / kind / f"{kind}-{number}.png"
            Image.fromarray(draw(rng)).save(path, compress_level=1)  # the default: twice the time
            paths.append(path)
    return paths


def build_model(models: Path, pictures: Path, seed: int) -> Path:
    """Build a component of the pictures in a folder; return its folder.

    Raises:
        TrainingError: a package that training needs is not installed; the text says how to get it.
    """
    require_packages()
    from edge_agent.building.training.component import Identity
    from edge_agent.building.training.options import Options, Steps
    from edge_agent.building.training.trainer import train

    quiet = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)
    identity = Identity(NAME, VERSION, "Sample: a drawn steel flange")
    datasets = Datasets(read_dataset(pictures), None)
    return train(datasets, models, identity, Options(seed=seed, locate=True), quiet).folder
