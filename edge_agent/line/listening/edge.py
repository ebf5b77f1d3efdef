"""Edges of a digital input."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.errors import OutputError
from edge_agent.hardware.digital_input import DigitalInput
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.triggers import Input
from edge_agent.line.trying import Trying

_POLL_SECONDS = 0.5


class EdgeListener:
    """Waits for edges until it is closed."""

    def __init__(self, table: Input, fired: Callable[[], None]) -> None:
        self._table, self._fired = table, fired
        self._trying = Trying(self._listen, f"line {table.line} of {table.chip}")
        self._trying.start()

    @property
    def problem(self) -> str:
        """Why no edge can be seen; "" when they can."""
        return self._trying.problem

    def _listen(self) -> None:
        table = self._table
        try:
            with DigitalInput(
                table.chip, table.line, edge=table.edge, active_low=table.active_low, debounce=table.debounce_ms / 1000
            ) as given:
                self._trying.well()
                while not self._trying.ending.is_set():
                    for _ in range(len(given.edges(_POLL_SECONDS))):
                        self._fired()
        except OutputError as error:
            raise SourceFailed(str(error)) from None

    def close(self) -> None:
        """Wait no longer."""
        self._trying.close()
