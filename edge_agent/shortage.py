"""When the system has run out of something: no fault of the file, or of the client, in question."""

from __future__ import annotations

import errno
import resource

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_MANY = 1 << 16


def is_shortage(error: OSError) -> bool:
    """Tell whether the same may succeed a moment later, with nothing else changed."""
    return error.errno in _SHORTAGES


def allow_many_descriptors() -> None:
    """Take as many file descriptors as this process may have: each client, worker and large message needs one.

    The limit is low by default because select(2) knows no number above 1023 (systemd.exec(5), LimitNOFILE=).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(_MANY, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
