"""The AWS Marketplace model "Computer Vision Defect Detection", to which Lookout for Vision's customers were moved.

Its training job writes a model.tar.gz with mochi.pt (TorchScript), mochi.json, config.yaml and
export_artifacts/manifest.json, whose `model_graph` is DDA's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from edge_agent.building.importing.dda import draft_of_graph
from edge_agent.building.importing.draft import Draft, Size, Wanted
from edge_agent.building.importing.graph_reading import read_graph_manifest
from edge_agent.building.importing.torchscript import convert
from edge_agent.errors import ImportFailed

_SCRIPT = "mochi.pt"


def draft_marketplace(folder: Path, manifest_path: Path, wanted: Wanted) -> Draft:
    """Read an unpacked model.tar.gz.

    Raises:
        ImportFailed: a file is missing, can't be converted, or does what can't be taken over.
    """
    manifest = read_graph_manifest(manifest_path)
    names = [manifest.runtime_artifact, *(model.filename for model in manifest.compilable_models)]
    path = next(_files(folder, [_SCRIPT, *names]), None)
    if path is None:
        raise ImportFailed(f"{folder} holds no {_SCRIPT}, expected the model.tar.gz that the training job wrote")
    stage = manifest.stage
    model = convert(path, (1, 3, stage.image_height, stage.image_width))
    draft = draft_of_graph(model, manifest, manifest_path, wanted, manifest.training_size or _config_size(folder))
    return draft._replace(origin={**draft.origin, "converted": path.name})


def _files(folder: Path, names: list[str | None]) -> Iterator[Path]:
    for path in names:
        if path and (name := Path(path).name).endswith(".pt"):
            yield from (found for found in sorted(folder.rglob("*")) if found.name == name and found.is_file())


def _config_size(folder: Path) -> Size | None:
    """Read dataset.image_width and image_height of config.yaml, where it says them."""
    path = folder / "config.yaml"
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ImportFailed(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    dataset = content.get("dataset") if isinstance(content, dict) else None
    width, height = (dataset.get("image_width"), dataset.get("image_height")) if isinstance(dataset, dict) else (0, 0)
    return (width, height) if type(width) is int and type(height) is int and width and height else None
