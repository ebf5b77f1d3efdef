"""What is counted stays bounded, whatever clients and deployments do."""

from __future__ import annotations

import pytest

from edge_agent.inference.verdict import decide
from edge_agent.serving.observing.counts import Counts, ModelCounts, Stages
from edge_agent.serving.observing.histogram import Histogram
from edge_agent.serving.observing.model_watch import kind_of


@pytest.mark.parametrize(("value", "place"), [(0.0, 0), (1.0, 0), (1.5, 1), (2.0, 1), (9.0, 2)])
def test_a_value_at_a_bound_counts_below_it(value: float, place: int) -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(value)
    assert [number for number, count in enumerate(histogram.counts) if count] == [place]
    assert histogram.sum == value


def test_names_that_clients_make_up_are_counted_together() -> None:
    counts = Counts()
    counts.add_model("echo")
    for number in range(10_000):
        counts.ended("DetectAnomalies", f"made-up-{number}", "NOT_FOUND", 0.0)
    assert [name for name, _ in counts.models()] == ["", "echo"]
    assert dict(counts.models())[""].calls == {("DetectAnomalies", "NOT_FOUND"): 10_000}


def test_a_model_that_has_left_the_device_is_forgotten_and_thousands_of_them_are_counted_together() -> None:
    counts = Counts()
    counts.add_model("echo")
    counts.forget_model("echo")
    assert [name for name, _ in counts.models()] == [""]
    for number in range(1000):
        counts.add_model(f"model-{number}")
    assert len(counts.models()) <= 257
    assert counts.add_model("one-more") is dict(counts.models())[""]


def test_of_a_models_versions_the_last_few_are_counted() -> None:
    model = ModelCounts()
    for number in range(100):
        model.version(f"1.0.{number}").inspected(decide(0.7, 0.5), 0.1, Stages(0.0, 0.1, 0.1, 0.1))
    assert list(model.versions) == ["1.0.97", "1.0.98", "1.0.99"]
    assert model.version("1.0.97").pictures == 1, "a version that comes back goes on"
    assert list(model.versions) == ["1.0.98", "1.0.99", "1.0.97"]


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("the worker was lost: killed by SIGKILL", "SIGKILL"),
        ("a worker of model 'm' was lost while loading: killed by SIGILL while it loads", "SIGILL"),
        ("the worker was lost: killed by signal 63", "signal"),
        ("the worker was lost: exited with status 3", "exited"),
        ("the worker was lost: it hung: a call took longer than 30 s", "hung"),
        ("not ready after 600 s", "late"),
        ("whatever else a person is told", "failed"),
    ],
)
def test_restarts_are_counted_by_few_causes(cause: str, kind: str) -> None:
    assert kind_of(cause) == kind
