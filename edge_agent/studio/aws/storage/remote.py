"""A bucket of another S3, by boto3 (extra [s3])."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_agent.errors import ServiceRefused


class Remote:
    """One bucket at `https://HOST[:PORT][/BUCKET]`, or at `s3://BUCKET` (where AWS' own variables and files say).

    Keys and region are boto3's own business: AWS_ACCESS_KEY_ID, AWS_PROFILE, ~/.aws/credentials and so on.
    """

    def __init__(self, bucket: str, address: str) -> None:
        split = urlsplit(address)
        self._address = address
        if split.scheme == "s3":
            self._endpoint, self._bucket = None, split.netloc or bucket
        else:
            self._endpoint, self._bucket = f"{split.scheme}://{split.netloc}", split.path.strip("/") or bucket
        self._made: Any = None

    def read(self, key: str) -> bytes:
        """Read an object; ServiceRefused as `Buckets.read`."""
        with self._asking(key):
            content: bytes = self._client().get_object(Bucket=self._bucket, Key=key)["Body"].read()
            return content

    def fetch(self, key: str, folder: Path) -> Path:
        """Copy an object into a folder, unless it is there already; ServiceRefused as `Buckets.read`."""
        name = key.rpartition("/")[2][-100:] or "object"
        path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}-{name}"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with self._asking(key):
                self._client().download_file(self._bucket, key, str(path))
        return path

    def write(self, key: str, data: bytes, media_type: str) -> None:
        """Write an object; ServiceRefused as `Buckets.write`."""
        with self._asking(key):
            self._client().put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=media_type)

    def list(self, prefix: str) -> list[str]:
        """List keys; ServiceRefused as `Buckets.list`."""
        with self._asking(prefix):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def check(self) -> None:
        """See whether the bucket is there; ServiceRefused as `Buckets.check`."""
        with self._asking(""):
            self._client().head_bucket(Bucket=self._bucket)

    def close(self) -> None:
        """Close the connections to it."""
        if self._made is not None:
            self._made.close()

    @contextlib.contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        """Say what goes wrong at the other S3 in one sentence."""
        where = f"{f'object {key!r} of ' if key else ''}bucket {self._bucket!r} at {self._address}"
        try:
            yield
        except ServiceRefused:
            raise
        except Exception as error:
            if not type(error).__module__.startswith(("botocore", "boto3", "s3transfer")):
                raise
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            if code in ("NoSuchKey", "NoSuchBucket", "404"):
                code = "NoSuchBucket" if code == "NoSuchBucket" else "NoSuchKey"
                raise ServiceRefused(code, f"{where} is not there") from None
            raise ServiceRefused("AccessDenied", f"{where} can't be had: {error}") from None

    def _client(self) -> Any:
        if self._made is None:
            try:
                import boto3
                from botocore.config import Config
            except ImportError as error:
                raise ServiceRefused(
                    "NotImplemented",
                    f"bucket {self._bucket!r} is at {self._address}, for which the package '{error.name}' is needed; "
                    "install edge-agent with its extra [s3]",
                ) from None
            settings = Config(
                connect_timeout=5, read_timeout=30, retries={"max_attempts": 3},
                s3={"addressing_style": "path" if self._endpoint else "auto"},
            )  # fmt: skip
            self._made = boto3.client("s3", endpoint_url=self._endpoint, config=settings)
        return self._made
