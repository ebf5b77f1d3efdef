"""What systems and programs leave beside pictures, and what is hidden: it is no data."""

from __future__ import annotations

import re

_SYSTEMS = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "$recycle.bin",
    "system volume information",
}
# In a manifest a name with a dot may be meant; these never are.
_COPIES = re.compile(r"(^|[/\\])(\.ipynb_checkpoints|__MACOSX)[/\\]|(^|[/\\])\._[^/\\]*$")


def is_litter(name: str) -> bool:
    """Tell whether a file or folder of this name, below the root of a dataset, is to be skipped."""
    return name.startswith(".") or name.lower() in _SYSTEMS


def names_litter(reference: str) -> bool:
    """Tell whether an address in a manifest is that of a copy that a program made."""
    return _COPIES.search(reference) is not None
