"""The server that does nothing: a client of gRPC's library takes its answers for the agent's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.device.bench.client import BenchClient

_WIDTH, _HEIGHT = 640, 480  # larger than the window with which a client begins
_PIXELS = bytes(_WIDTH * _HEIGHT * 3)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[BenchClient]:
    command = [sys.executable, "-m", "benchmarks.peers.floor_server", str(tmp_path / "floor")]
    with subprocess.Popen([*command, str(_WIDTH), str(_HEIGHT)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        client = BenchClient(f"unix://{tmp_path}/floor", "none", _WIDTH, _HEIGHT, _PIXELS)
        try:
            yield client
        finally:
            client.close()
            process.terminate()


def test_a_call_without_a_picture_gets_a_verdict_alone(client: BenchClient) -> None:
    for _ in range(3):
        result = client.detect(client.requests["shared memory"]).detect_anomaly_result
        assert result.confidence == 1.0
        assert not result.HasField("anomaly_mask")


def test_a_picture_in_the_message_gets_a_white_mask_of_its_size(client: BenchClient) -> None:
    for way in ("bytes", "shared memory", "bytes", "bytes"):
        result = client.detect(client.requests[way]).detect_anomaly_result
        expected = b"\xff" * len(_PIXELS) if way == "bytes" else b""
        assert result.anomaly_mask.byte_data == expected
