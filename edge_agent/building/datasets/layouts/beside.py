"""What lies beside the folders of a dataset and is not used, with a guess what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_agent.building.datasets.layouts.files import PICTURES, files_under
from edge_agent.building.datasets.layouts.masks import LABELS_FILE
from edge_agent.building.datasets.names import key, propose
from edge_agent.building.datasets.project import FILE_NAME
from edge_agent.building.datasets.reasons import Place, Reason

#: folders that people keep beside, and that are no kind of part
_KEPT = frozenset(
    (
        "train", "test", "val", "valid", "validation", "images", "image", "pictures", "data", "masks", "labels",
        "annotations", "unlabelled", "unlabeled", "unsorted", "unknown", "raw", "backup", "old", "archive", "misc",
        "calibration", "empty", "export", "original", "originals", "evaluation", "models", "results", "split_csv",
    )
)  # fmt: skip


def beside(root: Path, folders: Sequence[Path], *, lost: bool, kinds: bool = False) -> list[Reason]:
    """Name folders and pictures that are not used. When a side has no pictures (`lost`) they may be what is missing.

    `kinds`: the layout names its own kinds of defects, and no option would add others.
    """
    reasons = []
    found = []
    for folder in folders:
        count = len(files_under(folder).pictures)
        if count:
            found.append(folder.name)
            reasons.append(Reason("folder-unused", value=folder.name, places=(Place(path=folder),), times=count,
                                  facts={"folder": folder}))  # fmt: skip
    loose = _loose(root)
    if loose:
        facts: dict[str, object] = {"folder": root, "name": loose[0].name}
        places = tuple(Place(path=path) for path in loose)
        reasons.append(Reason("pictures-loose", places=places, times=len(loose), facts=facts))
    reasons += _no_pictures(root)
    guessed = [name for name in found if key(name) not in _KEPT]
    proposal = None if kinds else propose(guessed, normal=True, anomaly=True)
    if proposal and lost:
        reasons = [reason._replace(weight="problem") if reason.value in guessed else reason for reason in reasons]
        reasons.append(Reason("folders-may-be", "problem", proposal.options))
    elif proposal:
        reasons.append(Reason("folders-may-be", "note", proposal.options))
    return reasons


def _loose(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.iterdir()
        if path.is_file() and path.suffix.lower() in PICTURES and not path.name.startswith(".")
    )


def _no_pictures(root: Path) -> list[Reason]:
    """Name files in the folder itself that look as if they were to say something of the pictures."""
    tables = (".csv", ".json", ".jsonl", ".manifest", ".txt", ".xml", ".yaml", ".yml", ".xlsx")
    known = (FILE_NAME, LABELS_FILE)
    return [
        Reason("file-no-picture", places=(Place(path=path),))
        for path in sorted(root.iterdir())
        if path.is_file() and path.suffix.lower() in tables and path.name not in known and path.name[0] != "."
    ]
