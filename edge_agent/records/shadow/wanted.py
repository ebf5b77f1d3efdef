"""Which models should have a shadow: how that is named, and the file of the state folder that remembers it."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from edge_agent.errors import RecordsError

log = logging.getLogger(__name__)

FILE_NAME = "shadows.json"


class Named(msgspec.Struct, frozen=True):
    """A model as a user names it: MODEL or MODEL@VERSION."""

    model: str
    #: "": the one that is served, or would be; where records are looked for, every one
    version: str = ""

    def __str__(self) -> str:
        return f"{self.model}@{self.version}" if self.version else self.model

    def fits(self, name: tuple[str, str]) -> bool:
        """Tell whether a name and version is what is meant."""
        return name[0] == self.model and self.version in ("", name[1])


def parse_named(text: str) -> Named:
    """Read MODEL or MODEL@VERSION; RecordsError when it is neither."""
    model, at, version = text.partition("@")
    if not model or (at and not version):
        raise RecordsError(f"'{text}' is not a model such as cookies or cookies@1.1.0")
    return Named(model, version)


def read_shadows(state_dir: Path) -> dict[str, Named]:
    """Read which models should have a shadow; none where that can't be read."""
    path = state_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Named])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("%s can't be read (%s); no model has a shadow", path, error)
        return {}
