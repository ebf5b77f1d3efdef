"""Requests against the table: everything that the service refused, and botocore lets through."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.table.operations import OPERATIONS
from edge_agent.studio.aws.table.scalars import SCALARS
from edge_agent.studio.aws.validation import compiled, read_values

NAMED = {operation.name: operation for operation in OPERATIONS}


def _read(name: str, body: Any = None, query: list[tuple[str, str]] | None = None, **path: str) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return read_values(NAMED[name], path, query or [], {"Content-Type": "image/png"}.get, content)


def test_values_come_with_their_types() -> None:
    query = [("maxResults", "5"), ("labeled", "true"), ("createdAfter", "2024-01-02T03:04:05Z"), ("other", "x")]
    assert _read("ListDatasetEntries", None, query, projectName="p", datasetType="train") == {
        "ProjectName": "p", "DatasetType": "train", "MaxResults": 5, "Labeled": True,
        "AfterCreationDate": 1704164645.0,
    }  # fmt: skip
    changes = base64.b64encode(b'{"source-ref": "s3://b/k"}').decode()
    found = _read("UpdateDatasetEntries", {"Changes": changes}, projectName="p", datasetType="test")
    assert found["Changes"] == b'{"source-ref": "s3://b/k"}'
    assert _read("UntagResource", None, [("tagKeys", "a"), ("tagKeys", "b")], resourceArn="arn:x")["TagKeys"] == [
        "a",
        "b",
    ]
    assert _read("DetectAnomalies", b"png", projectName="p", modelVersion="1")["Body"] == b"png"


@pytest.mark.parametrize(
    ("name", "body", "path", "text"),
    [
        ("CreateProject", {}, {}, "Value 'null' at 'projectName' failed .*: Member must not be null"),
        ("CreateProject", {"ProjectName": "bad name/.."}, {}, "regular expression pattern"),
        ("CreateProject", {"ProjectName": "a" * 256}, {}, "length less than or equal to 255"),
        ("CreateProject", {"ProjectName": "name\n"}, {}, "regular expression pattern"),
        ("DescribeProject", None, {"projectName": "bad name/.."}, "at 'projectName' failed"),
        ("DescribeModel", None, {"projectName": "p", "modelVersion": "0"}, "at 'modelVersion'"),
        ("DeleteModel", None, {"projectName": "p", "modelVersion": "latest"}, "at 'modelVersion'"),
        ("CreateDataset", {"DatasetType": "training"}, {"projectName": "p"}, "at 'datasetType'"),
        ("StartModel", {"MinInferenceUnits": 0}, {"projectName": "p", "modelVersion": "1"}, "than or equal to 1"),
        ("CreateModel", {"OutputConfig": {}}, {"projectName": "p"}, "'outputConfig.s3Location' failed"),
        (
            "CreateModel",
            {"OutputConfig": {"S3Location": {"Bucket": "ab"}}},
            {"projectName": "p"},
            "'outputConfig.s3Location.bucket' failed to satisfy constraint: Member must have length greater",
        ),
        ("TagResource", {"Tags": [{"Key": "a;b", "Value": "x"}]}, {"resourceArn": "x"}, "'tags.1.member.key'"),
        ("DetectAnomalies", b"", {"projectName": "p", "modelVersion": "1"}, "'body'"),
    ],
)  # fmt: skip
def test_a_value_is_refused_by_its_name(name: str, body: Any, path: dict[str, str], text: str) -> None:
    with pytest.raises(ServiceRefused, match=text) as caught:
        _read(name, body, None, **path)
    assert caught.value.code == "ValidationException"


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ServiceRefused, match=r"2 validation errors detected: .*projectName.*; .*datasetType"):
        _read("DescribeDataset", projectName=" ", datasetType="x")


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"ProjectName": 5}', b'{"ProjectName": {"a": 1}}', b"\xff"])
def test_a_body_of_other_types_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceRefused) as caught:
        _read("CreateProject", body)
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize(("query", "text"), [("maxResults", "5x"), ("labeled", "yes"), ("createdBefore", "today")])
def test_a_query_of_other_types_is_refused(query: str, text: str) -> None:
    with pytest.raises(ServiceRefused, match="Member must be a"):
        _read("ListDatasetEntries", None, [(query, text)], projectName="p", datasetType="train")


def test_tags_may_have_letters_of_all_languages() -> None:
    pattern = compiled(SCALARS["TagKey"].pattern)
    assert pattern.fullmatch("Größe 検査 5_.:/=+-@")
    assert not pattern.fullmatch("a\tb")
    assert not pattern.fullmatch("a;b")


def test_each_pattern_is_one_of_python() -> None:
    for shape in SCALARS.values():
        compiled(shape.pattern)
