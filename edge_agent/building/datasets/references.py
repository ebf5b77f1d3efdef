"""From the addresses in a manifest to files: local paths, s3:// under a local root, or fetched from S3."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from edge_agent.errors import DatasetError

_S3 = "s3://"
_SHOWN = 300  # characters of a reference in a message


class Resolver:
    """Finds the files that a manifest refers to.

    `s3://bucket/a/b/c.png` is looked for under each root as bucket/a/b/c.png, a/b/c.png, b/c.png and c.png, the longest
    first. With `fetch` what is missing is downloaded to the first root, as bucket/a/b/c.png.
    """

    def __init__(self, roots: list[Path], *, fetch: bool = False) -> None:
        self._roots = roots
        self._client: Any = _s3_client() if fetch else None

    def picture(self, reference: str) -> Path:
        """Find a picture.

        Raises:
            ValueError: it is nowhere; the text says where it was looked for.
        """
        path = self._find(reference)
        if path is None:
            raise ValueError(f"the picture {reference[:_SHOWN]} can't be found; {self.tried()}")
        return path

    def mask(self, reference: str) -> Path | None:
        """Find a mask, or None; ValueError when a folder on the way can't be looked at."""
        return self._find(reference)

    def tried(self) -> str:
        """Say where references were looked for, and what to do."""
        roots = ", ".join(str(root) for root in self._roots)
        return f"looked under {roots}; --images names the folder that holds the bucket's files"

    def _find(self, reference: str) -> Path | None:
        if not reference.startswith(_S3):
            path = Path(reference.removeprefix("file://"))
            candidates = [path] if path.is_absolute() else [root / path for root in self._roots]
            return next((candidate for candidate in candidates if _is_file(candidate)), None)
        parts = PurePosixPath(reference.removeprefix(_S3)).parts
        if ".." in parts:
            return None
        for first in range(len(parts)):
            for root in self._roots:
                candidate = root.joinpath(*parts[first:])
                if _is_file(candidate):
                    return candidate
        return self._fetch(parts) if self._client is not None and len(parts) > 1 else None

    def _fetch(self, parts: tuple[str, ...]) -> Path | None:
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
        raise ValueError(f"{str(path)[:_SHOWN]} can't be looked at: {error.strerror}") from None


def _s3_client() -> Any:
    try:
        import boto3
    except ImportError:
        raise DatasetError(
            "fetching from S3 needs the package 'boto3'; install edge-agent with its extra [s3]"
        ) from None
    return boto3.client("s3")
