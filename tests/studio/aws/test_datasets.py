"""The service's API through boto3, over a running agent: datasets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_agent.studio.store.pictures import Filter
from edge_agent.studio.store.store import Store
from tests.studio.aws.place import Place, labelled, manifest, refused, settled


def test_a_dataset_comes_from_a_manifest_and_is_on_the_page(place: Place) -> None:
    lv, name = place.lv, "datasets"
    lv.create_project(ProjectName=name)
    lines = [labelled(f"parts/normal/good-{number}.png", "normal") for number in range(2)]
    mask = {
        "anomaly-mask-ref": "s3://line-1/parts/masks/bad-0.png",
        "anomaly-mask-ref-metadata": {
            "internal-color-map": {
                "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
                "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
            },
            "type": "groundtruth/semantic-segmentation",
            "human-annotated": "yes",
            "creation-date": "2021-11-23T20:31:57.758889",
            "job-name": "labeling-job/segmentation",
        },
    }
    lines += [
        labelled("parts/anomaly/bad-0.png", "anomaly", **mask),
        {"source-ref": "s3://line-1/parts/anomaly/bad-1.png"},
    ]
    made = lv.create_dataset(ProjectName=name, DatasetType="train", DatasetSource=manifest(place, "a.manifest", lines))
    assert made["DatasetMetadata"]["Status"] == "CREATE_IN_PROGRESS"
    found = settled(place, name, "train")
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_COMPLETE", "The dataset was successfully created.")
    assert found["ImageStats"] == {"Total": 4, "Labeled": 3, "Normal": 2, "Anomaly": 1}
    listed = lv.list_dataset_entries(ProjectName=name, DatasetType="train")["DatasetEntries"]
    assert [json.loads(line) for line in listed] == lines

    def count(**wanted: Any) -> int:
        return len(lv.list_dataset_entries(ProjectName=name, DatasetType="train", **wanted)["DatasetEntries"])

    assert count(Labeled=False) == 1
    assert count(AnomalyClass="normal") == 2
    assert count(SourceRefContains="anomaly/") == 2
    assert count(AfterCreationDate="2020-01-01T00:00:00Z", BeforeCreationDate="2020-01-02T00:00:00Z") == 0
    pages = lv.get_paginator("list_dataset_entries").paginate(
        ProjectName=name, DatasetType="train", PaginationConfig={"PageSize": 3}
    )
    assert [len(page["DatasetEntries"]) for page in pages] == [3, 1]

    store = Store(place.data)
    pictures = store.pictures.page(name, Filter(), 0, 10).pictures
    assert [(p.file, p.class_, p.marked) for p in pictures] == [
        ("bad-0.png", "anomaly", ["scratch"]), ("bad-1.png", None, []), ("good-0.png", "normal", []),
        ("good-1.png", "normal", []),
    ]  # fmt: skip
    store.pictures.say(name, [pictures[2].id], class_="anomaly", by="anna")  # on the page
    store.close()
    line = json.loads(lv.list_dataset_entries(ProjectName=name, DatasetType="train")["DatasetEntries"][0])
    assert (line["auto-label"], line["auto-label-metadata"]["class-name"]) == (1, "anomaly")

    changes = [labelled("parts/normal/good-0.png", "normal"), labelled("parts/anomaly/bad-2.png", "anomaly")]
    text = "\n".join(json.dumps(line) for line in changes)
    assert (
        lv.update_dataset_entries(ProjectName=name, DatasetType="train", Changes=text)["Status"] == "UPDATE_IN_PROGRESS"
    )
    found = settled(place, name, "train")
    assert (found["Status"], found["ImageStats"]["Normal"], found["ImageStats"]["Total"]) == ("UPDATE_COMPLETE", 2, 5)
    lv.update_dataset_entries(ProjectName=name, DatasetType="train", Changes=json.dumps(labelled("gone.png", "normal")))
    found = settled(place, name, "train")
    assert found["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"
    assert "gone.png" in found["StatusMessage"]
    assert found["ImageStats"]["Total"] == 5
    datasets = lv.describe_project(ProjectName=name)["ProjectDescription"]["Datasets"]
    assert [dataset["DatasetType"] for dataset in datasets] == ["train"]
    lv.delete_dataset(ProjectName=name, DatasetType="train")
    assert refused(lv.describe_dataset, ProjectName=name, DatasetType="train")["ResourceType"] == "DATASET"
    lv.delete_project(ProjectName=name)


@pytest.mark.long
def test_a_dataset_that_fails_says_whichline(place: Place) -> None:
    lv, name = place.lv, "failing"
    lv.create_project(ProjectName=name)
    lines = [
        labelled("parts/normal/good-0.png", "normal"),
        {"source-ref": "/etc/hostname"},
        labelled("gone.png", "normal"),
    ]
    lv.create_dataset(ProjectName=name, DatasetType="test", DatasetSource=manifest(place, "b.manifest", lines))
    found = settled(place, name, "test")
    assert found["Status"] == "CREATE_FAILED"
    assert "line 2: '/etc/hostname' is no address of an object" in found["StatusMessage"]
    assert "line 3: " in found["StatusMessage"]
    assert found["ImageStats"]["Total"] == 0
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": "nowhere", "Key": "a.manifest"}}}
    error = refused(lv.create_dataset, ProjectName=name, DatasetType="train", DatasetSource=source)
    assert "s3://nowhere/a.manifest can't be read" in error["Error"]["Message"]
    lv.create_dataset(ProjectName=name, DatasetType="train")
    assert settled(place, name, "train")["Status"] == "CREATE_COMPLETE"
    assert refused(lv.create_dataset, ProjectName=name, DatasetType="train")["Error"]["Code"] == "ConflictException"
    location = {"S3Location": {"Bucket": "line-1", "Prefix": ""}}
    error = refused(lv.create_model, ProjectName=name, OutputConfig=location)
    assert (error["Error"]["Code"], "no picture with a class" in error["Error"]["Message"]) == (
        "ValidationException",
        True,
    )
    lv.delete_dataset(ProjectName=name, DatasetType="train")
    lv.delete_dataset(ProjectName=name, DatasetType="test")
    lv.delete_project(ProjectName=name)
