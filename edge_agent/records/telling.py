"""A record as other programs read it: the names of its fields, in JSON and in CSV."""

from __future__ import annotations

import getpass
import re
from typing import Any

from edge_agent.records.span import utc_text
from edge_agent.records.store.reading import Found

#: columns of CSV; areas are `label=fraction` with `;` between them
COLUMNS = (
    "id", "time", "model", "version", "verdict", "anomaly_score", "anomaly_threshold", "confidence", "areas", "width",
    "height", "milliseconds", "part_id", "station", "uid", "pid", "program", "picture", "truth", "truth_labels",
    "confirmed_by",
)  # fmt: skip


_NUMBER = re.compile(r"[+-]\d+([.,]\d+)?")


def fields(record: Found) -> dict[str, Any]:
    """Give a record's fields by the names that other programs read, in the order of COLUMNS."""
    values = (
        record.id,
        utc_text(record.at),
        record.model,
        record.version,
        "anomalous" if record.anomalous else "normal",
        record.score,
        record.threshold,
        record.confidence,
        dict(record.areas),
        record.width,
        record.height,
        record.milliseconds,
        record.part,
        record.station,
        record.uid,
        record.pid,
        record.program,
        record.picture,
        record.truth,
        list(record.labels),
        record.who,
    )
    return dict(zip(COLUMNS, values, strict=True))


def cells(record: Found) -> list[str]:
    """Give a record as a row of CSV."""
    values = fields(record)
    values["areas"] = ";".join(f"{label}={fraction:.6g}" for label, fraction in record.areas.items())
    values["truth_labels"] = ";".join(record.labels)
    return [f"{value:.6g}" if isinstance(value, float) else str(cell(value)) for value in values.values()]


def cell(value: object) -> object:
    """Make a value fit for a cell of CSV: a text that a spreadsheet would take for a formula gets an apostrophe.

    Names come from clients; https://owasp.org/www-community/attacks/CSV_Injection. A number stays one.
    """
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    return value if _NUMBER.fullmatch(value) else f"'{value}"


def whoami() -> str:
    """Return the name of the user who runs this command, the number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        import os

        return str(os.getuid())
