"""From references to files: local paths, addresses of objects under a local root, or fetched from S3."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.building.datasets.references.address import Address, parse_address, plain_path
from edge_agent.building.datasets.references.nearly import Nearly
from edge_agent.building.datasets.references.s3 import require_boto3
from edge_agent.errors import DatasetError

_SHOWN = 300  # characters of a reference in a message


class Found(NamedTuple):
    """The file of a reference."""

    path: Path
    #: what the reference is, however it is written: two that differ are two pictures
    identity: tuple[str, ...]
    #: how many folders in front of it, bucket included, were not to be found here
    dropped: int = 0
    #: its name is only nearly the reference's
    nearly: bool = False


class Resolver:
    """Finds the files that a manifest refers to.

    `s3://bucket/a/b/c.png` is looked for under each root as bucket/a/b/c.png, a/b/c.png, b/c.png and c.png, the longest
    first, and so is the absolute path of another machine. With `fetch` what is missing is downloaded to the first
    root, as bucket/a/b/c.png.
    """

    def __init__(self, roots: list[Path], *, fetch: bool = False) -> None:
        self._roots = roots
        self._client: Any = require_boto3().client("s3") if fetch else None
        self._nearly = Nearly()

    def find(self, reference: str, *, but: Collection[Path] = ()) -> Found | None:
        """Find a file that is none of `but`, or None.

        Raises:
            ValueError: a folder on the way can't be looked at.
        """
        address = parse_address(reference)
        identity = (address.kind, *address.parts)
        if address.kind != "object":
            path = Path(plain_path(reference))
            candidates = [path] if path.is_absolute() else [root / path for root in self._roots]
            for candidate in candidates:
                if _is_file(candidate) and candidate not in but:
                    # However it is written, it is this file.
                    return Found(candidate, ("file", os.path.realpath(candidate)))
        if ".." in address.parts or not address.parts:
            return None
        longest = len(address.parts) if address.kind != "relative" else 1
        for dropped in range(longest):
            for path, nearly in self._candidates(address.parts[dropped:]):
                if path not in but:
                    return Found(path, identity, dropped, nearly)
        fetched = self._fetch(address)
        return Found(fetched, identity) if fetched else None

    def tried(self) -> str:
        """Say where references were looked for."""
        return ", ".join(str(root) for root in self._roots)

    def _candidates(self, parts: tuple[str, ...]) -> list[tuple[Path, bool]]:
        found = [(root.joinpath(*parts), False) for root in self._roots]
        found = [(path, nearly) for path, nearly in found if _is_file(path)]
        if not found:
            almost = [self._nearly.find(root, parts) for root in self._roots]
            found = [(path, True) for path in almost if path]
        return found

    def _fetch(self, address: Address) -> Path | None:
        parts = address.parts
        if self._client is None or address.kind != "object" or len(parts) < 2:
            return None
        target = self._roots[0].joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.fetching")
        try:
            self._client.download_file(parts[0], "/".join(parts[1:]), str(temporary))
        except Exception as error:  # botocore's exceptions are made at run time
            temporary.unlink(missing_ok=True)
            if getattr(error, "response", {}).get("Error", {}).get("Code") in ("404", "NoSuchKey"):
                return None
            raise DatasetError(f"s3://{'/'.join(parts)} can't be fetched: {error}") from None
        temporary.replace(target)
        return target


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ValueError(f"{str(path)[:_SHOWN]} can't be looked at: {describe_refusal(error, path)}") from None
