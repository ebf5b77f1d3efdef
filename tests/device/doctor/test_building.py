"""Building ahead of time is as careful as a worker: what is built is loaded by the digest of what was signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.device.doctor import building
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.selection import Candidate
from edge_agent.inference.loading import Loaded
from edge_agent.settings import Settings
from tests.support.fakes import echo_graph, write_echo
from tests.support.keys import Signer, inverted_graph


def test_what_is_swapped_meanwhile_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer(tmp_path, "release")
    component = write_echo(tmp_path / "models")
    found: list[bytes] = []

    def load(folder: Path, *rest: Any) -> Loaded:
        (component / "model.onnx").write_bytes(inverted_graph())
        found.append((folder / "model.onnx").read_bytes())
        pipeline: Any = None
        return Loaded(pipeline, "tensorrt")

    monkeypatch.setattr(building, "select_engines", lambda *_: (Candidate("tensorrt"),))
    monkeypatch.setattr(building, "load_pipeline", load)
    settings = Settings(
        model_dir=(str(tmp_path / "models"),),
        state_dir=str(tmp_path / "state"),
        require_signature=True,
        trusted_key=(str(signer.public),),
    )

    def build() -> building.Built:
        return building.build(settings, "echo", lambda text, **_: None)

    with pytest.raises(ComponentError, match=r"it is not signed, and a signature is required"):
        build()
    signer.sign(component)
    assert build().component.signer == "release.pub.pem"
    assert found == [echo_graph(64, 64, segmentation=True)]
