"""Masks that are left out of answers, for clients whose limit for a message can't be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import edge_agent
from tests.support.daemon import bytes_request, running_daemon
from tests.support.fakes import half_bright, write_echo

SIZE = 64 * 64 * 3


@pytest.mark.parametrize(("most", "carried"), [(SIZE, True), (SIZE - 1, False), (0, False)])
def test_only_small_masks_travel_inside_answers(tmp_path: Path, most: int, carried: bool) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--inline-mask-bytes", str(most)) as daemon:
        daemon.stub.start("echo")
        result = daemon.stub("DetectAnomalies", bytes_request("echo", half_bright())).detect_anomaly_result
        assert result.HasField("anomaly_mask") == carried
        assert [anomaly.name for anomaly in result.anomalies] == ["background", "bright"]
        assert result.anomalies[1].pixel_anomaly.total_percentage_area == pytest.approx(0.25)
        said = f"answers carry no mask unless the client gives a segment for it: {SIZE} bytes are more than"
        assert (said in daemon.stub.describe("echo").status_message) is not carried
        assert (said in daemon.log.read_text()) is not carried
        with edge_agent.Client(daemon.socket) as client:
            found = client.detect("echo", half_bright())
        assert found.mask is not None, "it gives a segment"
        assert (found.mask[:, :16] == (0x23, 0xA4, 0x36)).all()
