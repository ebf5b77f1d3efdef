"""Half precision by integers is what numpy makes of it."""

from __future__ import annotations

import numpy as np

from edge_agent.building.training.half_precision import from_half, in_half_precision, to_half


def values() -> np.ndarray:
    """Numbers of all sizes that half precision has, those below its smallest normal one included, and its limits."""
    rng = np.random.default_rng(0)
    some = rng.normal(size=(60, 50)) * 2.0 ** rng.integers(-26, 13, (60, 1))
    some[0, :6] = 0, -0.0, 65504, -65504, 2.0**-24, 2.0**-14
    some[1, :3] = 1 + 2**-11, 1 + 3 * 2**-11, -2049  # in the middle between two: to the even one
    return some.astype(np.float32)


def test_it_is_converted_as_numpy_does_it() -> None:
    for some in (values(), np.ascontiguousarray(values().T).T, in_half_precision(values())):
        expected = some.astype(np.float16)
        np.testing.assert_array_equal(to_half(some).view(np.uint16), expected.view(np.uint16))
        np.testing.assert_array_equal(from_half(expected).view(np.uint32), expected.astype(np.float32).view(np.uint32))


def test_what_is_asked_for_stays_as_it_is() -> None:
    some = values()
    to_half(some)
    in_half_precision(some)
    halves = some.astype(np.float16)
    from_half(halves)
    np.testing.assert_array_equal(some, values())
    np.testing.assert_array_equal(halves, values().astype(np.float16))


def test_what_is_beyond_the_range_becomes_its_end() -> None:
    found = from_half(to_half(np.array([2.0**17, -1e9, 65519], np.float32)))
    np.testing.assert_array_equal(found, np.array([65504, -65504, 65504], np.float32))
