"""What is looked at in an `[[event]]` table: each raises ValueError with a sentence that names key and value."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from edge_agent.access.rights import describe_refusal

#: of a topic, in bytes: MQTT 5.0, 1.5.4
_LONGEST_TOPIC = 65_535
_NAME = "[A-Za-z0-9_-]{1,64}"


def check_topic(key: str, text: str, allowed: Sequence[str]) -> None:
    """Look at something with names in braces to be filled in, which goes into a message of MQTT."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:  # an open brace
        parts = [("", "{", "", "")]
    odd = any(name is not None and (name not in allowed or form or turned) for _, name, form, turned in parts)
    if odd or not text or re.search("[+#\0-\x1f\x7f]", text) or len(text.encode()) > _LONGEST_TOPIC:
        filled_in = ", ".join(f"{{{name}}}" for name in allowed)
        raise ValueError(
            f"{key} {_short(text)} is not one, expected no +, no # and no control character, at most {_LONGEST_TOPIC} "
            f"bytes, and only {filled_in} to fill in"
        )


def check_host(host: str) -> None:
    """Look at the name or address of a broker."""
    if not re.fullmatch(r"[^\s/:@]+|[0-9A-Fa-f:.]+(%\w+)?", host) or not _can_be_asked_for(host):
        raise ValueError(f"host {_short(host)} is not one, expected a name or an address alone; a port is the key port")


def _can_be_asked_for(host: str) -> bool:
    """Tell whether a name server can be asked for a name: its parts have 1 to 63 letters."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def check_url(url: str) -> None:
    """Look at where a webhook is."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and _can_be_asked_for(parts.hostname or "") and parts.port != 0
    except ValueError:  # its port, or an address in brackets
        fits = False
    if not fits or not re.fullmatch("[!-~]+", url):
        raise ValueError(f"url {_short(url)} is not one such as https://mes.example/verdicts")
    if "@" in parts.netloc:
        raise ValueError("url names a user, which a webhook does not send; expected secret_file, for a signature")


def check_absolute(path: str, key: str = "path") -> None:
    """Look at a path that is opened later."""
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{key} {_short(path)} does not begin with /")
    if key == "path" and Path(path).is_dir():
        raise ValueError(f"path '{path}' is a folder, expected the name of a file in it")


def check_secrets(**files: str) -> None:
    """Look at files whose content is a key or a password, by key of the table; "" stands for none."""
    for key, path in files.items():
        if path and not _content(path).strip():
            raise ValueError(f"{key} '{path}' is empty")


def check_pem(**files: str) -> None:
    """Look at files with certificates and keys, by key of the table; "" stands for none."""
    for key, path in files.items():
        if path and b"-----BEGIN" not in _content(path):
            raise ValueError(f"{key} '{path}' is not in the PEM format, expected lines that begin with -----BEGIN")


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(1 << 20)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {describe_refusal(error)}") from None


def wrong_key(table: Mapping[str, Any], kind: type[msgspec.Struct]) -> str:
    """Say which key a table has that there is not, lacks, or gives a word that is none of those; "" when none is so."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for key in table.keys() - fields.keys() - {kind.__struct_config__.tag_field}:
        near = difflib.get_close_matches(key, fields, 1)
        return f"'{key}' is not a key of it" + (
            f"; did you mean '{near[0]}'?" if near else f", expected one of {', '.join(fields)}"
        )
    if isinstance(name := table.get("name", "-"), str) and not re.fullmatch(_NAME, name):
        return f"name is {name!r}, expected 1 to 64 letters, digits, - and _"
    for name, field in fields.items():
        if field.required and name not in table:
            return f"key '{name}' is missing"
    for name, hint in get_type_hints(kind).items():
        words = get_args(hint) if get_origin(hint) is Literal else ()
        if words and name in table and table[name] not in words:
            expected = ", ".join(f'"{word}"' for word in words)
            return f"{name} is {table[name]!r}, expected one of {expected}"
    return ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")
