"""Keys and signatures for tests, made and used as `edge-agent sign` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge_agent.component.trust import Trust, read_trusted_keys
from edge_agent.delivery.signing import make_key_pair, read_private_key, sign_component
from tests.support.fakes import echo_graph


class Signer:
    """A key pair in a folder, by its name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.private, self.public, _ = make_key_pair(folder / f"{name}.pem")

    def sign(self, *components: Path) -> None:
        """Sign components."""
        for folder in components:
            sign_component(folder, read_private_key(self.private))

    def trust(self, *, required: bool = True) -> Trust:
        """Trust this key alone."""
        return Trust(required, read_trusted_keys([self.public]))


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Change keys of a component's manifest, and nothing else."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def inverted_graph(width: int = 64, height: int = 64) -> bytes:
    """An echo model that answers the opposite, as somebody would want it who has bad parts to hide."""
    model = onnx.load_model_from_string(echo_graph(width, height, segmentation=True))
    model.graph.node[0].output[0] = "brightness of all"
    model.graph.node.append(helper.make_node("Sub", ["one", "brightness of all"], ["score"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    data: bytes = model.SerializeToString()
    return data
