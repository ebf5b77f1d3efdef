"""Records as a Parquet file, for pandas, DuckDB, Spark and their like; written a part at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge_agent.errors import RecordsError
from edge_agent.records.store.reading import Found
from edge_agent.records.telling import fields

#: rows of a group, of which one is held in memory: some 50 MiB
_GROUP = 50_000


def write_parquet(found: Iterable[Found], path: Path) -> int:
    """Write records, with the columns of CSV, whole or not at all; returns how many.

    `time` is a time in UTC, `areas` a map from label to fraction, `truth_labels` a list; what is not known is null.

    Raises:
        RecordsError: the package pyarrow is missing.
        OSError: the file can't be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise RecordsError("Parquet needs the package pyarrow: pip install 'edge-agent[parquet]'") from None
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    named = pa.dictionary(pa.int32(), text)  # few different values
    schema = pa.schema(
        [
            ("id", whole), ("time", pa.timestamp("us", "UTC")), ("model", named), ("version", named),
            ("verdict", named), ("anomaly_score", real), ("anomaly_threshold", real), ("confidence", real),
            ("areas", pa.map_(text, real)), ("width", whole), ("height", whole), ("milliseconds", real),
            ("part_id", text), ("station", text), ("uid", whole), ("pid", whole), ("program", named),
            ("picture", text), ("truth", named), ("truth_labels", pa.list_(text)), ("confirmed_by", text),
        ]
    )  # fmt: skip
    rows = iter(found)
    count = 0
    temporary = path.with_name(f".{path.name}.writing")
    try:
        with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
            while group := list(itertools.islice(rows, _GROUP)):
                writer.write_table(pa.Table.from_pylist(list(map(_row, group)), schema))
                count += len(group)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _row(record: Found) -> dict[str, Any]:
    values = {name: None if value == "" else value for name, value in fields(record).items()}
    labels = list(record.labels) if record.truth else None
    return values | {"time": record.at, "areas": list(record.areas.items()), "truth_labels": labels}
