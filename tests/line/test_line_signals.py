"""A line whose outputs are a chip's, and one whose camera freezes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.camera import camera
from tests.support.daemon import PATIENCE, Daemon, wait_until
from tests.support.gpio import MISSING, Chip
from tests.support.line import Line

pytestmark = pytest.mark.long

ABLE, PASS, REJECT, GATE, ENCODER = 1, 2, 5, 3, 6
FROZEN_FRAMES = 3


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_outputs_of_a_chip(agent: Daemon, make: Callable[..., Line], tmp_path: Path) -> None:
    chip = Chip(tmp_path / "gpio")

    def pin(on: str, line: object, more: str = "") -> str:
        return f'[[pin]]\non = "{on}"\nchip = "{chip.path}"\nline = {line}\n{more}\n'

    pins = (
        pin("able", ABLE)
        + pin("pass", PASS, "pulse_ms = 40\ndelay_ms = 30")
        + pin("reject", '"REJECT"', "active_low = true")
        + pin("reject", GATE, "safe = 1")
    )
    line = make(agent.socket, pins, environment=chip.environment)

    def changes(which: int) -> list[bool]:
        highs = chip.highs(which)
        return highs[:1] + [new for old, new in pairwise(highs) if new != old]

    line.start()
    wait_until(lambda: changes(ABLE) == [False, True], "the heartbeat says that it can inspect")
    wait_until(lambda: changes(GATE) == [True, False], "the gate is closed")
    assert (changes(PASS), changes(REJECT)) == ([False], [True])
    line.put("good", 60)
    wait_until(lambda: changes(PASS) == [False, True, False], "the pulse of a part that passes")
    up = next(level.at for level in chip.levels(PASS) if level.high)
    down = chip.levels(PASS)[-1].at
    assert down - up >= 0.04 - 1e-6, "as long as was said, however late it was set"
    assert changes(REJECT) == [True]
    line.put("bad", 220)
    wait_until(lambda: changes(REJECT) == [True, False], "the inverted output of a rejected part")
    wait_until(lambda: changes(GATE) == [True, False, True], "the gate")
    line.put("better", 60)
    wait_until(lambda: changes(REJECT) == [True, False, True], "it falls with the next part")
    wait_until(lambda: len(changes(PASS)) == 5, "a pulse again")
    inspecting = line.inspecting()
    inspecting.kill()
    wait_until(lambda: changes(ABLE) == [False, True, False, True], "the heartbeat fell, and is back")
    wait_until(lambda: changes(GATE) == [True, False, True, False, True, False], "the gate with it")
    assert line.process is not None
    left = line.inspecting()
    line.process.kill()
    line.process.wait()
    assert psutil.wait_procs([left], PATIENCE)[1] == [], "it ends with its line"
    assert (chip.highs(ABLE)[-1], chip.highs(REJECT)[-1], chip.highs(GATE)[-1]) == (False, True, True)
    assert changes(GATE) == [True, False, True, False, True, False, True], "it was not let go in between"


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_the_belt_says_when_a_part_is_at_the_gate(agent: Daemon, make: Callable[..., Line], tmp_path: Path) -> None:
    chip = Chip(tmp_path / "gpio")
    more = (
        f'[[pin]]\non = "reject"\nchip = "{chip.path}"\nline = {PASS}\ndelay_pulses = 20\n'
        f'[encoder]\nchip = "{chip.path}"\nline = {ENCODER}\n'
    )
    line = make(agent.socket, more, environment=chip.environment)
    line.start()
    line.wait_able()
    wait_until(lambda: chip.is_watched(ENCODER), "pulses are counted")

    def pulses(count: int) -> None:
        for _ in range(count):
            chip.edge(ENCODER, rising=True)

    pulses(7)
    line.put("bad", 220)
    assert line.event_of("bad")["outcome"] == "reject"
    wait_until(lambda: line.pin("reject") == "1", "the pin without a delay is set")
    pulses(19)
    assert chip.highs(PASS)[-1] is False
    pulses(1)
    wait_until(lambda: chip.highs(PASS)[-1], "the part is at the gate")
    line.put("good", 60)
    assert line.event_of("good")["outcome"] == "pass"
    pulses(19)
    assert chip.highs(PASS)[-1] is True
    pulses(1)
    wait_until(lambda: not chip.highs(PASS)[-1], "the next part is there")


def test_a_frozen_camera_is_no_normal_part(agent: Daemon, make: Callable[..., Line]) -> None:
    with camera() as source:
        table = f'kind = "video"\naddress = "{source.address}"\nfrozen_frames = {FROZEN_FRAMES}'
        line = make(agent.socket, source=table)
        line.start()
        wait_until(lambda: any(event.get("outcome") == "pass" for event in line.events()), f"it passes: {line.log()}")
        line.wait_able()
        source.frozen_at = 110
        line.wait_safe()

        def frozen() -> dict[str, Any] | None:
            told = [event for event in line.events() if event.get("state") == "not able"]
            return told[-1] if told and "is frozen" in told[-1]["text"] else None

        since = wait_until(frozen, f"it is told: {line.log()}")
        seen = line.inspecting().cpu_times().user
        wait_until(lambda: line.inspecting().cpu_times().user > seen + 0.1, "it has read frozen pictures for a while")
        after = [event for event in line.events() if event["id"] > since["id"]]
        assert not after, "while it is frozen no part is told"
        same = [event for event in line.events() if 0.42 < event.get("anomaly_score", 0) < 0.45]
        assert len(same) <= FROZEN_FRAMES, "only the first, before it could be known"
        assert (line.pin("able"), line.pin("reject")) == ("0", "1")
        source.frozen_at = None
        line.wait_able()
        wait_until(
            lambda: any(event["id"] > since["id"] and event.get("outcome") == "pass" for event in line.events()), "back"
        )
