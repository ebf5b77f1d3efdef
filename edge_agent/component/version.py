"""Names and versions of model components.

Names follow AWS IoT Greengrass component names; versions follow Semantic Versioning 2.0.0, https://semver.org.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(  # the expression that semver.org suggests
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)

#: sorts as semantic versioning orders versions
VersionKey = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def is_name(name: str) -> bool:
    """Tell whether `name` may name a model component."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise ValueError, with what is expected, unless `name` may name a model component."""
    if not name:
        raise ValueError("the model component's name is empty, expected a name such as 'cookies'")
    if not is_name(name):
        raise ValueError(
            f"{name[:140]!r} can't be the name of a model component, expected 1 to 128 letters, digits, '.', '_' or "
            "'-', the first a letter or a digit"
        )


def parse_version(version: str) -> VersionKey:
    """Return a key that orders versions by precedence (semver 11); build metadata does not count.

    Raises:
        ValueError: `version` is not a semantic version.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version[:140]!r} is not a semantic version, expected one such as 1.0.0")
    major, minor, patch, pre = match.groups()
    identifiers = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (pre.split(".") if pre else ())
    )
    # A pre-release comes before its release; numeric identifiers come before alphanumeric ones.
    return int(major), int(minor), int(patch), pre is None, identifiers
