"""What the system says when it has run out of something: no fault of the file, or of the client, in question."""

from __future__ import annotations

import errno

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def is_shortage(error: OSError) -> bool:
    """Tell whether the same may succeed a moment later, with nothing else changed."""
    return error.errno in _SHORTAGES
