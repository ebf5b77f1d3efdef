"""A component's golden samples decide whether its model may run on this device."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from edge_agent.component.manifest import Golden
from edge_agent.component.writing import write_component
from tests.support.daemon import Daemon, wait_until
from tests.support.fakes import U8, echo_fields, echo_graph, half_bright, picture


def _png(pixels: U8) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("sample", "expected", "said"),
    [
        (half_bright(), {"score": 0.25, "is_anomalous": False, "areas": {"bright": 0.25}}, None),
        (half_bright(), {"score": 0.75, "is_anomalous": True}, "score is 0.2500 on this device, expected 0.7500"),
        (half_bright(), {"score": 0.25, "is_anomalous": True}, "is normal on this device, expected anomalous"),
        (
            half_bright(),
            {"score": 0.25, "is_anomalous": False, "areas": {"bright": 0.5}},
            "area of 'bright' is 0.2500 on this device, expected 0.5000 within 0.01",
        ),
        (picture(0, 32, 32), {"score": 0, "is_anomalous": False}, "is 32x32, expected one of 64x64"),
    ],
)
def test_golden_samples(daemon: Daemon, sample: U8, expected: dict[str, object], said: str | None) -> None:
    files = {"model.onnx": echo_graph(64, 64, segmentation=True), "golden/sample.png": _png(sample)}
    golden = Golden(image="golden/sample.png", **expected)  # type: ignore[arg-type]
    write_component(daemon.models, files, **echo_fields("echo", 64, 64), golden=(golden,))
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    if said is None:
        daemon.stub.start("echo")
    else:
        from edge_agent.serving.rpc import edge_agent_pb2 as pb2

        daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
        message = daemon.stub.wait_for("echo", "FAILED").status_message
        assert message.startswith("golden sample 'golden/sample.png'")
        assert said in message
