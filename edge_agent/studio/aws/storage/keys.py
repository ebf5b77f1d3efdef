"""Keys of objects and the files that hold them.

A key is a file's path below the folder of its bucket, so that what a person copies into that folder is an object, and
the other way round. What a key may be and a path may not is escaped, never lost:

    a//b, /a, a/        an empty part is the name %_
    a/../b, a/./b       a part of dots, and a leading dot of the folder that is our own, is written with %2E
    a and a/b           where a folder is, the object of its name is the file %= in it
    control characters  %00 to %1F, %7F
    a part too long     is broken into folders, all but the last of which end in %-

A '%' is escaped only where it would be read as one of these: `50%.png` stays what it is.
"""

from __future__ import annotations

import re

#: the folder of a bucket in which what is no object stands: uploads that are under way, what was said of objects
OWN = ".edge-agent"
#: the name of the object in a folder that has the folder's name
ITSELF = "%="
_EMPTY, _CONTINUES = "%_", "%-"
#: bytes of a file's name on Linux, less what an escape and a temporary name add
_LONGEST_PART = 200
_CODE = re.compile("%(?:[01][0-9A-F]|7F|25|2E)")
_ESCAPED = re.compile("[\x00-\x1f\x7f]|%(?=[01][0-9A-F]|7F|25|2E)")


def path_of(key: str) -> str:
    """Give the path, below its bucket's folder, of the file that holds an object."""
    parts = key.split("/")
    return "/".join(_name_of(part, is_first=index == 0) for index, part in enumerate(parts))


def key_of(path: str) -> str:
    """Give the key of the object that a file is, by its path below its bucket's folder.

    A file whose name was not made here and looks like an escape has its path as its key.
    """
    key = _read(path)
    return key if path_of(key) == path.removesuffix("/" + ITSELF) else path


def _read(path: str) -> str:
    parts = path.split("/")
    if parts[-1] == ITSELF:
        parts.pop()
    key = ""
    for part in parts:
        if part.endswith(_CONTINUES):
            key += _part_of(part.removesuffix(_CONTINUES))
        else:
            key += _part_of(part) + "/"
    return key.removesuffix("/")


def is_own(path: str) -> bool:
    """Tell whether a path below a bucket's folder is one of ours, and no object."""
    return path == OWN or path.startswith(OWN + "/")


def _name_of(part: str, *, is_first: bool) -> str:
    if not part:
        return _EMPTY
    pieces = _pieces(_ESCAPED.sub(lambda found: f"%{ord(found.group()):02X}", part))
    last = pieces[-1]
    if last in (".", "..") or (is_first and last == OWN):
        last = "%2E" + last[1:]
    elif last in (_EMPTY, ITSELF) or last.endswith(_CONTINUES):
        last = last[:-2] + "%25" + last[-1]
    return "/".join([*(piece + _CONTINUES for piece in pieces[:-1]), last])


def _pieces(name: str) -> list[str]:
    """Break a name where it gets too long, never inside an escape."""
    pieces, size = [""], 0
    for atom in re.findall(f"{_CODE.pattern}|.", name, re.DOTALL):
        size += len(atom.encode())
        if size > _LONGEST_PART:
            pieces.append("")
            size = len(atom.encode())
        pieces[-1] += atom
    return pieces


def _part_of(name: str) -> str:
    if name == _EMPTY:
        return ""
    return _CODE.sub(lambda found: chr(int(found.group()[1:], 16)), name)
