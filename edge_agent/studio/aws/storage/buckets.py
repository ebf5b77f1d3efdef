"""Buckets: folders that are named in the configuration, those that were made here, and those of another S3."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.described import Description
from edge_agent.studio.aws.storage.names import may_be, may_be_made
from edge_agent.studio.aws.storage.objects import Objects
from edge_agent.studio.aws.storage.remote import Remote


class Buckets:
    """What a bucket's name stands for.

    `configured` is the table [buckets] of the configuration: a bucket's name, and a folder or the address of another S3
    (`https://HOST[:PORT][/BUCKET]`). Other names are folders below `made`.
    """

    def __init__(self, made: Path, configured: Mapping[str, str]) -> None:
        self._made = made
        self._configured = dict(configured)
        self._known: dict[str, Objects] = {}
        self._remotes: dict[str, Remote] = {}

    def names(self) -> list[tuple[str, float]]:
        """List the buckets that are folders, and when each was made (seconds since 1970)."""
        found = {}
        for name, place in self._configured.items():
            if not _is_address(place) and Path(place).is_dir():
                found[name] = Path(place).stat().st_ctime
        if self._made.is_dir():
            for folder in self._made.iterdir():
                if folder.is_dir() and may_be(folder.name):
                    found.setdefault(folder.name, folder.stat().st_ctime)
        return sorted(found.items())

    def objects(self, bucket: str) -> Objects:
        """Give the objects of a bucket that is a folder.

        Raises:
            ServiceRefused: NoSuchBucket: there is none of that name.
        """
        place = self._configured.get(bucket)
        if place is not None and _is_address(place):
            raise ServiceRefused("NoSuchBucket", f"bucket {bucket!r} is at {place}, ask there")
        folder = Path(place) if place is not None else self._made / bucket
        if not may_be(bucket) or not folder.is_dir():
            where = f"; its folder {folder} of the configuration is not there" if place is not None else ""
            raise ServiceRefused("NoSuchBucket", f"there is no bucket {bucket[:80]!r}{where}")
        if bucket not in self._known or self._known[bucket].folder != folder:
            self._known[bucket] = Objects(bucket, folder)
        return self._known[bucket]

    def make(self, bucket: str) -> None:
        """Make a bucket.

        Raises:
            ServiceRefused: its name can't be one, or there is one of that name.
        """
        if bucket in self._configured or (may_be(bucket) and (self._made / bucket).is_dir()):
            raise ServiceRefused("BucketAlreadyOwnedByYou", f"there is a bucket {bucket!r} already")
        if not may_be_made(bucket):
            raise ServiceRefused(
                "InvalidBucketName",
                f"{bucket[:80]!r} can't be a bucket's name, expected 3 to 63 lowercase letters, digits, '-' or '.'",
            )
        (self._made / bucket).mkdir(parents=True)

    def remove(self, bucket: str) -> None:
        """Remove an empty bucket that was made here.

        Raises:
            ServiceRefused: there is none, it is not empty, or the configuration names it.
        """
        objects = self.objects(bucket)
        if bucket in self._configured:
            raise ServiceRefused("AccessDenied", f"bucket {bucket!r} is a folder of the configuration, and stays")
        if not objects.is_empty():
            raise ServiceRefused("BucketNotEmpty", f"bucket {bucket!r} is not empty")
        self._known.pop(bucket, None)
        shutil.rmtree(objects.folder)

    # What the service's API asks, of any bucket.

    def read(self, bucket: str, key: str) -> bytes:
        """Read an object.

        Raises:
            ServiceRefused: there is no such bucket or object, or the other S3 does not give it.
        """
        remote = self._remote(bucket)
        return remote.read(key) if remote else self._file(bucket, key).read_bytes()

    def open(self, bucket: str, key: str, folder: Path) -> Path:
        """Give a file with an object's content: its own, or a copy in `folder` of one in another S3.

        Raises:
            ServiceRefused: as `read`.
        """
        remote = self._remote(bucket)
        return remote.fetch(key, folder) if remote else self._file(bucket, key)

    def write(self, bucket: str, key: str, data: bytes, media_type: str = "application/json") -> None:
        """Write an object.

        Raises:
            ServiceRefused: there is no such bucket, or it can't be written.
        """
        remote = self._remote(bucket)
        if remote:
            remote.write(key, data, media_type)
            return
        objects = self.objects(bucket)
        try:
            with objects.receiving() as received:
                received.write_bytes(data)
                objects.put(key, received, Description(media_type, {}))
        except OSError as error:
            text = f"object {key!r} can't be written to {objects.folder}: {describe_refusal(error)}"
            raise ServiceRefused("AccessDenied", text) from None

    def list(self, bucket: str, prefix: str) -> list[str]:
        """List the keys that begin with a prefix.

        Raises:
            ServiceRefused: there is no such bucket, or the other S3 does not give it.
        """
        remote = self._remote(bucket)
        return remote.list(prefix) if remote else [found.key for found in self.objects(bucket).keys(prefix)]

    def check(self, bucket: str) -> None:
        """Raise ServiceRefused where there is no such bucket, or the other S3 does not say so."""
        remote = self._remote(bucket)
        if remote:
            remote.check()
        else:
            self.objects(bucket)

    def close(self) -> None:
        """Close what is open to other storages."""
        for remote in self._remotes.values():
            remote.close()

    def _file(self, bucket: str, key: str) -> Path:
        path = self.objects(bucket).find(key).path
        if not os.access(path, os.R_OK):
            raise ServiceRefused("AccessDenied", f"object {key!r} of bucket {bucket!r}, {path}, can't be read here")
        return path

    def _remote(self, bucket: str) -> Remote | None:
        place = self._configured.get(bucket, "")
        if not _is_address(place):
            return None
        if bucket not in self._remotes:
            self._remotes[bucket] = Remote(bucket, place)
        return self._remotes[bucket]


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://", "s3://"))
