"""What the settings say about records, as the process that writes them needs it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_agent.settings import Settings


class RecordsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where records are written, and how much of them is kept."""

    folder: str
    days: int
    mib: int
    log_level: str

    @classmethod
    def of(cls, settings: Settings) -> RecordsOptions:
        """Take them from the settings."""
        return cls(
            folder=str(records_folder(settings)),
            days=settings.records_days,
            mib=settings.records_mib,
            log_level=settings.log_level,
        )


def records_folder(settings: Settings) -> Path:
    """Return the folder of records.db and of what is kept beside it."""
    return Path(settings.state_dir) / "records"
