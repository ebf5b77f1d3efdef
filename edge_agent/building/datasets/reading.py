"""One way in: a folder or a manifest becomes a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.dataset import Dataset, LabelColor, Rgb, label_colors, parse_color
from edge_agent.building.datasets.folders import is_folder_dataset, read_folders
from edge_agent.building.datasets.ground_truth import read_manifest
from edge_agent.building.datasets.references import Resolver
from edge_agent.errors import DatasetError

_TRAIN, _TEST = "train", "test"


class Datasets(NamedTuple):
    """Pictures to train with, and, where someone set them apart, pictures to test with."""

    train: Dataset
    test: Dataset | None

    @property
    def labels(self) -> tuple[LabelColor, ...]:
        """The labels of both, those of the training pictures first."""
        colors: dict[str, Rgb] = {}
        for label in (*self.train.labels, *(self.test.labels if self.test else ())):
            colors.setdefault(label.name, parse_color(label.color))
        return label_colors(colors, source=self.train.source)

    @property
    def together(self) -> Dataset:
        """All pictures as one dataset."""
        if self.test is None:
            return self.train
        return Dataset(
            self.train.source.parent if self.train.source.parent == self.test.source.parent else self.train.source,
            (*self.train.examples, *self.test.examples),
            self.labels,
            (*self.train.reasons, *self.test.reasons),
        )


def read_dataset(path: Path, *, images: Path | None = None, fetch: bool = False) -> Dataset:
    """Read a folder with `normal` and `anomaly`, or a manifest.

    Args:
        path: the folder or manifest.
        images: where the files of s3:// and relative references lie; the manifest's own folder if not given.
        fetch: download from S3 what is not there.

    Raises:
        DatasetError: it is neither, or holds no picture.
    """
    if path.is_dir():
        dataset = read_folders(path)
    elif path.suffix.lower() == ".csv":
        raise DatasetError(f"{path} is a CSV file; make a manifest of it with: edge-agent dataset from-csv {path}")
    elif path.is_file():
        roots = [*([images] if images else []), path.absolute().parent]
        dataset = read_manifest(path, Resolver(roots, fetch=fetch))
    else:
        raise DatasetError(f"{path} does not exist, expected a folder with 'normal' and 'anomaly', or a manifest")
    if not dataset.examples:
        raise DatasetError(f"{path} holds no PNG or JPEG picture")
    return dataset


def read_datasets(path: Path, test: Path | None = None, *, images: Path | None = None, fetch: bool = False) -> Datasets:
    """Read a dataset and, if there is one, its test dataset: `test`, or the folder `test` beside a folder `train`."""
    train, beside = path / _TRAIN, path / _TEST
    if path.is_dir() and not is_folder_dataset(path) and train.is_dir():
        path, test = train, test or (beside if beside.is_dir() else None)
    return Datasets(
        read_dataset(path, images=images, fetch=fetch),
        read_dataset(test, images=images, fetch=fetch) if test else None,
    )
