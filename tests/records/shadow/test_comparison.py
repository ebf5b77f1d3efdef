"""Two models that judged the same pictures: which is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import RecordsError
from edge_agent.records.shadow.comparison import pairs
from edge_agent.records.shadow.keeping import ShadowKeeper
from edge_agent.records.shadow.passing import Judged
from edge_agent.records.shadow.wanted import parse_named
from edge_agent.records.store.reading import reading
from edge_agent.records.store.writer import RecordWriter
from tests.support.records import record


def test_a_name_that_fits_both_is_refused_and_one_version_tells_them_apart(tmp_path: Path) -> None:
    writer, keeper = RecordWriter(tmp_path, days=90, mib=64), ShadowKeeper()
    records = [record(1, shadow="1-7")]
    keeper.written(records, writer.write(records))
    keeper.take(Judged("1-7", "echo", "2.0.0", False, True, 0.75, 0.5, {}, 3.0))
    keeper.work(writer.connection, writer.model_number)
    writer.close()
    with reading(tmp_path) as connection:

        def found(a: str, b: str) -> list[tuple[tuple[bool, bool], bool]]:
            told = pairs(connection, parse_named(a), parse_named(b), since=0, until=10)
            return [(pair.anomalous, pair.a_is_first) for pair in told]

        assert found("echo", "echo@2.0.0") == found("echo@1.0.0", "echo") == [((False, True), True)]
        assert found("echo@2.0.0", "echo") == [((True, False), False)]
        said = "echo and echo do not say which is which of echo@1.0.0 and echo@2.0.0: name their versions"
        with pytest.raises(RecordsError, match=said):
            found("echo", "echo")
        with pytest.raises(RecordsError, match="neither of echo@3 and echo has judged"):
            found("echo@3", "echo")
