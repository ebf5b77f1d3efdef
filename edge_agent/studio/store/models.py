"""What was built of the projects: components in a folder of models, read where they lie."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.component.trust import SIGNATURE_NAME
from edge_agent.component.version import parse_version
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError, NotThere, StudioError
from edge_agent.studio.store.layout import Layout


class Measurement(msgspec.Struct, frozen=True):
    """What was measured last with labelled pictures of a part: by which job, and how long a picture took here."""

    job: int
    part: str
    milliseconds: float | None


class Model(msgspec.Struct, frozen=True):
    """One version of a project's model; `figures` are those that were measured on pictures it had not seen."""

    name: str
    version: str
    task: str
    labels: list[str]
    threshold: float
    size: int
    built: float
    precision: str
    figures: dict[str, Any]
    #: of the same figures, 95 %
    intervals: dict[str, Any]
    trained_on: dict[str, Any]
    problem: str = ""
    measured: Measurement | None = None
    #: the version that this one differs from in its threshold alone
    made_from: str = ""
    signed: bool = False


class Models:
    """The folder of models."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def folder(self, name: str, version: str) -> Path:
        """Give the folder of a version.

        Raises:
            NotThere: there is no such version.
        """
        models = self._layout.models / self._layout.project(name).name
        try:
            parse_version(version)
        except ValueError as error:
            raise StudioError(str(error)) from None
        folder = models / version
        if not (folder / FILE_NAME).is_file():
            raise NotThere(f"there is no version {version} of model '{name}'")
        return folder

    def all(self, name: str) -> list[Model]:
        """List the versions of a project's model, the newest first."""
        folder = self._layout.models / self._layout.project(name).name
        versions = []
        for place in folder.iterdir() if folder.is_dir() else ():
            try:
                versions.append((parse_version(place.name), place))
            except ValueError:  # being written, or somebody else's
                continue
        return [_describe(name, place) for _, place in sorted(versions, reverse=True)]

    def get(self, name: str, version: str) -> Model:
        """Describe a version; NotThere when there is none."""
        return _describe(name, self.folder(name, version))

    def next_version(self, name: str) -> str:
        """Give the version of the next model of a project: 1.0.0, 1.1.0, …"""
        versions = [parse_version(model.version) for model in self.all(name)]
        if not versions:
            return "1.0.0"
        major, minor, *_ = max(versions)
        return f"{major}.{minor + 1}.0"

    def with_threshold(self, name: str, version: str, threshold: float) -> Model:
        """Make a new version of a model that differs in its threshold alone.

        Raises:
            StudioError: the threshold is not from 0 to 1.
            NotThere: there is no such version.
        """
        if not 0.0 <= threshold <= 1.0:
            raise StudioError(f"the threshold is {threshold}, expected a number from 0 to 1")
        made = self.copy(
            name, version, self._layout.models, {"version": self.next_version(name), "threshold": threshold},
            {"threshold_chosen_by": "a person", "made_from": version},
        )  # fmt: skip
        return _describe(name, made)

    def copy(
        self, name: str, version: str, models: Path, changed: dict[str, Any], training: dict[str, Any] | None = None
    ) -> Path:  # fmt: skip
        """Write a version into a folder of models with `changed` values of its manifest; return its folder there.

        It bears no signature: what was signed says something else.

        Raises:
            NotThere: there is no such version.
            ComponentError: it can't be written there.
        """
        folder = self.folder(name, version)
        manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source=str(folder / FILE_NAME))
        fields = {
            key: getattr(manifest, key) for key in Manifest.__struct_fields__ if key not in ("format", "artifacts")
        }
        fields |= {**changed, "training": {**manifest.training, **(training or {})}}
        files = {artifact.path: (folder / artifact.path).read_bytes() for artifact in manifest.artifacts}
        return write_component(models, files, **fields)

    def remove(self, name: str, version: str) -> None:
        """Remove a version; NotThere when there is none."""
        folder = self.folder(name, version)
        aside = folder.with_name(f".removed-{folder.name}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _describe(name: str, folder: Path) -> Model:
    path = folder / FILE_NAME
    try:
        manifest = decode_manifest(path.read_bytes(), source=FILE_NAME)
    except (ComponentError, OSError) as error:
        return Model(name, folder.name, "", [], 0.0, 0, 0.0, "", {}, {}, {}, str(error))
    training = manifest.training
    size = sum(
        (folder / artifact.path).stat().st_size for artifact in manifest.artifacts if (folder / artifact.path).is_file()
    )
    return Model(
        name,
        manifest.version,
        manifest.task,
        [label.name for label in manifest.labels[1:]],
        manifest.threshold,
        size,
        path.stat().st_mtime,
        str(training.get("precision", "")),
        _mapping(training.get("figures")),
        _mapping(training.get("intervals")),
        _counts(training.get("dataset")),
        made_from=str(training.get("made_from", "")),
        signed=(folder / SIGNATURE_NAME).is_file(),
    )


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _counts(value: object) -> dict[str, Any]:
    """Give what a dataset's entry counts and names; what else it remembers of its pictures is long."""
    return {key: kept for key, kept in _mapping(value).items() if key in ("normal", "anomaly", "source")}
