"""The service's API through boto3, over a running agent: projects, and what holds for every call."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

import pytest

from edge_agent.serving.auditing.reading import read_entries
from edge_agent.studio.aws.keys import AccessKeys
from edge_agent.studio.store.layout import shortened
from tests.studio.aws.place import Place, raw, refused
from tests.support.daemon import PATIENCE, wait_until
from tests.support.encoded import encoded
from tests.support.fakes import write_echo
from tests.support.parts import draw_part
from tests.support.sweep import cases

#: nobody looks at it as long as there is no key
ANYBODY = "AWS4-HMAC-SHA256 Credential=a/20240101/r/lookoutvision/aws4_request, SignedHeaders=host, Signature=a"
#: of a request whose fields are all of their shapes
LOOKED_INTO = ("is not a PNG", "content-type must be one of", "is none that was given here")
ERRORS_FOUND = re.compile(r"\d+ validation errors? detected: ")


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
    error = refused(lv.create_project, ProjectName="p-1")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ConflictException", 409)
    assert (error["ResourceId"], error["ResourceType"]) == ("p-1", "PROJECT")
    for name in ("p-1", "p-2", "p-3"):
        assert lv.delete_project(ProjectName=name)["ProjectArn"].endswith(f"project/{name}")
    assert lv.list_projects()["Projects"] == []
    error = refused(lv.describe_project, ProjectName="p-1")
    assert (error["Error"]["Code"], error["ResourceType"]) == ("ResourceNotFoundException", "PROJECT")
    assert error["Error"]["Message"] == "Project p-1 does not exist."


def test_what_botocore_does_not_check_is_checked(place: Place) -> None:
    error = refused(place.lv.describe_project, ProjectName="bad name/..")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationException", 400)
    assert "regular expression pattern" in error["Error"]["Message"]
    error = refused(place.lv.list_projects, NextToken="bm9uZQ==")
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
    error = refused(place.lv.detect_anomalies, **missing, Body=encoded(draw_part(1)[0], "PNG"))
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
    error = refused(lv.create_project, ProjectName="other", ClientToken="token-1")
    assert "was used for another CreateProject" in error["Error"]["Message"]
    lv.delete_project(ProjectName="once", ClientToken="token-2")
    lv.delete_project(ProjectName="once", ClientToken="token-2")
    lv.create_project(ProjectName="once", ClientToken="token-1")
    lv.delete_project(ProjectName="once", ClientToken="token-2")
    assert refused(lv.describe_project, ProjectName="once")


def test_what_is_no_operation_is_answered_as_aws_does(place: Place) -> None:
    status, headers, content = raw(place, "GET", "/2020-11-20/trials")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert "x-amzn-requestid" in headers
    assert json.loads(content)["Message"] == "GET /2020-11-20/trials is no operation of 2020-11-20"
    # A page in somebody's browser can't sign.
    status, headers, _ = raw(place, "GET", "/2020-11-20/projects")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    status, _, content = raw(place, "GET", "/2020-11-20/projects", Authorization=ANYBODY, Host="evil.example")
    assert (status, "evil.example" in content.decode()) == (403, True)


def test_with_a_key_all_calls_are_checked(place: Place) -> None:
    keys = AccessKeys(place.data)
    reader, owner = keys.add("dashboard", "read"), keys.add("laptop", "administer")
    assert refused(place.lv.list_projects)["Error"]["Code"] == "UnrecognizedClientException"
    lv = place.cloud.client(id_=reader.id, secret=reader.secret)
    lv.list_projects()
    error = refused(lv.create_project, ProjectName="keys")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDeniedException", 403)
    wrong = place.cloud.client(id_=owner.id, secret=reader.secret)
    assert refused(wrong.list_projects)["Error"]["Code"] == "InvalidSignatureException"
    right = place.cloud.client(id_=owner.id, secret=owner.secret)
    right.create_project(ProjectName="keys")
    right.delete_project(ProjectName="keys")
    s3 = place.cloud.client("s3", owner.id, owner.secret)
    assert "line-1" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert refused(place.cloud.client("s3").list_buckets)["Error"]["Code"] == "InvalidAccessKeyId"
    s3.create_bucket(Bucket="audited")
    s3.put_object(Bucket="audited", Key="a/b.json", Body=b"{}")
    s3.put_object(Bucket="audited", Key="c", Body=b"{}")
    s3.get_object(Bucket="audited", Key="c")["Body"].read()
    reading = place.cloud.client("s3", reader.id, reader.secret)
    assert refused(reading.delete_object, Bucket="audited", Key="c")["Error"]["Code"] == "AccessDenied"
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
    denied = [entry for entry in entries if entry["event"] == "DeleteObject"]
    assert [(entry["model"], entry["outcome"]) for entry in denied] == [("s3://audited/c", "AccessDenied")]
    assert f"access key {reader.id} (dashboard) is for 'read'" in denied[0]["details"]
    assert written()[0]["user"] == f"laptop ({owner.id})"
