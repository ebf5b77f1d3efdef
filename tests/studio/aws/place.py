"""A place with the service's API over a running agent, and what tests ask of it."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Cloud
from tests.support.daemon import PATIENCE, Daemon, wait_until

LINE = {"confidence": 1, "type": "groundtruth/image-classification", "human-annotated": "yes", "job-name": "job"}


class Place(NamedTuple):
    cloud: Cloud
    agent: Daemon
    data: Path
    pictures: Path
    lv: Any


def refused(call: Any, **values: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**values)
    response: dict[str, Any] = caught.value.response
    return response


def labelled(key: str, class_: str, **more: Any) -> dict[str, Any]:
    # The number is the wrong way round, as PyPI's lookoutvision writes it: the name counts.
    label = {"auto-label": int(class_ == "normal"), "auto-label-metadata": {**LINE, "class-name": class_}}
    return {"source-ref": f"s3://line-1/{key}", **label, **more}


def manifest(place: Place, name: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    (place.pictures.parent / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"GroundTruthManifest": {"S3Object": {"Bucket": "line-1", "Key": name}}}


def settled(place: Place, project: str, type_: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def settled() -> bool:
        found.update(place.lv.describe_dataset(ProjectName=project, DatasetType=type_)["DatasetDescription"])
        return not found["Status"].endswith("IN_PROGRESS")

    wait_until(settled, "the dataset is settled")
    return found


def raw(place: Place, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", place.cloud.port, timeout=PATIENCE)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, content
