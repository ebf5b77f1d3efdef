"""Kept pictures on disk: a folder for each kind, each with room of its own, in which the oldest make way.

So that a flood of anomalies does not push out the normal pictures that training needs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge_agent.records.pictures.stock import Stock
from edge_agent.records.whole import write_whole

#: endings of the files of one picture
MASK, SHADOW_MASK, VERDICT = ".mask.png", ".shadow-mask.png", ".json"
PICTURES = (".png", ".jpg")


class Ring:
    """The pictures of one folder."""

    def __init__(self, folder: Path, kinds: tuple[str, ...], size: int) -> None:
        """Take stock of what is there; of `size` bytes each kind gets an equal share.

        Raises:
            OSError: the folder can't be read, made or written.
        """
        self.folder = folder
        self._share = size // max(1, len(kinds))
        self._kept: dict[str, deque[tuple[str, int]]] = {}
        self._sizes: dict[str, int] = {}
        for kind in kinds:
            (folder / kind).mkdir(parents=True, exist_ok=True, mode=0o750)
        # A kind that is not kept any more still takes its room, and loses it to nobody: its pictures are left alone.
        for kind in kinds:
            self._take_stock(kind)

    def _take_stock(self, kind: str) -> None:
        sizes: dict[str, int] = {}
        with os.scandir(self.folder / kind) as entries:
            for entry in entries:
                if entry.name.endswith(".new"):  # of a process that was killed
                    Path(entry.path).unlink()
                else:
                    stem = entry.name.partition(".")[0]
                    sizes[stem] = sizes.get(stem, 0) + entry.stat(follow_symlinks=False).st_size
        self._kept[kind] = deque(sorted(sizes.items()))
        self._sizes[kind] = sum(sizes.values())

    @property
    def stock(self) -> tuple[Stock, ...]:
        """What there is of each kind."""
        return tuple(Stock(kind, len(kept), self._sizes[kind]) for kind, kept in self._kept.items())

    def put(self, name: str, files: Mapping[str, Sequence[bytes]], rest: Callable[[], None] = lambda: None) -> int:
        """Store the files of one picture, by ending, in pieces; returns how many older pictures made way.

        `rest` is called between any two pieces of work.

        Raises:
            OSError: it can't be written; nothing of it is left then.
        """
        kind, stem = name.split("/")
        size = sum(len(piece) for pieces in files.values() for piece in pieces)
        removed = self._make_room(kind, size, rest)
        written: list[Path] = []
        try:
            for ending, pieces in files.items():
                path = self.folder / kind / f"{stem}{ending}"
                temporary = path.with_name(f"{path.name}.new")
                written += (path, temporary)
                with temporary.open("wb", buffering=0) as file:
                    for piece in pieces:
                        rest()
                        write_whole(file, piece)
                temporary.replace(path)
        except OSError:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        self._kept[kind].append((stem, size))
        self._sizes[kind] += size
        return removed

    def _make_room(self, kind: str, size: int, rest: Callable[[], None]) -> int:
        removed = 0
        kept = self._kept[kind]
        while kept and self._sizes[kind] + size > self._share:
            stem, taken = kept.popleft()
            for ending in (*PICTURES, MASK, SHADOW_MASK, VERDICT):
                rest()
                (self.folder / kind / f"{stem}{ending}").unlink(missing_ok=True)
            self._sizes[kind] -= taken
            removed += 1
        return removed
