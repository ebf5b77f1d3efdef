"""The service's API through boto3, over a running agent: everything but training, which test_clients.py has."""

from __future__ import annotations

import http.client
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image

import edge_agent
from edge_agent.serving.auditing.reading import read_entries
from edge_agent.studio.aws.keys import AccessKeys
from edge_agent.studio.store.layout import shortened
from edge_agent.studio.store.pictures import Filter
from edge_agent.studio.store.store import Store
from tests.support.cloud import Cloud, running_cloud
from tests.support.daemon import PATIENCE, Daemon, running_daemon, wait_until
from tests.support.encoded import encoded, kinds_of
from tests.support.fakes import write_echo
from tests.support.parts import draw_part, write_folders
from tests.support.sweep import cases

LINE = {"confidence": 1, "type": "groundtruth/image-classification", "human-annotated": "yes", "job-name": "job"}
#: nobody looks at it as long as there is no key
ANYBODY = "AWS4-HMAC-SHA256 Credential=a/20240101/r/lookoutvision/aws4_request, SignedHeaders=host, Signature=a"
#: of a request whose fields are all of their shapes
LOOKED_INTO = ("is not a PNG", "content-type must be one of", "is none that was given here")
ERRORS_FOUND = re.compile(r"\d+ validation errors? detected: ")


class Place(NamedTuple):
    cloud: Cloud
    agent: Daemon
    data: Path
    pictures: Path
    lv: Any


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("cloud")
    data = root / "studio"
    pictures = write_folders(root / "bucket" / "parts", normal=3, anomaly=3, masks=True)
    write_echo(data / "models", "plates", 128, 96)
    (root / "config.toml").write_text(f'[buckets]\nline-1 = "{root}/bucket"\n')
    (root / "agent").mkdir()
    with (
        running_daemon(root / "agent", models=data / "deployed") as agent,
        running_cloud(data, "--config", str(root / "config.toml"), agent=agent.socket) as cloud,
    ):
        yield Place(cloud, agent, data, pictures, cloud.client())


def _refused(call: Any, **values: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**values)
    response: dict[str, Any] = caught.value.response
    return response


def _line(key: str, class_: str, **more: Any) -> dict[str, Any]:
    # The number is the wrong way round, as PyPI's lookoutvision writes it: the name counts.
    label = {"auto-label": int(class_ == "normal"), "auto-label-metadata": {**LINE, "class-name": class_}}
    return {"source-ref": f"s3://line-1/{key}", **label, **more}


