"""What somebody wants to import, told by its content."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from edge_agent.building.importing.anomalib import is_anomalib
from edge_agent.building.importing.anomalib_metadata import find_metadata
from edge_agent.building.importing.json_file import read_json
from edge_agent.building.importing.onnx_model import MODEL, read_model
from edge_agent.building.importing.sources import ADVICE, is_litter
from edge_agent.component.manifest import FILE_NAME
from edge_agent.errors import ImportFailed

Format = Literal["dda", "marketplace", "anomalib", "onnx"]
#: where a training job puts the manifest.json of the model beside it
_EXPORT = "export_artifacts"
#: names in a message
_MOST_NAMES = 5


class Found(NamedTuple):
    """A format, the folder or the ONNX file that holds the model, the file to begin with, and what to know of it."""

    format: Format
    place: Path
    path: Path
    notes: tuple[str, ...] = ()


class _Graph(NamedTuple):
    """A manifest.json with a model_graph."""

    path: Path
    content: dict[str, Any]

    @property
    def is_onnx(self) -> bool:
        return str(self.content.get("runtime", "")).lower() == "onnx"

    @property
    def model(self) -> str:
        """Name the file of weights."""
        return Path(str(self.content.get("runtime_artifact") or MODEL)).name


def recognise(place: Path, wanted: Format | None, shown: Path) -> Found:
    """Find out what lies at `place`, or check that it is what was `wanted`.

    Args:
        place: a folder or an ONNX file.
        wanted: the format, where the user says it.
        shown: how the user calls the place.

    Raises:
        ImportFailed: it is nothing that can be imported; the text says what to do instead.
    """
    files = _files(place, FILE_NAME) if place.is_dir() else []
    is_decided = wanted in ("onnx", "anomalib")
    graphs = [] if is_decided else _graphs(files, shown, is_strict=True)
    if graphs:
        return _component(place, graphs, wanted, shown)
    path = _onnx_file(place, shown)
    # A file of weights is of the format of the component it lies in: in its folder, or in that of its stage. Nothing is
    # looked for around an archive's temporary folder.
    around = [folder / FILE_NAME for folder in list(path.absolute().parents)[:2]] if place == shown else []
    graphs = _graphs({*(file.absolute() for file in files), *around}, shown, is_strict=False)
    own = next((graph for graph in graphs if graph.is_onnx and graph.model == path.name), None)
    if own is not None and wanted in (None, "dda"):
        return Found("dda", path, own.path)
    if wanted in ("dda", "marketplace"):
        raise ImportFailed(f"{shown} holds no {FILE_NAME} with a 'model_graph', which {wanted} models have; {ADVICE}")
    notes = tuple(f"{graph.path} was not used: the model is read without it" for graph in graphs)
    metadata = find_metadata(path)
    if metadata and wanted == "onnx":
        notes += (f"{metadata} was not used: it says how anomalib makes 0..1 of the scores, and --format is onnx",)
    is_export = metadata is not None or (wanted is None and is_anomalib(read_model(path).model))
    return Found(wanted or ("anomalib" if is_export else "onnx"), path, path, notes)


def _component(place: Path, graphs: list[_Graph], wanted: Format | None, shown: Path) -> Found:
    """Tell an ONNX component from a trained model, and both from what Neo has compiled."""
    if len(graphs) > 1:
        raise ImportFailed(
            f"{shown} holds {len(graphs)} components ({_names(place, [graph.path for graph in graphs])}); name the "
            "folder of the one to import"
        )
    graph = graphs[0]
    folder = graph.path.parent
    if folder.name == _EXPORT and folder != place:
        folder = folder.parent
    if not _files(folder, "*.pt"):
        folder = place
    if wanted is None and not graph.is_onnx and not _files(folder, "*.pt"):
        raise ImportFailed(
            f"{shown} is compiled for one device (runtime '{graph.content.get('runtime', 'dlr')}', SageMaker Neo), "
            "which can't be undone; import the model.tar.gz of its training job, or edge-agent train on the same "
            "pictures"
        )
    return Found(wanted or ("dda" if graph.is_onnx else "marketplace"), folder, graph.path)


def _graphs(files: Iterable[Path], shown: Path, *, is_strict: bool) -> list[_Graph]:
    """Read the manifests; where nobody pointed at them, any other file may have that name."""
    found, is_ours = [], False
    for path in sorted(files):
        try:
            content = read_json(path) if path.is_file() else None
        except ImportFailed:
            if is_strict:
                raise
            continue
        if isinstance(content, dict) and "model_graph" in content:
            found.append(_Graph(path, content))
        is_ours |= isinstance(content, dict) and "artifacts" in content
    if is_ours and not found and is_strict:
        raise ImportFailed(f"{shown} is a component of edge-agent already; copy it into a folder of --model-dir")
    # DDA's own manifest.json counts more than the one that its training job left beside it.
    above = {graph.path.parent / _EXPORT for graph in found}
    return [graph for graph in found if graph.path.parent not in above]


def _onnx_file(place: Path, shown: Path) -> Path:
    if place.is_file():
        return place
    files = _files(place, "*.onnx")
    if len(files) > 1:
        raise ImportFailed(f"{shown} holds {len(files)} ONNX files ({_names(place, files)}); name the one to import")
    if not files:
        names = ", ".join(sorted(path.name for path in place.iterdir())[:8]) or "nothing"
        raise ImportFailed(f"{shown} holds {names}: {ADVICE}")
    return files[0]


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file() and not is_litter(path.relative_to(folder)))


def _names(place: Path, files: list[Path]) -> str:
    return ", ".join(str(path.relative_to(place)) for path in files[:_MOST_NAMES])
