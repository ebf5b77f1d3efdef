from __future__ import annotations

import numpy as np
import pytest

from edge_agent.building.training.student import share_below


@pytest.mark.parametrize(
    ("freedom", "value", "share"),
    [
        (1, 1.0, 0.75),
        (2, 2**0.5, 0.8535534),
        (4, 2.132, 0.95),
        (9, 1.833, 0.95),
        (19, 2.539, 0.99),
        (30, -2.042, 0.025),
    ],
)
def test_shares_are_those_of_published_tables(freedom: int, value: float, share: float) -> None:
    assert share_below(np.array([value]), freedom)[0] == pytest.approx(share, abs=2e-5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 11, 20, 149, 1000])
def test_shares_are_those_of_scipy(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.linspace(-40, 40, 401)
    np.testing.assert_allclose(share_below(values, freedom), stats.t.cdf(values, df=freedom), atol=1e-12)
