"""What a call allocates: a buffer for a picture or a mask is made once and kept. Page faults tell, not the clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.held import page_faults
from benchmarks.rig import BareClient, empty_component
from tests.support.daemon import running_daemon

SIDE, CALLS = 1024, 10
#: that a buffer of the picture's size costs when it is allocated anew
PAGES = SIDE * SIDE * 3 // 4096


def test_a_call_in_the_steady_state_allocates_no_buffer(tmp_path: Path) -> None:
    manifest = empty_component(tmp_path / "models", SIDE, SIDE)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start(manifest.name)
        (worker,) = daemon.workers()
        for by in ("segment", "bytes"):
            client = BareClient(daemon.socket, manifest, picture, by=by)
            for _ in range(3):
                assert client().anomaly_mask.width == SIDE
            before = [page_faults(pid) for pid in (daemon.process.pid, worker.pid)]
            for _ in range(CALLS):
                client()
            after = [page_faults(pid) for pid in (daemon.process.pid, worker.pid)]
            client.close()
            per_call = [(now - then) / CALLS for then, now in zip(before, after, strict=True)]
            assert per_call == pytest.approx([0, 0], abs=PAGES / 4), f"page faults of front and worker, by {by}"
