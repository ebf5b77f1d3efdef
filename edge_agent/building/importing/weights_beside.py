"""Weights that lie in files beside an ONNX file: finding them, also where the files were moved or renamed together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from onnx import ModelProto, TensorProto, external_data_helper

from edge_agent.errors import ImportFailed
from edge_agent.inference.conversion.onnx_model import tensors

#: how exporters call such files
_SUFFIXES = (".data", ".weights", ".bin", ".pb", "_data", ".onnx_data")
#: names in a message
_MOST_NAMES = 3


def size_beside(model: ModelProto, path: Path) -> tuple[int, tuple[str, ...]]:
    """Count the bytes that the weights beside `path` take, and note where they were found elsewhere than it says.

    Names of files in the model are changed to those that were found. Counted for each tensor: many may name one file,
    and each gets a copy.

    Raises:
        ImportFailed: a file is missing, or lies elsewhere.
    """
    beside = [tensor for tensor in tensors(model.graph) if tensor.data_location == TensorProto.EXTERNAL]
    by_location: dict[str, list[TensorProto]] = {}
    for tensor in beside:
        by_location.setdefault(_said(tensor).get("location", ""), []).append(tensor)
    notes, total = [], 0
    for location, group in by_location.items():
        file = _find(path, location, max(_end(path, tensor) for tensor in group))
        if path.parent / location != file:
            notes.append(f"the weights are taken from {file}: the model names '{location}'")
            for entry in (entry for tensor in group for entry in tensor.external_data if entry.key == "location"):
                entry.value = file.name
        size = file.stat().st_size
        total += sum(_size(path, tensor, size) for tensor in group)
    return total, tuple(notes)


def load_beside(model: ModelProto, path: Path) -> None:
    """Read the weights beside `path` into the model; ImportFailed when that can't be done."""
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx's own checks, in several classes over its versions
        raise ImportFailed(f"the weights beside {path} can't be read: {str(error).splitlines()[0]}") from None


def _find(path: Path, location: str, needed: int) -> Path:
    """Find the file that a model calls `location`, of at least `needed` bytes.

    It has to lie in the model's folder. A folder in front of its name is where it was when the model was written; where
    model and weights were renamed together, the file is called as the model.
    """
    folder = path.parent.resolve()
    said = path.parent / location if location and "\0" not in location else None
    if said is not None and _is_in(folder, said, location):
        return said
    name = PureWindowsPath(location).name if location and "\0" not in location else ""
    moved = path.parent / name
    if name not in ("", location) and _is_in(folder, moved, name):
        return _fitting(path, location, moved, needed)
    is_plain = said is not None and said.resolve().is_relative_to(folder) and not Path(location).is_absolute()
    if not is_plain or ".." in Path(location).parts:
        raise ImportFailed(f"{path} wants its weights from {location!r}, expected a file in its own folder")
    others = [file for file in _candidates(path) if file.stat().st_size >= needed]
    renamed = [file for file in others if file.name.startswith(path.name) or file.stem == path.stem]
    if len(renamed) == 1:
        return renamed[0]
    if others:
        names = " or ".join(f"'{file.name}'" for file in others[:_MOST_NAMES])
        raise ImportFailed(
            f"{path} wants its weights from '{location}', which is missing; {names} lies there: if these are the "
            "weights, rename the file"
        )
    raise ImportFailed(f"{path} wants its weights from '{location}', which is missing; put it beside the model")


def _is_in(folder: Path, file: Path, location: str) -> bool:
    inside = not Path(location).is_absolute() and ".." not in Path(location).parts
    return inside and file.is_file() and file.resolve().is_relative_to(folder)


def _fitting(path: Path, location: str, file: Path, needed: int) -> Path:
    if file.stat().st_size < needed:
        raise ImportFailed(
            f"{path} wants {needed} bytes of weights from '{location}', and {file} has {file.stat().st_size}: it is "
            "cut off, or another model's; copy it anew"
        )
    return file


def _candidates(path: Path) -> Iterator[Path]:
    for file in sorted(path.parent.iterdir()):
        if file.name.endswith(_SUFFIXES) and file.is_file() and not file.is_symlink():
            yield file


def _said(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _number(path: Path, tensor: TensorProto, key: str, other: int) -> int:
    try:
        return int(_said(tensor).get(key, other))
    except ValueError:
        raise ImportFailed(f"{path}: offset or length of the weights '{tensor.name}' is not a number") from None


def _end(path: Path, tensor: TensorProto) -> int:
    return _number(path, tensor, "offset", 0) + max(_number(path, tensor, "length", 0), 0)


def _size(path: Path, tensor: TensorProto, size: int) -> int:
    """Count the bytes that a tensor takes of its file: as many as it says, or all from its offset on."""
    offset = _number(path, tensor, "offset", 0)
    return max(min(_number(path, tensor, "length", size), size - offset), 0)
