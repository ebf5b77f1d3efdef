"""When scores count as drifted, when not any more, and what they are compared with."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_agent.records.condition.drift import DriftWatch, Seen
from edge_agent.records.condition.keeping import ConditionKeeper
from edge_agent.records.condition.notice import Camera, Drift, Reference
from edge_agent.records.keeper import Keeper
from edge_agent.records.record import Notes, Record
from edge_agent.records.store.bins import score_bin
from edge_agent.records.store.conditions import conditions, notices, read_drifts
from edge_agent.records.store.reading import reading
from edge_agent.records.store.schema import DAY, SCORE_BINS
from edge_agent.records.store.writer import RecordWriter
from tests.support.records import options, record, rows


def scores(seed: int, size: int, middle: float) -> list[float]:
    return [float(score) for score in np.random.default_rng(seed).normal(middle, 0.05, size).clip(0, 1)]


def reference(size: int = 200, middle: float = 0.15) -> Reference:
    counts = [0] * SCORE_BINS
    for score in scores(99, size, middle):
        counts[score_bin(score)] += 1
    return Reference("training", tuple(counts))


def run_through(watch: DriftWatch, given: list[float]) -> list[str]:
    """Give the states that the watch goes through."""
    states: list[str] = [watch.now.state]
    for score in given:
        if watch.add(score, score >= 0.5):
            watch.look(reference(), 1)
        if watch.now.state != states[-1]:
            states.append(watch.now.state)
    return states


def test_scores_that_move_are_said_once_and_taken_back_once() -> None:
    watch = DriftWatch(500, Drift("cookies", "1.0.0"), ())
    assert run_through(watch, scores(1, 1000, 0.15))[-1] == "stable"
    states = run_through(watch, scores(2, 1000, 0.32))
    assert states.count("drifted") == 1 and states[-1] == "drifted"
    assert "scores have drifted: the last 500 pictures against the training's normal pictures: PSI" in watch.now.text
    # Half way back is not back, and says nothing new.
    assert run_through(watch, scores(3, 1000, 0.25)) == ["drifted"]
    states = run_through(watch, scores(4, 1000, 0.15))
    assert states.count("drifted") == 1 and states[-1] == "stable"
    assert watch.now.text == ""


def test_the_limit_that_is_told_is_the_one_that_was_used() -> None:
    """Of few training pictures chance alone makes a large index: the sentence names what was expected of these."""
    watch = DriftWatch(500, Drift("cookies", "1.0.0"), ())
    few = reference(20)
    for score in scores(2, 700, 0.4):
        if watch.add(score, anomalous=False):
            watch.look(few, 1)
    limit = watch.now.limit
    assert 0.5 < limit < 1.5
    assert f"PSI {watch.now.psi:.2f}, expected below {limit:.2f}; " in watch.now.text
    # Half way back nothing has ended, and "expected below" would say that all was well.
    between = msgspec.structs.replace(watch.now, psi=0.6 * limit)
    assert f"PSI {0.6 * limit:.2f}, which has to fall below {0.4 * limit:.2f} again; " in between.text


def test_more_scrap_than_in_training_is_no_drift() -> None:
    watch = DriftWatch(500, Drift("cookies", "1.0.0"), ())
    mixed = scores(1, 800, 0.15)
    for place in range(0, len(mixed), 4):
        mixed[place] = 0.9
    assert "drifted" not in run_through(watch, mixed)


def test_a_line_on_which_all_is_anomalous_has_drifted() -> None:
    watch = DriftWatch(500, Drift("cookies", "1.0.0"), ())
    run_through(watch, scores(1, 600, 0.15))
    assert run_through(watch, scores(2, 600, 0.8))[-1] == "drifted"


def test_little_says_nothing() -> None:
    watch = DriftWatch(500, Drift("cookies", "1.0.0"), ())
    assert run_through(watch, scores(2, 199, 0.8)) == ["learning"]


def test_what_was_found_before_a_restart_stands() -> None:
    before = Drift("cookies", "1.0.0", "drifted", since=7, at=8, pictures=500, psi=0.9, compared_with="training")
    watch = DriftWatch(500, before, (Seen(score_bin(score), False) for score in scores(2, 500, 0.35)))
    assert watch.look(reference(), 20).since == 7


def written(at: int, given: list[float]) -> list[Record]:
    return [record(at + place, score=score, anomalous=score >= 0.5) for place, score in enumerate(given)]


def test_a_model_without_training_is_compared_with_its_first_weeks(tmp_path: Path) -> None:
    now = time.time_ns() // 1000
    writer = RecordWriter(tmp_path, days=90, mib=64)
    for day in range(20, 0, -1):
        writer.write(written(now - day * DAY, scores(day, 20, 0.2)))
    writer.close()
    keeper = Keeper(options(tmp_path, drift_pictures=100))
    keeper.take(Notes([record(now - DAY // 2, score=0.2)]))
    keeper.work()
    assert [drift.state for drift in keeper.condition.drifts] == ["stable"]
    (drift,) = keeper.condition.drifts
    assert drift.compared_with == "first weeks"
    for one in written(now, scores(50, 200, 0.4)):
        keeper.take(Notes([one]))
    keeper.work()
    assert [(notice.kind, notice.state) for notice in keeper.condition.untold] == [("drift", "drifted")]
    assert keeper.state.drifts[0].state == "drifted"
    keeper.close()
    # The first weeks are written down: the sums that they came from are deleted some time.
    assert sum(json.loads(rows(tmp_path, "SELECT scores FROM first_weeks")[0][0])) == 14 * 20
    with reading(tmp_path) as connection:
        (condition,) = conditions(connection)
        assert condition.drift is not None and condition.drift.state == "drifted" and condition.camera is None
        (notice,) = notices(connection, since=0, until=1 << 62)
        assert notice.text.startswith("scores have drifted: the last 100 pictures against the first weeks")
    again = Keeper(options(tmp_path, drift_pictures=100))
    again.take(Notes([record(now + 500, score=0.4)]))
    again.work()
    assert again.condition.untold == [] and again.state.drifts[0].since == drift_since(tmp_path)
    again.close()


def test_of_more_versions_than_are_looked_at_the_last_look_stands(tmp_path: Path) -> None:
    """Looked at are 64; one whose turn is over is neither forgotten nor as it was before a restart."""
    now = time.time_ns() // 1000
    first = Keeper(options(tmp_path, drift_pictures=100))
    first.take(Notes([record(now, score=0.2)]))
    first.work()
    first.close()
    keeper = Keeper(options(tmp_path, drift_pictures=100))
    (before,) = keeper.condition.drifts
    keeper.take(Notes([record(now + 1, score=0.2)]))
    keeper.work()
    (looked,) = keeper.condition.drifts
    assert looked.at > before.at
    others = [msgspec.structs.replace(record(now + 2 + k, score=0.2), version=f"2.0.{k}") for k in range(70)]
    keeper.take(Notes(others))
    keeper.work()
    found = {drift.version: drift for drift in keeper.condition.drifts}
    assert len(found) == 71 and found[looked.version].at == looked.at
    keeper.close()


def drift_since(folder: Path) -> int:
    with reading(folder) as connection:
        return read_drifts(connection)[0].since


def test_too_few_first_pictures_are_nothing_to_compare_with(tmp_path: Path) -> None:
    keeper = Keeper(options(tmp_path, drift_pictures=100))
    for one in written(time.time_ns() // 1000, [*scores(1, 150, 0.2), *scores(2, 150, 0.8)]):
        keeper.take(Notes([one]))
    keeper.work()
    assert [drift.state for drift in keeper.condition.drifts] == ["learning"]
    keeper.close()


def test_drift_can_be_left_alone(tmp_path: Path) -> None:
    keeper = Keeper(options(tmp_path, drift_pictures=0))
    keeper.take(Notes([record(1)]))
    keeper.work()
    assert keeper.condition.drifts == ()
    keeper.close()


@pytest.mark.parametrize("states", [("ok",), ("ok", "black", "black", "ok"), ("black", "ok")])
def test_a_camera_is_told_when_it_changes(tmp_path: Path, states: tuple[str, ...]) -> None:
    writer = RecordWriter(tmp_path, days=1, mib=8)
    told = []
    for since, state in enumerate(states):
        keeper = ConditionKeeper(0)  # a restart each time
        keeper.see(Camera("echo", "1.0.0", state, since, "dark" if state == "black" else ""))  # type: ignore[arg-type]
        keeper.work(writer.connection, ())
        told += [notice.state for notice in keeper.untold]
    assert told == [state for place, state in enumerate(states) if state != (["ok", *states])[place]]
    (found,) = conditions(writer.connection)
    assert found.camera is not None
    assert found.camera.since == (1 if states == ("ok", "black", "black") else len(states) - 1)
    writer.close()
