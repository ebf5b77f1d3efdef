"""Where things lie in the studio's data folder. Files are the truth; studio.db is an index that can be made anew.

projects/NAME/project.json       description and labels with their colours
projects/NAME/pictures/FILE      the pictures, named as they came
projects/NAME/masks/FILE.png     masks: indexed PNG of the picture's size, 0 is the background
projects/NAME/train.manifest     the labelled pictures to train with, as `edge-agent train` takes them
projects/NAME/test.manifest      those that are set apart
projects/NAME/thumbnails/        small copies, made again when they are missing
projects/NAME/proposals/         masks that a model has made of unlabelled pictures
models/NAME/VERSION/             what was built of a project
jobs/NUMBER/                     what a job was told, said and left
lines/NAME.toml                  lines, unless their files are in another folder
line-runs/NAME/                  who keeps a line running that the studio has started, and what it said
server.lock                      whose process serves the folder

NAME is the project's own; of one that is longer than a component's may be, its beginning and a digest (`shortened`).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from edge_agent.errors import StudioError

PICTURES, MASKS, THUMBNAILS, PROPOSALS = "pictures", "masks", "thumbnails", "proposals"
TRAIN, TEST = "train", "test"

#: the cloud service let names have so many characters; Greengrass lets those of components have fewer
LONGEST_PROJECT, LONGEST_COMPONENT = 255, 128
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST = 16

#: what can't be part of a file's name here, or would hide the file
_LONGEST_NAME = 180


class Layout(NamedTuple):
    """The data folder."""

    root: Path

    @property
    def database(self) -> Path:
        """The index."""
        return self.root / "studio.db"

    @property
    def models(self) -> Path:
        """The folder of models, which an agent can serve."""
        return self.root / "models"

    @property
    def jobs(self) -> Path:
        """The folder of jobs."""
        return self.root / "jobs"

    @property
    def runs(self) -> Path:
        """The folder of lines that are to run."""
        return self.root / "line-runs"

    @property
    def projects(self) -> Path:
        """The folder of projects."""
        return self.root / "projects"

    def project(self, name: str) -> Path:
        """Give a project's folder, which may be there or not.

        Raises:
            StudioError: that can't be the name of a project.
        """
        if len(name) > LONGEST_PROJECT or _PROJECT.fullmatch(name) is None:
            raise StudioError(
                f"{name[:140]!r} can't be the name of a project, expected 1 to {LONGEST_PROJECT} letters, digits, '.', "
                "'_' or '-', the first a letter or a digit"
            )
        return self.projects / shortened(name)


def shortened(name: str, most: int = LONGEST_COMPONENT) -> str:
    """Give a name that has `most` characters at most: the same, or its beginning and a digest of all of it."""
    if len(name) <= most:
        return name
    return f"{name[: most - _DIGEST - 1]}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]}"


def safe_file_name(name: str) -> str:
    """Make the name of a file that somebody sends fit to be one here: its last part, without what could lead away.

    Raises:
        StudioError: nothing of it is left.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter if letter.isprintable() and letter not in '<>:"|?*' else "_" for letter in last).strip()
    kept = kept.lstrip(".")
    if not kept:
        raise StudioError(f"{name[:100]!r} is no name of a picture, expected one such as part-1.png")
    stem, dot, suffix = kept.rpartition(".")
    while len(kept.encode()) > _LONGEST_NAME:
        stem = stem[:-1]
        kept = stem + dot + suffix
    return kept
