"""What an operator has to know when a file may not be opened: whose it is, and who may do what with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge_agent.access.names import describe_group, describe_user

#: of most refusals of rights
REMEDY = "change its owner, group or mode, or run this as another user"


def describe_rights(status: os.stat_result) -> str:
    """Say whose a file is and who may do what with it: "belongs to … and …, with mode 0640"."""
    return (
        f"belongs to {describe_user(status.st_uid)} and {describe_group(status.st_gid)}, "
        f"with mode {stat.S_IMODE(status.st_mode):04o}"
    )


def describe_refusal(error: OSError, path: Path | None = None) -> str:
    """Give an error's words; where a right is lacking also the file or the folder above it, this user, and what to do.

    `path` is the file, where the error does not say which.
    """
    words = error.strerror or str(error)
    named = error.filename2 or error.filename  # of a link, and of what is renamed, the new name is the second
    file = path or (Path(os.fsdecode(named)) if isinstance(named, str | bytes | os.PathLike) else None)
    if not isinstance(error, PermissionError) or file is None:
        return words
    user = describe_user(os.geteuid())
    # Links may lead through folders that are closed: an interpreter in somebody's home, say.
    for way in (file.absolute(), Path(os.path.realpath(file))):
        for place in (*reversed(way.parents), way):
            try:
                status = place.stat()
            except FileNotFoundError:
                folder = place.parent
                if os.access(folder, os.W_OK):
                    break
                # It can't be made there.
                return f"{words} for {user}: {folder} {describe_rights(folder.stat())}; {REMEDY}"
            except OSError:
                break
            if place == way or not os.access(place, os.X_OK):
                return f"{words} for {user}: {place} {describe_rights(status)}; {REMEDY}"
    return f"{words} for {user}"
