"""What the training job of the Marketplace model leaves: TorchScript files of small networks. Imports torch."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.building.importing.formats import IMAGE, INPUT, MAP_WEIGHTS, SCORE_WEIGHTS, STAGE, graph_manifest


class Network(nn.Module):  # type: ignore[misc, unused-ignore]
    """The network of formats.py."""

    def __init__(self, *, mask: bool = True) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 3, 1, bias=False)
        self.scores = nn.Linear(3, 2, bias=False)
        self.maps.weight.data = torch.from_numpy(MAP_WEIGHTS[:, :, None, None].copy())
        self.scores.weight.data = torch.from_numpy(SCORE_WEIGHTS.copy())
        self._mask = mask

    def forward(self, picture: Any) -> Any:
        score = torch.softmax(self.scores(picture.mean(dim=(2, 3))), 1)
        return (nn.functional.avg_pool2d(self.maps(picture), 2), score) if self._mask else score


class Unstable(nn.Module):  # type: ignore[misc, unused-ignore]
    """Answers otherwise after it has been converted: the number of its picture counts."""

    def forward(self, picture: Any) -> Any:
        return torch.softmax(picture.mean(dim=(2, 3))[:, :2] * torch.rand(1, 2), 1)


def write(folder: Path, network: nn.Module, *, flags: dict[str, Any] | None = None, dataset: bool = True) -> Path:
    """Write what the training job leaves, unpacked."""
    (folder / "export_artifacts").mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(network.eval(), torch.rand(1, 3, INPUT[1], INPUT[0]), check_trace=False)
        torch.jit.save(script, str(folder / "mochi.pt"))
    stage = {**STAGE, **(flags or {})}
    manifest = graph_manifest(stage, runtime=None, runtime_artifact=None, **({} if dataset else {"dataset": None}))
    manifest["compilable_models"] = [{"filename": "mochi.pt", "framework": "PYTORCH"}]
    (folder / "export_artifacts" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "mochi.json").write_text(json.dumps({"stages": [{"input_shape": STAGE["input_shape"]}]}))
    (folder / "config.yaml").write_text(
        "model:\n  image_width: 1\n"
        f"dataset:\n  name: parts  # ours\n  image_width: {IMAGE[0]}\n  image_height: {IMAGE[1]}\n"
    )
    return folder
