"""Restarts are spaced ever wider, and after a steady run closely again."""

from __future__ import annotations

from edge_agent.serving.lifecycle.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=3.0)
    assert [backoff.wait(ran_for=1.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_steady_run_begins_anew() -> None:
    backoff = Backoff(first=0.5, longest=60.0, steady=60.0)
    assert [backoff.wait(0), backoff.wait(59), backoff.wait(60), backoff.wait(0)] == [0.5, 1.0, 0.5, 1.0]
