"""Records as the studio tells of them, without a studio."""

from __future__ import annotations

import time
from pathlib import Path

from edge_agent.records.store.writer import RecordWriter
from edge_agent.studio.watching.records import RecordFilter, Records
from tests.support.records import record


def test_a_picture_is_told_of_when_its_files_are_there_and_an_old_one_without_a_look(tmp_path: Path) -> None:
    """The encoder takes seconds on a busy line: until then a page would ask for what is not there."""
    now = time.time_ns() // 1000
    writer = RecordWriter(tmp_path / "records", days=90, mib=64)
    writer.write(
        [
            record(now - 3600 * 1_000_000, picture="anomalous/old"),
            record(now, picture="anomalous/new"),
            record(now + 1),
        ]
    )
    writer.close()
    records = Records(tmp_path)

    def told() -> list[bool]:
        return [one.picture for one in records.page(RecordFilter(), "", 10).records]

    assert told() == [False, False, True]
    folder = tmp_path / "records" / "pictures" / "anomalous"
    folder.mkdir(parents=True)
    (folder / "new.png").touch()
    assert told() == [False, False, True]
    (folder / "new.json").touch()  # the last of its files
    assert told() == [False, True, True]


def test_records_of_one_model_are_found_by_a_kind_of_anomaly(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records", days=90, mib=64)
    marks: tuple[dict[str, float] | None, ...] = ({"crack": 0.1}, {}, None, {"dent": 0.2})
    writer.write([record(number, anomalous=True, areas=areas) for number, areas in enumerate(marks, 1)])
    writer.write([record(5, model="other", anomalous=True, areas={"crack": 0.3})])
    writer.close()
    records = Records(tmp_path)

    def found(**wanted: str) -> list[str]:
        return [one.id for one in records.page(RecordFilter(**wanted), "", 10).records]  # type: ignore[arg-type]

    assert found(label="crack") == ["5", "1"]
    assert found(label="crack", model="echo") == ["1"]
    assert found(label="dent", model="echo", version="1.0.0", verdict="anomaly") == ["4"]
    assert found(label="dent", model="other") == []


def test_where_nothing_is_marked_is_told_of_models_that_make_masks(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records", days=90, mib=64)
    writer.write([
        record(1, anomalous=True, areas={"crack": 0.1}), record(2, anomalous=True, areas={}),
        record(3, anomalous=True, areas=None), record(4, areas={}),
    ])  # fmt: skip
    writer.close()
    told = {one.id: (one.unmarked, one.areas) for one in Records(tmp_path).page(RecordFilter(), "", 10).records}
    assert told == {"1": (False, {"crack": 0.1}), "2": (True, {}), "3": (False, {}), "4": (False, {})}
