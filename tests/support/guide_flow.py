"""The guide's flow in Python, typed anew: run by a Python of its own with boto3 and Pillow, as users' scripts are.

`guide_flow.py PARTS VERDICT.json`: PARTS has pictures of `train` and `test` in folders normal, anomaly and masks. It
makes a project with masks, trains, hosts, asks, decides in three ways, draws, exports and removes, and prints RESULT.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from PIL import Image

logger = logging.getLogger(__name__)
PROJECT, BUCKET = "plates-with-masks", "guide-bucket"
COLORS = {"0": ("BACKGROUND", "#ffffff"), "1": ("scratch", "#2ca02c"), "2": ("dent", "#1f77b4")}


def line_of(kind: str, path: Path) -> dict[str, Any]:
    """Write the line of a picture, with the mask of an anomalous one."""
    about = {"confidence": 1, "job-name": "labeling-job/auto-label", "class-name": path.parent.name,
             "human-annotated": "yes", "creation-date": "2020-11-10T03:37:09.600",
             "type": "groundtruth/image-classification"}  # fmt: skip
    label = 1 if path.parent.name == "anomaly" else 0
    line: dict[str, Any] = {
        "source-ref": f"s3://{BUCKET}/{kind}/{path.parent.name}/{path.name}",
        "anomaly-label": label,
        "anomaly-label-metadata": about,
    }
    if label:
        colors = {
            key: {"class-name": name, "hex-color": color, "confidence": 0.0} for key, (name, color) in COLORS.items()
        }
        line["anomaly-mask-ref"] = f"s3://{BUCKET}/{kind}/masks/{path.name}"
        line["anomaly-mask-ref-metadata"] = {
            "internal-color-map": colors, "type": "groundtruth/semantic-segmentation", "human-annotated": "yes",
            "creation-date": "2021-11-23T20:31:57.758889", "job-name": "labeling-job/segmentation-job",
        }  # fmt: skip
    return line


def upload(s3: Any, parts: Path) -> None:
    """Put pictures, masks and manifests into a bucket that is made for them."""
    bucket = s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.client.meta.region_name}
    )
    bucket.wait_until_exists()
    for kind in ("train", "test"):
        lines = []
        for folder in ("normal", "anomaly", "masks"):
            for path in sorted((parts / kind / folder).glob("*.png")):
                bucket.upload_file(str(path), f"{kind}/{folder}/{path.name}")
                if folder != "masks":
                    lines.append(line_of(kind, path))
        content = "\n".join(json.dumps(line) for line in lines)
        made = bucket.Object(f"manifests/{kind}.manifest")
        made.put(Body=content.encode(), ServerSideEncryption="AES256")
        made.wait_until_exists()


def create_dataset(client: Any, kind: str) -> None:
    """Make a dataset, and wait as the guide does."""
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": f"manifests/{kind}.manifest"}}}
    made = client.create_dataset(ProjectName=PROJECT, DatasetType=kind, DatasetSource=source)
    assert made["DatasetMetadata"]["Status"] == "CREATE_IN_PROGRESS"
    wait_for_dataset(client, kind, "CREATE")


def wait_for_dataset(client: Any, kind: str, change: str) -> None:
    while True:
        found = client.describe_dataset(ProjectName=PROJECT, DatasetType=kind)["DatasetDescription"]
        if found["Status"] == f"{change}_COMPLETE":
            return
        if found["Status"] not in (f"{change}_IN_PROGRESS", "UPDATE_FAILED_ROLLBACK_IN_PROGRESS"):
            raise RuntimeError(f"{found['Status']}: {found['StatusMessage']}")
        time.sleep(5)


def wait_for_model(client: Any, passing: str, seconds: float) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = client.describe_model(ProjectName=PROJECT, ModelVersion="1")["ModelDescription"]
        if found["Status"] != passing:
            return found
        time.sleep(seconds)


def decide(found: dict[str, Any]) -> list[bool]:
    """Reject a part by its class, by the area of one kind of anomaly, by how many kinds there are."""
    sure = found["IsAnomalous"] and found["Confidence"] >= 0.5
    areas = {one["Name"]: one["PixelAnomaly"]["TotalPercentageArea"] for one in found["Anomalies"]}
    kinds = {one["Name"] for one in found["Anomalies"] if one["Name"] != "background"}
    return [sure, sure and max(areas.get("scratch", 0), areas.get("dent", 0)) > 0.001, sure and len(kinds) > 5]


def ask(client: Any, photo: Path) -> tuple[dict[str, Any], Image.Image]:
    """Inspect a picture, and lay the mask over it."""
    image = Image.open(photo)
    content = io.BytesIO()
    image.save(content, format=image.format)
    answer = client.detect_anomalies(
        ProjectName=PROJECT, ContentType=Image.MIME[str(image.format)], Body=content.getvalue(), ModelVersion="1"
    )
    found: dict[str, Any] = answer["DetectAnomalyResult"]
    mask = Image.open(io.BytesIO(found["AnomalyMask"]))
    return found, Image.blend(image, mask, 0.5)


def export(client: Any, s3: Any, destination: str) -> int:
    """Copy the datasets to another place, with manifests that name it."""
    count = 0
    for dataset in client.describe_project(ProjectName=PROJECT)["ProjectDescription"]["Datasets"]:
        kind = dataset["DatasetType"]
        assert dataset["Status"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), dataset
        pages = client.get_paginator("list_dataset_entries").paginate(
            ProjectName=PROJECT, DatasetType=kind, PaginationConfig={"PageSize": 100}
        )
        lines = []
        for entry in [entry for page in pages for entry in page["DatasetEntries"]]:
            line = json.loads(entry)
            for key in ("source-ref", "anomaly-mask-ref"):
                if key in line:
                    bucket, name = line[key].removeprefix("s3://").split("/", 1)
                    made = s3.Bucket(BUCKET).Object(f"{destination}{kind}/{name}")
                    made.copy_from(CopySource={"Bucket": bucket, "Key": name})
                    made.wait_until_exists()
                    line[key] = f"s3://{BUCKET}/{destination}{kind}/{name}"
                    count += 1
            lines.append(json.dumps(line))
        s3.Bucket(BUCKET).Object(f"{destination}{kind}.manifest").put(Body="\n".join(lines).encode())
    return count


def remove(client: Any) -> None:
    """Stop the model, and remove all that was made."""
    assert client.stop_model(ProjectName=PROJECT, ModelVersion="1")["Status"] == "STOPPING_HOSTING"
    assert wait_for_model(client, "STOPPING_HOSTING", 10)["Status"] == "TRAINED"
    client.delete_model(ProjectName=PROJECT, ModelVersion="1")
    while client.list_models(ProjectName=PROJECT)["Models"]:
        time.sleep(10)
    for kind in ("train", "test"):
        client.delete_dataset(ProjectName=PROJECT, DatasetType=kind)
    client.delete_project(ProjectName=PROJECT)
    try:
        client.describe_project(ProjectName=PROJECT)
    except client.exceptions.ResourceNotFoundException as error:
        assert "ResourceNotFoundException" in str(error)


def main() -> None:
    """Go through it."""
    parts, verdict = Path(sys.argv[1]), Path(sys.argv[2])
    session = boto3.Session(profile_name="lookoutvision-access")
    client, s3 = session.client("lookoutvision"), session.resource("s3")
    upload(s3, parts)
    made = client.create_project(ProjectName=PROJECT)["ProjectMetadata"]
    assert made["ProjectArn"].endswith(f":project/{PROJECT}")
    for kind in ("train", "test"):
        create_dataset(client, kind)
    with (parts / "updates.manifest").open() as file:  # a line again, as text
        client.update_dataset_entries(ProjectName=PROJECT, DatasetType="train", Changes=file.read())
    wait_for_dataset(client, "train", "UPDATE")
    stats = client.describe_dataset(ProjectName=PROJECT, DatasetType="train")["DatasetDescription"]["ImageStats"]
    training = client.create_model(
        ProjectName=PROJECT, Description="from-the-guide", Tags=[{"Key": "line", "Value": "1"}],
        OutputConfig={"S3Location": {"Bucket": BUCKET, "Prefix": "results/"}},
    )  # fmt: skip
    assert training["ModelMetadata"]["Status"] == "TRAINING", training
    trained = wait_for_model(client, "TRAINING", 600)
    assert trained["Status"] == "TRAINED", trained
    figures = {name: trained["Performance"][name] for name in ("Recall", "Precision", "F1Score")}
    assert trained["EvaluationEndTimestamp"].year > 2020
    assert trained["OutputConfig"]["S3Location"]["Prefix"] == "results/"
    for page in client.get_paginator("list_projects").paginate():
        for project in page["Projects"]:
            for model in client.list_models(ProjectName=project["ProjectName"])["Models"]:
                logger.info("%s %s", model["ModelVersion"], model["Performance"])
    for name in ("EvaluationResult", "EvaluationManifest"):
        place = trained[name]
        assert s3.Object(place["Bucket"], place["Key"]).get()["Body"].read()
    client.start_model(ProjectName=PROJECT, ModelVersion="1", MinInferenceUnits=1)
    assert wait_for_model(client, "STARTING_HOSTING", 10)["Status"] == "HOSTED"
    answers = {}
    for photo in sorted((parts / "test").glob("[na]*/*.png")):
        found, drawn = ask(client, photo)
        assert drawn.mode == "RGB"
        mask = found.pop("AnomalyMask")
        (verdict.parent / f"{photo.parent.name}-{photo.stem}-mask.png").write_bytes(mask)
        answers[f"{photo.parent.name}/{photo.name}"] = {**found, "decided": decide(found)}
    verdict.write_text(json.dumps(answers))
    # The agent is compared now, by who started this.
    print("HOSTED", flush=True)  # noqa: T201
    assert sys.stdin.readline() == "compared\n"
    exported = export(client, s3, "exported/")
    remove(client)
    print("RESULT " + json.dumps({"stats": stats, "figures": figures, "exported": exported}))  # noqa: T201


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        sys.exit(f"A service error occurred: {error.response['Error']['Message']}")
