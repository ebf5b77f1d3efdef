"""The files under a folder: pictures, what is no picture, and what is hidden."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.litter import is_litter
from edge_agent.building.datasets.names import Label
from edge_agent.building.datasets.reasons import Place, Reason

#: what read_picture reads; whether a file really is such a picture is seen when it is read
PICTURES = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"))
#: pictures too, which can't be read
_OTHERS = frozenset(
    (
        ".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".pgm", ".ppm", ".pnm", ".pbm", ".tga", ".svg",
        ".psd", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".npy", ".npz", ".exr", ".hdr", ".fits",
    )
)  # fmt: skip


class Files(NamedTuple):
    """The files under a folder, sorted; each hidden file or folder once."""

    pictures: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()

    def of(self, wanted: Callable[[Path], bool]) -> tuple[Path, ...]:
        """List the pictures for which `wanted` holds."""
        return tuple(path for path in self.pictures if wanted(path))


def files_under(folder: Path) -> Files:
    """List the files under a folder, links to folders included, each folder once."""
    pictures: list[Path] = []
    others: list[Path] = []
    hidden: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link back up would go on for ever
            folders.clear()
            continue
        seen.add(real)
        hidden += [Path(parent, name) for name in (*folders, *names) if is_litter(name)]
        folders[:] = [name for name in folders if not is_litter(name)]
        for name in names:
            path = Path(parent, name)
            if not is_litter(name) and path.is_file():
                (pictures if path.suffix.lower() in PICTURES else others).append(path)
    return Files(tuple(sorted(pictures)), tuple(sorted(others)), tuple(sorted(hidden)))


def folders_in(folder: Path) -> list[Path]:
    """List the folders in a folder that are not hidden."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_litter(path.name))


def hidden_in(folder: Path) -> tuple[Path, ...]:
    """List what is hidden in a folder itself."""
    return tuple(sorted(path for path in folder.iterdir() if is_litter(path.name)))


def hidden_reasons(paths: Iterable[Path]) -> list[Reason]:
    """Say what was skipped because it is hidden."""
    return [Reason("hidden", places=(Place(path=path),)) for path in paths]


def left_out_reasons(files: Files, *, known: Iterable[str] = (), label: Label | None = None) -> list[Reason]:
    """Say which files are not used; a side that has only pictures which can't be read is lost."""
    names = set(known)
    rest = [path for path in files.others if path.name not in names]
    unreadable = [path for path in rest if path.suffix.lower() in _OTHERS]
    reasons = [Reason("file-no-picture", places=(Place(path=path),)) for path in rest if path not in set(unreadable)]
    kinds = Counter(path.suffix.lower() for path in unreadable)
    for kind, count in sorted(kinds.items()):
        places = tuple(Place(path=path) for path in unreadable if path.suffix.lower() == kind)
        lost = label is not None and not files.pictures
        facts = {"name": places[0].path.name if places[0].path else "", "kind": kind}
        reasons.append(
            Reason("files-unreadable", "problem" if lost else "note", kind, places=places, times=count, facts=facts)
        )
    return reasons