def _manifest(place: Place, name: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    (place.pictures.parent / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"GroundTruthManifest": {"S3Object": {"Bucket": "line-1", "Key": name}}}


def _settled(place: Place, project: str, type_: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def settled() -> bool:
        found.update(place.lv.describe_dataset(ProjectName=project, DatasetType=type_)["DatasetDescription"])
        return not found["Status"].endswith("IN_PROGRESS")

    wait_until(settled, "the dataset is settled")
    return found


def test_projects_are_made_listed_in_pages_and_removed(place: Place) -> None:
    lv = place.lv
    for name in ("p-1", "p-2", "p-3"):
        made = lv.create_project(ProjectName=name)["ProjectMetadata"]
        assert made["ProjectArn"] == f"arn:aws:lookoutvision:eu-central-1:000000000000:project/{name}"
    pages = list(lv.get_paginator("list_projects").paginate(PaginationConfig={"PageSize": 2}))
    assert [[project["ProjectName"] for project in page["Projects"]] for page in pages] == [["p-1", "p-2"], ["p-3"]]
    described = lv.describe_project(ProjectName="p-2")["ProjectDescription"]
    assert described["Datasets"] == []
    assert described["CreationTimestamp"].year >= 2026
    error = _refused(lv.create_project, ProjectName="p-1")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ConflictException", 409)
    assert (error["ResourceId"], error["ResourceType"]) == ("p-1", "PROJECT")
    for name in ("p-1", "p-2", "p-3"):
        assert lv.delete_project(ProjectName=name)["ProjectArn"].endswith(f"project/{name}")
    assert lv.list_projects()["Projects"] == []
    error = _refused(lv.describe_project, ProjectName="p-1")
    assert (error["Error"]["Code"], error["ResourceType"]) == ("ResourceNotFoundException", "PROJECT")
    assert error["Error"]["Message"] == "Project p-1 does not exist."


def test_what_botocore_does_not_check_is_checked(place: Place) -> None:
    error = _refused(place.lv.describe_project, ProjectName="bad name/..")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationException", 400)
    assert "regular expression pattern" in error["Error"]["Message"]
    error = _refused(place.lv.list_projects, NextToken="bm9uZQ==")
    assert error["Error"]["Message"] == "NextToken 'bm9uZQ==' is none that was given here"


def test_each_field_of_each_operation_is_checked(place: Place, request: pytest.FixtureRequest) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", place.cloud.port, timeout=PATIENCE)
    # one for all of them, and closed whatever comes of it
    request.addfinalizer(connection.close)

    def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str, str, str]:
        connection.request(method, target, body, headers | {"Authorization": ANYBODY})
        response = connection.getresponse()
        content = json.loads(response.read())
        told = response.headers.get("x-amzn-ErrorType", ""), response.headers["x-amzn-RequestId"]
        return response.status, *told, content.get("Message", "")

    wrong, asked = [], list(cases())
    for case in asked:
        method, target, headers, body = case.sent()
        status, code, request_id, text = ask(method, target, headers, body)
        if case.code == "ValidationException":
            said = f" at '{case.field}' failed to satisfy constraint: Member must "
            is_right = ERRORS_FOUND.match(text) and said in text and case.constraint in text
        elif case.code:
            is_right = text.startswith(f"'{case.field}' is ") and case.constraint in text
        else:
            is_right = status in (200, 404) or any(said in text for said in LOOKED_INTO)
        if not is_right or not request_id or (case.code and (status, code) != (400, case.code)):
            wrong.append((case.name, status, code, text))
        if (method, status) == ("POST", 200) and target.endswith("/projects"):
            name = json.loads(body)["ProjectName"]
            assert ask("DELETE", f"/2020-11-20/projects/{name}", {}, b"")[0] == 200
    assert wrong == []
    assert len(asked) > 600


def test_a_name_as_long_as_the_services_is_served_and_shown(place: Place) -> None:
    name, other = "n" * 255, "n" * 254 + "o"
    write_echo(place.data / "models", shortened(name), 128, 96)
    for project in (name, other):
        place.lv.create_project(ProjectName=project)
    shown = [project["ProjectName"] for project in place.lv.list_projects()["Projects"]]
    assert {name, other} <= set(shown)
    assert place.lv.list_models(ProjectName=other)["Models"] == []
    asked = {"ProjectName": name, "ModelVersion": "1"}
    missing = {"ProjectName": name, "ModelVersion": "9" * 10, "ContentType": "image/png"}
    error = _refused(place.lv.detect_anomalies, **missing, Body=encoded(draw_part(1)[0], "PNG"))
    assert error["Error"]["Code"] == "ResourceNotFoundException"
    place.lv.start_model(**asked, MinInferenceUnits=1)

    def status(wanted: str) -> None:
        def reached() -> bool:
            return bool(place.lv.describe_model(**asked)["ModelDescription"]["Status"] == wanted)

        wait_until(reached, f"the model is {wanted}")

    status("HOSTED")
    sent = {**asked, "ContentType": "image/png", "Body": encoded(draw_part(1)[0], "PNG")}
    assert place.lv.detect_anomalies(**sent)["DetectAnomalyResult"]["Source"] == {"Type": "direct"}
    place.lv.stop_model(**asked)
    status("TRAINED")
    place.lv.delete_model(**asked)
    for project in (name, other):
        place.lv.delete_project(ProjectName=project)


def test_a_token_makes_a_call_once(place: Place) -> None:
    lv = place.lv
    first = lv.create_project(ProjectName="once", ClientToken="token-1")
    again = lv.create_project(ProjectName="once", ClientToken="token-1")
    assert first["ProjectMetadata"] == again["ProjectMetadata"]
    error = _refused(lv.create_project, ProjectName="other", ClientToken="token-1")
    assert "was used for another CreateProject" in error["Error"]["Message"]
    lv.delete_project(ProjectName="once", ClientToken="token-2")
    lv.delete_project(ProjectName="once", ClientToken="token-2")
    lv.create_project(ProjectName="once", ClientToken="token-1")
    lv.delete_project(ProjectName="once", ClientToken="token-2")
    assert _refused(lv.describe_project, ProjectName="once")


def test_a_dataset_comes_from_a_manifest_and_is_on_the_page(place: Place) -> None:
    lv, name = place.lv, "datasets"
    lv.create_project(ProjectName=name)
    lines = [_line(f"parts/normal/good-{number}.png", "normal") for number in range(2)]
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
        _line("parts/anomaly/bad-0.png", "anomaly", **mask),
        {"source-ref": "s3://line-1/parts/anomaly/bad-1.png"},
    ]
    made = lv.create_dataset(ProjectName=name, DatasetType="train", DatasetSource=_manifest(place, "a.manifest", lines))
    assert made["DatasetMetadata"]["Status"] == "CREATE_IN_PROGRESS"
    found = _settled(place, name, "train")
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

    changes = [_line("parts/normal/good-0.png", "normal"), _line("parts/anomaly/bad-2.png", "anomaly")]
    text = "\n".join(json.dumps(line) for line in changes)
    assert (
        lv.update_dataset_entries(ProjectName=name, DatasetType="train", Changes=text)["Status"] == "UPDATE_IN_PROGRESS"
    )
    found = _settled(place, name, "train")
    assert (found["Status"], found["ImageStats"]["Normal"], found["ImageStats"]["Total"]) == ("UPDATE_COMPLETE", 2, 5)
    lv.update_dataset_entries(ProjectName=name, DatasetType="train", Changes=json.dumps(_line("gone.png", "normal")))
    found = _settled(place, name, "train")
    assert found["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"
    assert "gone.png" in found["StatusMessage"]
    assert found["ImageStats"]["Total"] == 5
    datasets = lv.describe_project(ProjectName=name)["ProjectDescription"]["Datasets"]
    assert [dataset["DatasetType"] for dataset in datasets] == ["train"]
    lv.delete_dataset(ProjectName=name, DatasetType="train")
    assert _refused(lv.describe_dataset, ProjectName=name, DatasetType="train")["ResourceType"] == "DATASET"
    lv.delete_project(ProjectName=name)


@pytest.mark.long
def test_a_dataset_that_fails_says_which_line(place: Place) -> None:
    lv, name = place.lv, "failing"
    lv.create_project(ProjectName=name)
    lines = [_line("parts/normal/good-0.png", "normal"), {"source-ref": "/etc/hostname"}, _line("gone.png", "normal")]
    lv.create_dataset(ProjectName=name, DatasetType="test", DatasetSource=_manifest(place, "b.manifest", lines))
    found = _settled(place, name, "test")
    assert found["Status"] == "CREATE_FAILED"
    assert "line 2: '/etc/hostname' is no address of an object" in found["StatusMessage"]
    assert "line 3: " in found["StatusMessage"]
    assert found["ImageStats"]["Total"] == 0
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": "nowhere", "Key": "a.manifest"}}}
    error = _refused(lv.create_dataset, ProjectName=name, DatasetType="train", DatasetSource=source)
    assert "s3://nowhere/a.manifest can't be read" in error["Error"]["Message"]
    lv.create_dataset(ProjectName=name, DatasetType="train")
    assert _settled(place, name, "train")["Status"] == "CREATE_COMPLETE"
    assert _refused(lv.create_dataset, ProjectName=name, DatasetType="train")["Error"]["Code"] == "ConflictException"
    location = {"S3Location": {"Bucket": "line-1", "Prefix": ""}}
    error = _refused(lv.create_model, ProjectName=name, OutputConfig=location)
    assert (error["Error"]["Code"], "no picture with a class" in error["Error"]["Message"]) == (
        "ValidationException",
        True,
    )
    lv.delete_dataset(ProjectName=name, DatasetType="train")
    lv.delete_dataset(ProjectName=name, DatasetType="test")
    lv.delete_project(ProjectName=name)


def _status(place: Place, status: str, version: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = {}

    def reached() -> bool:
        found.update(place.lv.describe_model(ProjectName="plates", ModelVersion=version)["ModelDescription"])
        return bool(found["Status"] == status)

    wait_until(reached, f"the model is {status}")
    return found


def test_a_model_is_hosted_asked_and_stopped(place: Place) -> None:
    lv = place.lv
    lv.create_project(ProjectName="plates")
    (model,) = lv.list_models(ProjectName="plates")["Models"]
    assert (model["ModelVersion"], model["Status"]) == ("1", "TRAINED")
    asked = {"ProjectName": "plates", "ModelVersion": "1"}
    picture = draw_part(1)[0]
    error = _refused(lv.detect_anomalies, **asked, ContentType="image/png", Body=encoded(picture, "PNG"))
    assert (error["Error"]["Code"], error["ResourceType"]) == ("ConflictException", "MODEL")
    assert error["Error"]["Message"] == "Model 1 of project plates is TRAINED; expected HOSTED."

    error = _refused(lv.start_model, **asked, MinInferenceUnits=65)
    assert error["Error"]["Code"] == "ServiceQuotaExceededException"
    started = lv.start_model(**asked, MinInferenceUnits=2, MaxInferenceUnits=4, ClientToken="the-same")
    assert started["Status"] == "STARTING_HOSTING"
    described = _status(place, "HOSTED")
    assert (described["MinInferenceUnits"], described["MaxInferenceUnits"]) == (2, 4)
    assert len(place.agent.workers("plates.1")) == 2
    assert described["OutputConfig"]["S3Location"]["Prefix"] == ""
    assert lv.start_model(**asked, MinInferenceUnits=2, ClientToken="the-same")["Status"] == "HOSTED"
    assert _refused(lv.start_model, **asked, MinInferenceUnits=1)["Error"]["Code"] == "ConflictException"
    assert _refused(lv.delete_model, **asked)["Error"]["Code"] == "ConflictException"
    assert _refused(lv.delete_project, ProjectName="plates")["Error"]["Code"] == "ConflictException"

    with edge_agent.Client(place.agent.socket) as client:
        for form, body in kinds_of(picture):
            (place.data / "sent").write_bytes(body)
            same = client.detect("plates.1", edge_agent_picture(place.data / "sent"))
            result = lv.detect_anomalies(**asked, ContentType=f"image/{form.lower()}", Body=body)["DetectAnomalyResult"]
            assert (result["Confidence"], result["IsAnomalous"]) == (same.confidence, same.is_anomalous)
            assert result["Source"] == {"Type": "direct"}
            assert [(a["Name"], a["PixelAnomaly"]["TotalPercentageArea"]) for a in result["Anomalies"]] == [
                (area.label, area.fraction) for area in same.areas
            ]
            mask = np.asarray(Image.open(io.BytesIO(result["AnomalyMask"])).convert("RGB"))
            assert same.mask is not None
            assert (mask == same.mask).all()

    # What can't be kept is said before anything is begun.
    for output, tags, said in (
        ("none-1", [], "bucket none-1 for the results: there is no bucket 'none-1'"),
        ("line-1", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "the tag's key 'a' is given twice"),
    ):
        lv.create_dataset(ProjectName="plates", DatasetType="train")
        wanted = {"OutputConfig": {"S3Location": {"Bucket": output}}, "Tags": tags}
        assert _refused(lv.create_model, ProjectName="plates", **wanted)["Error"]["Message"] == said
        lv.delete_dataset(ProjectName="plates", DatasetType="train")
    assert len(lv.list_models(ProjectName="plates")["Models"]) == 1

    def refusal(body: bytes, content_type: str = "image/png") -> str:
        return str(_refused(lv.detect_anomalies, **asked, ContentType=content_type, Body=body)["Error"]["Message"])

    assert "96x128" in refusal(encoded(np.ascontiguousarray(picture.swapaxes(0, 1)), "PNG"))
    assert refusal(encoded(picture, "PNG"), "image/jpeg") == "the picture is PNG, content-type says image/jpeg"
    assert "content-type must be one of the following. image/jpeg, image/png" in refusal(b"x", "image/gif")
    assert "not a" in refusal(b"nothing")
    assert "expected 64 to 4096" in refusal(encoded(picture[:60], "PNG"))
    assert "4 MB" in refusal(b"\x89PNG" + bytes(4 << 20))

    assert lv.stop_model(**asked)["Status"] == "STOPPING_HOSTING"
    assert "MinInferenceUnits" not in _status(place, "TRAINED")
    # A Lambda that sends one and the same token for ever starts it again all the same.
    assert lv.start_model(**asked, MinInferenceUnits=1, ClientToken="the-same")["Status"] == "STARTING_HOSTING"
    _status(place, "HOSTED")
    lv.stop_model(**asked)
    _status(place, "TRAINED")
    metrics = _raw(place, "GET", "/metrics")[2].decode()
    assert 'lookoutvision_processed_image_count_total{ModelVersion="1",ProjectName="plates"} 13.0' in metrics
    assert 'lookoutvision_invalid_image_count_total{ModelVersion="1",ProjectName="plates"} 6.0' in metrics
    arn = model["ModelArn"]
    lv.tag_resource(ResourceArn=arn, Tags=[{"Key": "line", "Value": "1"}, {"Key": "Größe", "Value": ""}])
    lv.untag_resource(ResourceArn=arn, TagKeys=["line", "none"])
    assert lv.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "Größe", "Value": ""}]
    error = _refused(lv.tag_resource, ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ServiceQuotaExceededException",
        402,
    )
    copied = shutil.copytree(place.data / "models" / "plates" / "1.0.0", place.data.parent / "kept")
    assert lv.delete_model(**asked)["ModelArn"] == arn
    assert lv.list_models(ProjectName="plates")["Models"] == []
    shutil.copytree(copied, place.data / "models" / "plates" / "1.0.0")
    assert [model["ModelVersion"] for model in lv.list_models(ProjectName="plates")["Models"]] == ["2"]


