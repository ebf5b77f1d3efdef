"""Pictures that look otherwise than the training pictures are told in the model's status and in the log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import edge_agent
from tests.support.daemon import Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo
from tests.support.scraping import fetch, samples

RED = np.full((64, 64, 3), (150, 110, 90), np.uint8)
APPEARANCE = {
    "pictures": 30,
    "mean": [150.0, 110.0, 90.0],
    "deviation": [0.0, 0.0, 0.0],
    "mean_spread": [3.0, 2.0, 2.0],
    "deviation_spread": [0.5, 0.5, 0.5],
    "red_blue_spread": [1.0, 0.5],
}


def _message(daemon: Daemon) -> str:
    return str(daemon.stub.describe("echo").status_message)


def test_red_and_blue_exchanged(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", training={"appearance": APPEARANCE})
    metrics = tmp_path / "metrics.sock"
    said = "these pictures look as if red and blue were exchanged"

    def exchanged() -> float | None:
        return samples(fetch(metrics)).get(("edge_agent_channels_exchanged", ("echo",)))

    with (
        running_daemon(tmp_path, "--metrics", f"unix://{metrics}") as daemon,
        edge_agent.Client(daemon.socket) as client,
    ):
        assert exchanged() is None
        client.start("echo")
        for _ in range(6):
            client.detect("echo", RED)
        assert _message(daemon) == ""
        wait_until(lambda: exchanged() == 0, "the pictures have been looked at, after their answers")
        wait_until(lambda: client.detect("echo", RED[..., ::-1]) and said in _message(daemon), "it is said")
        wait_until(lambda: exchanged() == 1, "it is in the metrics")
        wait_until(lambda: f"model echo: {said}" in daemon.log.read_text(), "it is logged")
        assert daemon.log.read_text().count(said) == 1


def test_a_model_of_which_nothing_is_known(daemon: Daemon) -> None:
    write_echo(daemon.models)
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    with edge_agent.Client(daemon.socket) as client:
        client.start("echo")
        for _ in range(9):
            client.detect("echo", RED[..., ::-1])
    assert _message(daemon) == ""


def test_a_key_that_is_wrong_is_named(daemon: Daemon) -> None:
    write_echo(daemon.models)
    manifest = daemon.models / "echo" / "1.0.0" / "manifest.json"
    text = manifest.read_text().rstrip().removesuffix("}") + ', "training": {"appearance": {"pictures": 3}}}'
    manifest.write_text(text.replace('"training": {},', ""))
    wait_until(lambda: "training.appearance" in daemon.stub.listed()["echo"].status_message, "it is refused")
