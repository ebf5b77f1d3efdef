"""How many examples hypothesis makes: few and always the same in the suite, many and others every time on request."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: HYPOTHESIS_PROFILE=long makes a hundred times as many, from a seed of their own, and remembers what failed
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
_FACTOR = 100 if LONG else 1


def examples(count: int, *, steps: int = 50) -> settings:
    """Ask for so many examples, of so many steps at the most where a test has any."""
    return settings(
        max_examples=count * _FACTOR,
        stateful_step_count=steps,
        derandomize=not LONG,
        database=settings.default.database if LONG and settings.default else None,
        deadline=None,  # a slow machine is no defect
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
