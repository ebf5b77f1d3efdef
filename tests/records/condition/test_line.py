"""Drift, through a daemon: a model that carries its training's scores, and a line whose pictures become brighter."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np

from edge_agent.records.store.bins import score_bin
from edge_agent.records.store.schema import SCORE_BINS
from tests.support.commands import run
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until, whole_lines
from tests.support.fakes import picture, write_echo
from tests.support.scraping import fetch, samples

METRIC = ("echo", "1.0.0")
SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "event.schema.json"


def send(daemon: Daemon, seed: int, count: int, middle: float) -> None:
    """Send pictures of a brightness; echo's score is just that."""
    for brightness in np.random.default_rng(seed).normal(middle, 12, count).clip(0, 127):
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(round(brightness))))


def test_everybody_is_told_of_drift(tmp_path: Path) -> None:
    counts = [0] * SCORE_BINS
    for brightness in np.random.default_rng(1).normal(40, 12, 60).clip(0, 127):
        counts[score_bin(brightness / 255)] += 1
    write_echo(tmp_path / "models", training={"scores": {"normal": counts}})
    (tmp_path / "config.toml").write_text(
        f'metrics = "unix://{tmp_path}/metrics.sock"\ndrift_pictures = 60\n[[event]]\nname = "x"\nsender = "file"\n'
        f'path = "{tmp_path}/events.jsonl"\nverdicts = "none"\nnotices = true\n'
    )

    def metric(name: str) -> float:
        return samples(fetch(tmp_path / "metrics.sock")).get((name, METRIC), -1.0)

    with running_daemon(tmp_path, "--config", str(tmp_path / "config.toml")) as daemon:
        first = samples(fetch(tmp_path / "metrics.sock"))
        assert first["edge_agent_drifted", METRIC] == 0, "from the first scrape on"
        assert first["edge_agent_sent_events_total", ("x",)] == first["edge_agent_dropped_events_total", ("x",)] == 0
        daemon.stub.start("echo")
        send(daemon, 2, 70, 40)
        wait_until(lambda: metric("edge_agent_drift_psi") >= 0, "scores are compared")
        assert metric("edge_agent_drifted") == 0
        assert 0 < metric("edge_agent_drift_psi") < 0.25
        send(daemon, 3, 90, 85)
        wait_until(lambda: metric("edge_agent_drifted") == 1, "scores have drifted")
        said = "scores have drifted: the last 60 pictures against the training's normal pictures: PSI"
        assert said in daemon.stub.describe("echo").status_message
        wait_until(lambda: said in daemon.log.read_text(), "it is logged")
        assert daemon.log.read_text().count(said) == 1
        (line,) = wait_until(lambda: whole_lines(tmp_path / "events.jsonl"), "the event is written")
        event = json.loads(line)
        assert (event["kind"], event["state"], event["version"]) == ("drift", "drifted", "1.0.0")
        jsonschema.validate(event, json.loads(SCHEMA.read_text()))
        found = run("doctor", "--config", str(tmp_path / "config.toml"), "--state-dir", tmp_path / "state", "--json")
        assert any(said in finding["found"] for finding in json.loads(found.stdout)), found.stdout

    with running_daemon(tmp_path, "--config", str(tmp_path / "config.toml")) as daemon:
        first = samples(fetch(tmp_path / "metrics.sock"))
        assert first["edge_agent_drifted", METRIC] == 1, "as before the restart, which no counter shows as new events"
        assert first["edge_agent_sent_events_total", ("x",)] == 1
        assert said in daemon.stub.describe("echo").status_message
        daemon.stub.wait_for("echo", "RUNNING")
        send(daemon, 4, 120, 40)
        wait_until(lambda: metric("edge_agent_drifted") == 0, "that is over")
        assert said not in daemon.stub.describe("echo").status_message
