"""Steps of a training beside each other."""

from __future__ import annotations

import os
import pickle
import threading
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from edge_agent.building.training import cores
from edge_agent.building.training.cores import meanwhile, one_thread_each, side_by_side
from edge_agent.building.training.head import Wanted, fit_head
from tests.building.training.test_outlook import made_up


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def with_cores(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(count)))


@pytest.mark.parametrize("cores", [1, 2, 16])
def test_results_come_in_order(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(cores, monkeypatch)
    assert side_by_side([partial(divmod, number, 3) for number in range(20)]) == [divmod(n, 3) for n in range(20)]
    assert side_by_side([]) == []


def test_steps_run_at_the_same_time_where_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(2, monkeypatch)
    both = threading.Barrier(2)
    side_by_side([partial(both.wait, 20)] * 2)


def test_with_one_core_nothing_leaves_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(1, monkeypatch)
    assert side_by_side([threading.get_ident] * 3) == [threading.get_ident()] * 3


@pytest.mark.parametrize("cores", [2, 3])
def test_steps_of_steps_have_no_core_more(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(cores, monkeypatch)

    def stays() -> bool:
        return side_by_side([threading.get_ident] * 3) == [threading.get_ident()] * 3

    assert side_by_side([stays] * 2) == [True, True]
    assert not stays(), "outside of steps there are several again"


def test_a_step_beside_the_caller_has_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(2, monkeypatch)
    both = threading.Barrier(2)

    def step() -> list[int]:
        both.wait(20)
        return [threading.get_ident(), *side_by_side([threading.get_ident] * 3)]

    with meanwhile(step) as found:
        both.wait(20)
        threads = set(found())
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_what_goes_wrong_beside_the_caller_is_told() -> None:
    with pytest.raises(ZeroDivisionError), meanwhile(partial(divmod, 1, 0)) as found:
        found()


def test_steps_of_steps_have_the_cores_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(4, monkeypatch)

    def two() -> None:
        both = threading.Barrier(2)
        side_by_side([partial(both.wait, 20)] * 2)

    side_by_side([two] * 2)


def test_a_quota_of_the_processor_bounds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(16, monkeypatch)
    monkeypatch.setattr(cores, "threads_within_quota", lambda: 1)
    assert side_by_side([threading.get_ident] * 3) == [threading.get_ident()] * 3


def test_a_fit_is_the_same_with_one_core_and_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    features, anomalous = made_up(6)

    def fitted(cores: int) -> bytes:
        with_cores(cores, monkeypatch)
        head = fit_head(features, anomalous, seed=0, wanted=Wanted(), progress=lambda done, total: None)
        return pickle.dumps(head)

    assert fitted(1) == fitted(2)


def test_what_goes_wrong_in_a_step_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores(2, monkeypatch)
    with pytest.raises(ZeroDivisionError):
        side_by_side([partial(divmod, 1, 1), partial(divmod, 1, 0)])


def test_blas_has_one_thread_for_as_long() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    with one_thread_each():
        assert blas_threads() == {1}
    assert blas_threads() == before
