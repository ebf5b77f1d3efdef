"""In the process that writes records: what a shadow model said finds the record of the same picture."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from edge_agent.records.record import Record
from edge_agent.records.shadow.passing import Judged

#: records whose other verdict may still come, and verdicts whose record may
_MOST = 20_000
_INSERT = "INSERT OR REPLACE INTO shadows VALUES (?,?,?,?,?,?,?,?,?,?)"


class ShadowKeeper:
    """Both wait for each other, in whatever order they come; each line is bounded."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, tuple[int, str, str]] = OrderedDict()
        self._judged: OrderedDict[str, Judged] = OrderedDict()

    def written(self, records: Iterable[Record], numbers: Iterable[int]) -> None:
        """Take note of records that have been written under these numbers."""
        for record, number in zip(records, numbers, strict=True):
            if record.shadow:
                self._records[record.shadow] = number, record.model, record.version
                while len(self._records) > _MOST:
                    self._records.popitem(last=False)

    def take(self, judged: Judged) -> None:
        """Take what a shadow model said."""
        self._judged[judged.token] = judged
        while len(self._judged) > _MOST:
            self._judged.popitem(last=False)

    def work(self, connection: sqlite3.Connection, number_of: Callable[[str, str], int]) -> None:
        """Write down what belongs together; `number_of` gives the number of a model's version.

        Raises:
            sqlite3.Error: it can't be written; it is tried again.
        """
        ready = [token for token in self._judged if token in self._records]
        if not ready:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for token in ready:
                judged, (record, model, version) = self._judged[token], self._records[token]
                connection.execute(
                    _INSERT,
                    (
                        record, number_of(model, version), number_of(judged.model, judged.version), judged.agrees,
                        judged.anomalous, judged.score, judged.threshold,
                        msgspec.json.encode(judged.areas).decode() if judged.areas else None,
                        round(judged.milliseconds, 3), judged.picture or None,
                    ),
                )  # fmt: skip
                if judged.picture:
                    connection.execute(
                        "UPDATE records SET picture = ? WHERE id = ? AND picture IS NULL", (judged.picture, record)
                    )
        for token in ready:
            del self._judged[token], self._records[token]
