"""What a classifier's file itself calls its classes: in the model's metadata, in its nodes, or in a file beside it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onnx import ModelProto, helper

_ML = "ai.onnx.ml"
#: keys of the metadata, and of a JSON file, under which exporters write them (ultralytics, transformers)
_KEYS = (
    "names", "class_names", "classes", "labels", "id2label", "categories", "class_labels", "classnames", "label_names",
    "class_to_idx", "label2id",
)  # fmt: skip
_TEXTS = ("labels.txt", "classes.txt", "class_names.txt", "names.txt", "categories.txt")
_JSONS = (
    "labels.json", "classes.json", "class_names.json", "id2label.json", "class_to_idx.json", "class_indices.json",
    "config.json",
)  # fmt: skip
_MOST_BYTES = 1 << 20
#: what a class of good parts is called; the whole name, or a word of it
_NORMAL = {
    "normal", "good", "ok", "okay", "pass", "passed", "accept", "accepted", "perfect", "intact", "healthy", "clean",
    "nondefective", "nodefect", "defectfree", "undamaged", "gut", "io", "negative",
}  # fmt: skip
_NOT = {"not", "no", "non", "un", "nicht", "ab"}


def class_names(model: ModelProto, path: Path) -> tuple[str, ...]:
    """Give the names of the classes in their order, or nothing where no place says them."""
    for found in _places(model, path):
        names = _in_order(found)
        if names:
            return names
    return ()


def is_normal(name: str) -> bool:
    """Tell whether a class of this name is of good parts."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    if "".join(words) in _NORMAL:
        return True
    return bool(_NORMAL.intersection(words)) and not _NOT.intersection(words)


def _places(model: ModelProto, path: Path) -> Iterator[Any]:
    said = {entry.key.lower(): entry.value for entry in model.metadata_props}
    for key in _KEYS:
        if key in said:
            yield _parsed(said[key])
    for node in model.graph.node:
        if node.domain == _ML:
            for attribute in node.attribute:
                if attribute.name in ("classlabels_strings", "class_labels", "values_strings"):
                    yield [text.decode("utf-8", "replace") for text in helper.get_attribute_value(attribute)]
    for name in _JSONS:
        yield from _of_json(path.parent / name)
    for name in _TEXTS:
        text = _read(path.parent / name)
        if text is not None:
            yield [line.strip() for line in text.splitlines() if line.strip()]


def _of_json(path: Path) -> Iterator[Any]:
    text = _read(path)
    content = _parsed(text) if text else None
    if isinstance(content, Mapping):
        inner = [content[key] for key in _KEYS if key in content]
        yield from inner
        if path.name == "config.json":
            return
    yield content


def _read(path: Path) -> str | None:
    try:
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _parsed(text: str) -> Any:
    """Read JSON, a literal of Python's, or names between commas or in lines."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    parts = text.splitlines() if "\n" in text.strip() else text.split(",")
    return [part.strip() for part in parts if part.strip()]


def _in_order(found: Any) -> tuple[str, ...]:
    """Put names in their order: of a list, of numbers with names, or of names with numbers."""
    if isinstance(found, (list, tuple)) and all(isinstance(name, str) for name in found):
        return tuple(found)
    if isinstance(found, Mapping):
        pairs = [(key, value) if _is_number(key) else (value, key) for key, value in found.items()]
        if all(_is_number(number) and isinstance(name, str) for number, name in pairs):
            numbered = {int(number): name for number, name in pairs}
            if sorted(numbered) == list(range(len(pairs))):
                return tuple(numbered[number] for number in range(len(pairs)))
    return ()


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and value.isascii() and value.isdigit())