def edge_agent_picture(path: Path) -> Any:
    from edge_agent.inference.imaging.picture import read_picture

    return read_picture(path)


def _raw(place: Place, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", place.cloud.port, timeout=PATIENCE)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, content


def test_what_is_no_operation_is_answered_as_aws_does(place: Place) -> None:
    status, headers, content = _raw(place, "GET", "/2020-11-20/trials")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert "x-amzn-requestid" in headers
    assert json.loads(content)["Message"] == "GET /2020-11-20/trials is no operation of 2020-11-20"
    # A page in somebody's browser can't sign.
    status, headers, _ = _raw(place, "GET", "/2020-11-20/projects")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    status, _, content = _raw(place, "GET", "/2020-11-20/projects", Authorization=ANYBODY, Host="evil.example")
    assert (status, "evil.example" in content.decode()) == (403, True)


def test_with_a_key_all_calls_are_checked(place: Place) -> None:
    keys = AccessKeys(place.data)
    reader, owner = keys.add("dashboard", "read"), keys.add("laptop", "administer")
    assert _refused(place.lv.list_projects)["Error"]["Code"] == "UnrecognizedClientException"
    lv = place.cloud.client(id_=reader.id, secret=reader.secret)
    lv.list_projects()
    error = _refused(lv.create_project, ProjectName="keys")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDeniedException", 403)
    wrong = place.cloud.client(id_=owner.id, secret=reader.secret)
    assert _refused(wrong.list_projects)["Error"]["Code"] == "InvalidSignatureException"
    right = place.cloud.client(id_=owner.id, secret=owner.secret)
    right.create_project(ProjectName="keys")
    right.delete_project(ProjectName="keys")
    s3 = place.cloud.client("s3", owner.id, owner.secret)
    assert "line-1" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert _refused(place.cloud.client("s3").list_buckets)["Error"]["Code"] == "InvalidAccessKeyId"
    s3.create_bucket(Bucket="audited")
    s3.put_object(Bucket="audited", Key="a/b.json", Body=b"{}")
    s3.put_object(Bucket="audited", Key="c", Body=b"{}")
    s3.get_object(Bucket="audited", Key="c")["Body"].read()
    reading = place.cloud.client("s3", reader.id, reader.secret)
    assert _refused(reading.delete_object, Bucket="audited", Key="c")["Error"]["Code"] == "AccessDenied"
    s3.delete_objects(Bucket="audited", Delete={"Objects": [{"Key": "a/b.json"}, {"Key": "c"}]})
    s3.delete_bucket(Bucket="audited")
    keys.remove(reader.id)
    keys.remove(owner.id)
    place.lv.list_projects()

    def written() -> list[dict[str, Any]]:
        return [entry for entry in read_entries(place.data / "service-audit", "", "") if "laptop" in entry["user"]]

    wait_until(lambda: len(written()) >= 8, "the trail has the calls")
    assert [(entry["event"], entry["model"], entry["outcome"]) for entry in written()] == [
        ("CreateProject", "keys", "ok"), ("DeleteProject", "keys", "ok"), ("CreateBucket", "s3://audited", "ok"),
        ("PutObject", "s3://audited/a/b.json", "ok"), ("PutObject", "s3://audited/c", "ok"),
        ("DeleteObjects", "s3://audited/a/b.json", "ok"), ("DeleteObjects", "s3://audited/c", "ok"),
        ("DeleteBucket", "s3://audited", "ok"),
    ]  # fmt: skip
    entries = read_entries(place.data / "service-audit", "", "")
    refused = [entry for entry in entries if entry["event"] == "DeleteObject"]
    assert [(entry["model"], entry["outcome"]) for entry in refused] == [("s3://audited/c", "AccessDenied")]
    assert f"access key {reader.id} (dashboard) is for 'read'" in refused[0]["details"]
    assert written()[0]["user"] == f"laptop ({owner.id})"
