"""What fuzzing has kept: inputs that once broke a reader, and the few that reach all of its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import NAMES, kept, target
from tests.support.properties import examples


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs(name: str) -> None:
    inputs = list(kept(name))
    assert len(inputs) > 10
    for data in inputs:
        target(name).consume(data)


@pytest.mark.parametrize("name", NAMES)
@examples(100)
@given(data=st.data())
def test_changes_to_seeds(name: str, data: st.DataObject) -> None:
    """A target takes what it begins with, and that with some of its bytes changed, cut off or repeated."""
    seed = bytearray(data.draw(st.sampled_from(list(target(name).seeds()))))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, max(0, len(seed) - 1)))
        piece = data.draw(st.binary(max_size=4) | st.just(bytes(seed[at : at + 40])))
        seed[at : at + data.draw(st.sampled_from([0, len(piece), len(seed)]))] = piece
    target(name).consume(bytes(seed))
