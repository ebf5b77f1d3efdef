"""The two figures, against a library's and against what chance does."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.records.condition.comparison import compare
from edge_agent.records.store.bins import score_bin
from edge_agent.records.store.schema import SCORE_BINS
from tests.support.fakes import U8


def histogram(parts: U8) -> list[int]:
    return [int(count) for count in np.bincount(parts, minlength=SCORE_BINS)]


def parts(seed: int, size: int, middle: float) -> U8:
    scores = np.random.default_rng(seed).normal(middle, 0.06, size).clip(0, 1)
    return np.array([score_bin(score) for score in scores], np.uint8)


@pytest.mark.parametrize(("size", "middle"), [(500, 0.2), (500, 0.22), (200, 0.25), (60, 0.2)])
def test_kolmogorov_smirnov_is_that_of_scipy(size: int, middle: float) -> None:
    from scipy import stats  # takes a second to load

    before, now = parts(1, 400, 0.2), parts(2, size, middle)
    found, expected = compare(histogram(before), histogram(now)), stats.ks_2samp(before, now, method="asymp")
    assert found.ks == pytest.approx(expected.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.25, abs=0.01)


def test_both_figures_are_those_of_the_libraries_for_scores_with_many_ties() -> None:
    """300 pairs of samples of any size, in 3, 10 or 50 steps: all figures once more, with numpy and scipy."""
    from scipy import stats

    random = np.random.default_rng(0)
    for _ in range(300):
        n, m = int(random.integers(20, 4000)), int(random.integers(60, 2000))
        steps, middle, spread = random.choice([3, 10, 50]), random.uniform(0.05, 0.6), random.uniform(0.01, 0.2)
        before, now = (
            (random.normal(middle + moved, spread, size).clip(0, 0.999) * steps).astype(np.uint8) * (50 // steps)
            for size, moved in ((n, 0.0), (m, random.normal(0, 0.03)))
        )
        found, expected = compare(histogram(before), histogram(now)), stats.ks_2samp(before, now, method="asymp")
        assert found.ks == pytest.approx(expected.statistic, abs=1e-9)
        assert found.p_value == pytest.approx(expected.pvalue, rel=0.2, abs=1e-6)
        counts = np.array([histogram(before), histogram(now)]).reshape(2, 10, 5).sum(axis=2)
        counts = counts[:, counts.any(axis=0)] + 0.5
        p, q = counts / counts.sum(axis=1, keepdims=True)
        assert found.psi == pytest.approx(float(((q - p) * np.log(q / p)).sum()), abs=1e-9)
        limit = (1 / n + 1 / m) * stats.chi2.isf(0.001, max(1, counts.shape[1] - 1))
        assert found.psi_by_chance == pytest.approx(limit, rel=0.05)


def test_the_index_of_a_known_case() -> None:
    # 30 and 70 of 100 against 50 and 50, with half a picture more in each: 0.2 * ln(0.7 / 0.3) less a little.
    before, now = [0] * SCORE_BINS, [0] * SCORE_BINS
    before[0], before[49], now[0], now[49] = 3000, 7000, 5000, 5000
    assert compare(before, now).psi == pytest.approx(0.2 * np.log(7 / 3), rel=1e-3)
    assert compare(before, before).psi == 0.0
    assert compare(before, before).p_value == 1.0


def test_chance_alone_seldom_reaches_its_limit() -> None:
    """A few dozen training pictures make a large index by chance: the limit says so."""
    above = 0
    for seed in range(400):
        found = compare(histogram(parts(seed, 40, 0.2)), histogram(parts(1000 + seed, 500, 0.2)))
        above += found.psi >= max(0.25, found.psi_by_chance) and found.p_value < 0.001
    assert above <= 2
