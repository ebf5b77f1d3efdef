"""What the settings say about records and kept pictures, as the processes that write them need it."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from edge_agent.errors import SettingsError
from edge_agent.records.events.rules import AnyRule, parse_events
from edge_agent.records.pictures.passing import Keeping
from edge_agent.records.pictures.rules import KeepRules, parse_rules
from edge_agent.settings import Settings


class RecordsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where records are written, and how much of them is kept."""

    folder: str
    days: int
    mib: int
    log_level: str
    #: scores of the last so many pictures are compared with those before; 0: none are
    drift_pictures: int = 500
    #: who is told of verdicts, and what this device is called then
    events: tuple[AnyRule, ...] = ()
    device: str = ""

    @classmethod
    def of(cls, settings: Settings) -> RecordsOptions:
        """Take them from the settings.

        Raises:
            SettingsError: an `[[event]]` table is wrong, or something is set that needs records.
        """
        if settings.records == "off" and (settings.event or settings.keep_mib):
            what = "[[event]] tables are given" if settings.event else f"keep_mib is {settings.keep_mib}"
            raise SettingsError(f'records are off, but {what}, expected records = "on" with it')
        return cls(
            events=parse_events(settings.event),
            device=settings.device_name or socket.gethostname(),
            folder=str(records_folder(settings)),
            days=settings.records_days,
            mib=settings.records_mib,
            log_level=settings.log_level,
            drift_pictures=settings.drift_pictures,
        )


class PicturesOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures are kept, where, and how much of them."""

    folder: str
    mib: int
    rules: KeepRules
    format: str
    log_level: str

    @classmethod
    def of(cls, settings: Settings) -> PicturesOptions | None:
        """Take them from the settings; None when no pictures are kept.

        Raises:
            SettingsError: a rule can't be read.
        """
        rules = parse_rules(settings.keep)
        if not settings.keep_mib or settings.records == "off":
            return None
        return cls(
            folder=str(pictures_folder(records_folder(settings))),
            mib=settings.keep_mib,
            rules=rules,
            format=settings.keep_format,
            log_level=settings.log_level,
        )

    @property
    def keeping(self) -> Keeping:
        """What a worker needs to know of them."""
        return Keeping(self.folder, self.rules)


def records_folder(settings: Settings) -> Path:
    """Return the folder of records.db and of what is kept beside it."""
    return Path(settings.state_dir) / "records"


def pictures_folder(records: Path) -> Path:
    """Return the folder of the pictures that are kept beside records."""
    return records / "pictures"
