"""Datasets in S3, played by moto: no real AWS can be reached from a test."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from edge_agent.errors import DatasetError, StudioError
from edge_agent.studio.jobs.fetching import fetch, is_in_s3
from edge_agent.studio.jobs.importing import import_dataset
from edge_agent.studio.store.store import Store
from tests.support.parts import write_folders


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="parts")
        dataset = write_folders(tmp_path / "dataset", normal=2, anomaly=1)
        lines = []
        for path in sorted(dataset.rglob("*.png")):
            key = f"flange/{path.relative_to(dataset).as_posix()}"
            client.upload_file(str(path), "parts", key)
            label = int(path.parent.name == "anomaly")
            lines.append(
                json.dumps(
                    {
                        "source-ref": f"s3://parts/{key}",
                        "anomaly-label": label,
                        "anomaly-label-metadata": {
                            "class-name": path.parent.name,
                            "type": "groundtruth/image-classification",
                        },
                    }
                )
            )
        client.put_object(Bucket="parts", Key="lists/train.manifest", Body="\n".join(lines).encode())
        yield client


@pytest.mark.parametrize("address", ["s3://parts/flange", "S3://parts/flange/", "s3://parts/lists/train.manifest"])
def test_a_folder_or_manifest_in_s3_is_taken_in(bucket: Any, tmp_path: Path, address: str) -> None:
    assert is_in_s3(address)
    store = Store(tmp_path / "data")
    store.projects.create("part")
    folder = tmp_path / "fetched"
    counts = import_dataset(store, "part", fetch(address, folder), folder, fetching=True)
    assert counts == {"added": 3, "duplicate": 0, "refused": 0}
    project = store.projects.get("part")
    assert (project.normal, project.anomaly) == (2, 1)
    store.close()


def test_what_is_not_in_s3_is_named(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="s3://parts/none holds nothing"):
        fetch("s3://parts/none", tmp_path / "fetched")
    with pytest.raises(DatasetError, match=r"s3://parts/none\.manifest can't be fetched"):
        fetch("s3://parts/none.manifest", tmp_path / "fetched")
    with pytest.raises(DatasetError, match="'s3://' is no address in S3"):
        fetch("s3://", tmp_path / "fetched")
    bucket.put_object(Bucket="parts", Key="bad/../../x.png", Body=b"x")
    with pytest.raises(DatasetError, match="can't be a file's path here"):
        fetch("s3://parts/bad", tmp_path / "fetched")
    assert not (tmp_path / "x.png").exists()


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StudioError, match=r"install edge-agent with its extra \[s3\]"):
        fetch("s3://parts/flange", tmp_path)
