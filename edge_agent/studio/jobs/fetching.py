"""Pictures in S3, or in a store that speaks its protocol: copied to this machine before they are taken in.

Credentials, region and an endpoint of one's own are those of boto3: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edge_agent.building.datasets.references.address import parse_address
from edge_agent.building.datasets.references.s3 import require_boto3
from edge_agent.errors import DatasetError, StudioError

_SCHEME = "s3://"
_LISTS = (".manifest", ".jsonl", ".json", ".csv", ".tsv", ".tab")


def is_in_s3(path: str) -> bool:
    """Tell whether a dataset is in S3."""
    return path.lower().startswith(_SCHEME)


def fetch(address: str, folder: Path) -> Path:
    """Copy what an address names to a folder, and return the dataset: a manifest or table, or a folder of pictures.

    Raises:
        StudioError: boto3 is not installed.
        DatasetError: nothing is there, or it can't be fetched.
    """
    bucket, *keys = parse_address(address).parts or ("",)
    if not bucket or ".." in keys:
        raise DatasetError(f"'{address[:300]}' is no address in S3, expected one such as s3://bucket/folder")
    boto3 = require_boto3(StudioError)
    from botocore.exceptions import BotoCoreError, ClientError

    key = "/".join(keys)
    try:
        client = boto3.client("s3")
        if key.lower().endswith(_LISTS):
            return _one(client, bucket, key, folder)
        return _all(client, bucket, f"{key}/" if key else "", folder, address)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise DatasetError(f"{address[:300]} can't be fetched: {error}") from None


def _one(client: Any, bucket: str, key: str, folder: Path) -> Path:
    target = folder / key.rpartition("/")[2]
    target.parent.mkdir(parents=True, exist_ok=True)
    client.download_file(bucket, key, str(target))
    return target


def _all(client: Any, bucket: str, prefix: str, folder: Path, address: str) -> Path:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ()) if not entry["Key"].endswith("/")]
    if not keys:
        raise DatasetError(f"{address[:300]} holds nothing")
    for number, key in enumerate(keys, start=1):
        parts = key.removeprefix(prefix).split("/")
        if {"", ".", ".."} & set(parts):
            raise DatasetError(f"the key {key[:300]!r} can't be a file's path here")
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(target))
        print(json.dumps({"progress": "fetching", "done": number, "total": len(keys)}), file=sys.stderr)  # noqa: T201
    return folder
