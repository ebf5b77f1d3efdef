"""One way in: a folder, a manifest or a table becomes a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.dataset import Dataset, LabelColor, Rgb, label_colors, parse_color
from edge_agent.building.datasets.layouts.part import read_part
from edge_agent.building.datasets.layouts.recognition import recognise
from edge_agent.building.datasets.manifests.boxes import coco_lines, is_coco, is_yolo, yolo_lines
from edge_agent.building.datasets.manifests.lines import read_lines
from edge_agent.building.datasets.manifests.reading import Manifest, read_manifest
from edge_agent.building.datasets.names import Names, names_of
from edge_agent.building.datasets.project import read_project
from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.building.datasets.references.resolver import Resolver
from edge_agent.building.datasets.tables.columns import read_table
from edge_agent.building.datasets.tables.conversion import about, table_lines
from edge_agent.building.datasets.text import read_text
from edge_agent.errors import DatasetError
from edge_agent.inference.imaging.picture import AS_STORED, PixelFormat

_TABLES = (".csv", ".tsv", ".tab")
_A_MANIFEST = "a manifest in JSON Lines"


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


class Reading(NamedTuple):
    """How datasets are read."""

    #: where the files of s3:// and relative references lie; the manifest's own folder if not given
    images: Path | None = None
    #: download from S3 what is not there
    fetch: bool = False
    #: names that mean normal and anomaly, each NAME or NAME,NAME, beside those two words
    normal: tuple[str, ...] = ()
    anomaly: tuple[str, ...] = ()
    #: attributes of a manifest that count where a line has several that contradict each other
    attributes: tuple[str, ...] = ()
    #: folders of defects become labels of their own
    kinds: bool = False
    #: how the values of the pictures' files are meant
    pixel_format: PixelFormat = AS_STORED

    @property
    def names(self) -> Names:
        """The names that were given.

        Raises:
            ValueError: a name is on both sides.
        """
        return names_of(self.normal, self.anomaly)


AS_IT_IS = Reading()


def read_dataset(path: Path, reading: Reading = AS_IT_IS) -> Dataset:
    """Read a folder of pictures, its test pictures included, or a manifest.

    What is wrong with single lines or files is among the dataset's reasons.

    Raises:
        DatasetError: it is neither, or holds no picture.
    """
    return read_datasets(path, None, reading).together


def read_datasets(path: Path, test: Path | None = None, reading: Reading = AS_IT_IS) -> Datasets:
    """Read a dataset and, if there is one, its test dataset: `test`, or the part of a folder that is set apart."""
    datasets = _read(path, reading)
    if test is None:
        return datasets
    return Datasets(datasets.train, _read(test, reading).together)


def _read(path: Path, reading: Reading) -> Datasets:
    if not path.exists():
        raise DatasetError(f"{path} does not exist, expected a folder with 'normal' and 'anomaly', or a manifest")
    reading, notes = _with_project(path, reading)
    if path.is_dir():
        layout = recognise(path, reading.names)
        parts = [read_part(part, kinds=reading.kinds) for part in (layout.train, layout.test) if part]
    else:
        parts = [_read_file(path, reading)]
    for part in parts:
        if not part.examples and not any(reason.stops for reason in part.reasons):
            raise DatasetError(f"{part.source} holds no PNG, JPEG, BMP, TIFF or WebP picture")
    train, *rest = (_with_pixel_format(part, reading.pixel_format) for part in parts)
    return Datasets(train._replace(reasons=(*notes, *train.reasons)), rest[0] if rest else None)


def _with_pixel_format(part: Dataset, pixel_format: PixelFormat) -> Dataset:
    examples = tuple(example._replace(pixel_format=pixel_format) for example in part.examples)
    return part._replace(examples=examples)


def _read_file(path: Path, reading: Reading) -> Dataset:
    roots = [*([reading.images] if reading.images else []), path.parent]
    manifest = Manifest(path, Resolver(roots, fetch=reading.fetch), reading.names, frozenset(reading.attributes))
    if path.suffix.lower() in _TABLES:
        table = read_table(path, reading.names)
        dataset = read_manifest(manifest, table_lines(table))
        return dataset._replace(reasons=(*about(table), *dataset.reasons))
    if is_yolo(path):
        return _boxes(read_manifest(manifest, yolo_lines(path)), "YOLO")
    lines = list(read_lines(read_text(path, what=_A_MANIFEST).text, path))
    whole = lines[0].value if len(lines) == 1 else None
    if whole is not None and is_coco(whole):
        around = (path.parent, path.absolute().parent.parent)
        roots += [*(folder / "images" for folder in around), around[1]]
        manifest = manifest._replace(resolver=Resolver(roots, fetch=reading.fetch))
        return _boxes(read_manifest(manifest, coco_lines(whole, path)), "COCO")
    return read_manifest(manifest, lines)


def _boxes(dataset: Dataset, value: str) -> Dataset:
    note = Reason("boxes-read", value=value, places=(Place(path=dataset.source),))
    return dataset._replace(reasons=(note, *dataset.reasons))


def _with_project(path: Path, reading: Reading) -> tuple[Reading, Sequence[Reason]]:
    """Complete what the user said with what the project's file says."""
    found = read_project(path)
    if found is None:
        return reading, ()
    file, said = found
    try:
        complete = reading._replace(
            normal=reading.normal or said.get("normal", ()),
            anomaly=reading.anomaly or said.get("anomaly", ()),
            attributes=reading.attributes or said.get("attribute", ()),
        )
        _ = complete.names
    except ValueError as error:
        raise DatasetError(f"{file}: {error}") from None
    value = ", ".join(f"{key} = {', '.join(names)}" for key, names in said.items())
    return complete, (Reason("project-file", "note", value, places=(Place(path=file),), facts={"path": file}),)
