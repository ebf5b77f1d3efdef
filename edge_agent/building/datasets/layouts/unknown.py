"""A folder in no layout that is known: what lies there, and what it may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_agent.building.datasets.layouts.beside import beside
from edge_agent.building.datasets.layouts.files import files_under, folders_in, hidden_in, hidden_reasons
from edge_agent.building.datasets.layouts.masks import is_mask_folder
from edge_agent.building.datasets.layouts.part import Part
from edge_agent.building.datasets.names import Names, key, propose
from edge_agent.building.datasets.reasons import Place, Reason

_SHOWN = 5


def unknown(root: Path, names: Names, *, is_dataset: Callable[[Path], bool]) -> Part:
    """Say what lies in a folder, and how it could be read."""
    way = _way(root, names, is_dataset)
    folders = [folder for folder in folders_in(root) if not is_mask_folder(folder.name)]
    facts = {"path": root, "way": f"; {way}" if way else ""}
    reason = Reason("no-folders", "problem", places=(Place(path=root),), facts=facts)
    said = beside(root, folders, lost=False, kinds=True)
    return Part(root, (), reasons=(reason, *said, *hidden_reasons(hidden_in(root))))


def _way(root: Path, names: Names, is_dataset: Callable[[Path], bool]) -> str:
    folders = {key(folder.name): folder for folder in folders_in(root)}
    labels = folders.get("labels")
    if labels and any(path.suffix == ".txt" for path in files_under(labels).others):
        return "it looks like YOLO's: name its data.yaml instead, in which names: [scratch] names the classes"
    inside = [folder for folder in folders.values() if is_dataset(folder)]
    if inside:
        shown = ", ".join(str(folder) for folder in inside[:_SHOWN])
        return f"{shown} {'is a dataset' if len(inside) == 1 else 'are datasets of their own'}: name one"
    where = folders.get("train", root)
    held = [folder.name for folder in folders_in(where) if files_under(folder).pictures]
    held = [name for name in held if not is_mask_folder(name) and names.label(name) is None]
    proposal = propose(held, normal=False, anomaly=False)
    if proposal:
        shown = ", ".join(f"'{name}'" for name in held[:_SHOWN])
        return f"{shown} {'lies' if len(held) == 1 else 'lie'} in {where}: if that is what they hold, add " + (
            proposal.options
        )
    files = [path.name for path in sorted(root.iterdir()) if path.suffix.lower() in (".manifest", ".csv", ".jsonl")]
    return f"{files[0]} lies there: name it instead of the folder" if files else ""
