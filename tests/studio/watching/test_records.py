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
