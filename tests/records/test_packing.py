"""Records are encoded as they come; what is sent are notes as any other."""

from __future__ import annotations

import pytest

from edge_agent.records.packing import Packing
from edge_agent.records.record import PACKET, Notes, Record, decode_told

_LABELS = {f"{number:03}{'𝄞' * 61}": 1 / 255 for number in range(255)}  # of four bytes each


def _record(number: int, areas: dict[str, float] | None = None) -> Record:
    return Record(
        number, number, "cookies", "1.0.0", True, 0.9, 0.5, 0.8, areas or {}, 320, 240, 3.5, 1000, 42, "line", "A", "s"
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 15, 16, 32])
@pytest.mark.parametrize("dropped", [0, 7, 1 << 20])
def test_notes_come_out_as_they_went_in(count: int, dropped: int) -> None:
    packing = Packing(64)
    records = [_record(number, {"crack": 0.1}) for number in range(count)]
    assert [packing.add(record) for record in records] == [False] * count
    assert packing.count == count
    assert decode_told(packing.take(dropped)) == Notes(records, dropped)
    assert packing.count == 0


def test_a_packet_that_was_taken_leaves_nothing_in_the_next() -> None:
    packing = Packing(64)
    packing.add(_record(1))
    packing.take(0)
    packing.add(_record(2))
    assert decode_told(packing.take(0)) == Notes([_record(2)])


def test_it_should_go_when_it_has_as_many_as_it_may() -> None:
    packing = Packing(3)
    assert [packing.add(_record(number)) for number in range(3)] == [False, False, True]


def test_with_as_many_labels_as_there_can_be_no_packet_is_too_large() -> None:
    packing = Packing(64)
    sizes = []
    for number in range(200):  # small ones until it is nearly full, and then the largest
        if packing.add(_record(number, _LABELS if number % 5 == 4 else dict.fromkeys([*_LABELS][:12], 0.1))):
            sizes.append(len(packing.take(0)))
    assert sizes and max(sizes) <= PACKET


def test_a_record_that_cannot_be_encoded_spoils_no_other() -> None:
    packing = Packing(64)
    packing.add(_record(1))
    with pytest.raises(UnicodeEncodeError):
        packing.add(_record(2, {"\udce9": 0.1}))
    packing.add(_record(3))
    assert decode_told(packing.take(0)) == Notes([_record(1), _record(3)])
