"""Versions that a deployed component has replaced: their folders go when the successor serves, and not before.

A component's startup (delivery/recipe.py) leaves a note in the registry for each: a link `.NAME.before-FOLDER`, beside
the link `NAME`, to the folder that was registered until then. Until the successor is RUNNING and the last worker of
the predecessor has ended, a deployment may be given up, and the predecessor has to be whole.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.logs import fields

log = logging.getLogger(__name__)

#: what a startup calls the folders that it unpacks into: nothing else is removed, whatever a note says
_FOLDER = re.compile(r"\d[^/]*-[0-9a-f]{12}")
_NOTE = re.compile(rf"\..+\.before-{_FOLDER.pattern}")
#: what a folder is called while it goes; the next startup removes what is left of it, if the power fails meanwhile
_GOING = ".0"


class Predecessors:
    """The notes in a registry."""

    def __init__(self, registry: Path) -> None:
        """Look into `registry`, which need not be there."""
        self._registry = registry

    def remove(self, serving: Mapping[str, Path]) -> None:
        """Remove what came before: `serving` gives the folder of each model that no worker of another version serves.

        Blocking: meant for a thread. What can't be removed is left to the component's next startup.
        """
        for note in _notes(self._registry):
            if not note.exists():  # a component that was removed with its folder
                with contextlib.suppress(OSError):
                    note.unlink()
                continue
            for name, folder in serving.items():
                found = note.name.removeprefix(f".{name}.before-")
                if self._is_registered(name, folder) and _FOLDER.fullmatch(found):
                    self._remove(name, note, folder.parent / found, folder)

    def _remove(self, name: str, note: Path, predecessor: Path, served: Path) -> None:
        """Remove a sibling of the folder that is served. The note goes first: who finds none, finds no half folder.

        Meanwhile the predecessor may be deployed again. Its startup makes the link and then looks whether the folder is
        there; this gives the folder another name and then looks at the link.
        """
        try:
            is_meant = Path(os.path.realpath(note)) == predecessor != served
            note.unlink()
            if is_meant and predecessor.is_dir():
                going = predecessor.rename(f"{predecessor}{_GOING}")
                is_wanted = self._is_registered(name, predecessor)
                if is_wanted:
                    with contextlib.suppress(OSError):  # it has been unpacked anew
                        going.rename(predecessor)
                shutil.rmtree(going, ignore_errors=True)
                if not is_wanted:
                    text = "model %s: the version before, %s, is removed"
                    log.info(text, name, predecessor, extra=fields(MODEL=name))
        except FileNotFoundError:
            return  # a startup has taken the note, or the component was removed: there is nothing left to do
        except OSError as error:
            log.info(
                "model %s: the version before, %s, stays until the component is started again: %s",
                name, predecessor, describe_refusal(error, predecessor), extra=fields(MODEL=name),
            )  # fmt: skip

    def _is_registered(self, name: str, folder: Path) -> bool:
        return Path(os.path.realpath(self._registry / name)) == folder


def _notes(registry: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(registry) as entries:
        yield from [registry / entry.name for entry in entries if _NOTE.fullmatch(entry.name) and entry.is_symlink()]
