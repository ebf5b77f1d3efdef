"""Publishing, with S3 played by moto and Greengrass by botocore's stubber: no real AWS can be reached from a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from edge_agent.component.manifest import Target
from edge_agent.delivery.jobs import JobRecords
from edge_agent.delivery.packager import Order, package
from edge_agent.delivery.publishing import Aws, parse_place
from edge_agent.errors import PackagingError
from tests.support.fakes import write_echo

ARN = "arn:aws:greengrass:eu-west-1:123456789012:components:echo:versions:1.0.0"
KEY = "models/echo/1.0.0/echo_1_0_0_greengrass_model_component.zip"
CREATED = {
    "arn": ARN, "componentName": "echo", "componentVersion": "1.0.0", "creationTimestamp": 0,
    "status": {"componentState": "REQUESTED"},
}  # fmt: skip


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        made = boto3.resource("s3", region_name="eu-west-1").Bucket("inspection")
        made.create(CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield made


@pytest.fixture
def aws(bucket: Any) -> Iterator[tuple[Aws, Stubber]]:
    connected = Aws("eu-west-1", None, sleep=lambda seconds: None)
    with Stubber(connected.greengrass) as stubber:
        yield connected, stubber


def _order(tmp_path: Path, **changes: Any) -> Order:
    component = write_echo(tmp_path / "models")
    fields: dict[str, Any] = {"tags": {"line": "7"}, "place": parse_place("s3://inspection/models")}
    return Order(component, Target(arch="X86_64"), tmp_path / "out", **fields | changes)


def _publish(tmp_path: Path, aws: Aws, **changes: Any) -> Any:
    return package(_order(tmp_path, **changes), JobRecords(tmp_path / "jobs"), aws)


def _states(stubber: Stubber, *states: str, **status: Any) -> None:
    for state in states:
        answer = {"arn": ARN, "status": {"componentState": state, **status}}
        stubber.add_response("describe_component", answer, {"arn": ARN})


def _expect_creation(stubber: Stubber) -> None:
    stubber.add_response("create_component_version", CREATED)


def test_artifact_and_recipe_are_published_and_deployable(
    tmp_path: Path, bucket: Any, aws: tuple[Aws, Stubber]
) -> None:
    connected, stubber = aws
    sent: list[dict[str, Any]] = []
    connected.greengrass.meta.events.register(
        "provide-client-params.greengrassv2.CreateComponentVersion", lambda params, **_: sent.append(params)
    )
    _expect_creation(stubber)
    _states(stubber, "REQUESTED", "INITIATED", "DEPLOYABLE")
    job = _publish(tmp_path, connected)
    stubber.assert_no_pending_responses()
    made = job.model_packaging_output_details["Greengrass"]
    assert (job.status, made["ComponentVersionArn"], made["ArtifactUri"]) == (
        "SUCCEEDED",
        ARN,
        f"s3://inspection/{KEY}",
    )
    stored = bucket.Object(KEY).get()
    assert stored["Body"].read() == Path(made["Artifact"]).read_bytes()
    assert stored["Metadata"] == {"sha256": made["ArtifactSha256"]}
    (creation,) = sent
    assert creation["inlineRecipe"] == Path(made["Recipe"]).read_bytes()
    assert creation["tags"] == {"line": "7"}


def test_another_artifact_of_the_same_version_is_not_overwritten(
    tmp_path: Path, bucket: Any, aws: tuple[Aws, Stubber]
) -> None:
    bucket.put_object(Key=KEY, Body=b"what devices have been told to expect")
    with pytest.raises(PackagingError, match="exists already with other content; choose another component version"):
        _publish(tmp_path, aws[0])
    assert bucket.Object(KEY).get()["Body"].read() == b"what devices have been told to expect"
    assert not (tmp_path / "out" / "echo" / "1.0.0").exists()


def test_what_failed_after_the_upload_can_be_done_again(tmp_path: Path, bucket: Any, aws: tuple[Aws, Stubber]) -> None:
    connected, stubber = aws
    stubber.add_client_error("create_component_version", "AccessDeniedException", "not allowed")
    with pytest.raises(PackagingError, match=r"component echo 1\.0\.0 can't be created: .*not allowed"):
        _publish(tmp_path, connected)
    _expect_creation(stubber)
    _states(stubber, "DEPLOYABLE")
    assert _publish(tmp_path, connected).status == "SUCCEEDED"
    jobs, _ = JobRecords(tmp_path / "jobs").read_all()
    (failed,) = [job for job in jobs if job.status == "FAILED"]
    assert "not allowed" in failed.status_message


def test_a_version_that_exists_in_greengrass_is_refused(tmp_path: Path, aws: tuple[Aws, Stubber]) -> None:
    aws[1].add_client_error("create_component_version", "ConflictException", "it exists")
    with pytest.raises(PackagingError, match=r"component echo 1\.0\.0 exists already in Greengrass"):
        _publish(tmp_path, aws[0])


def test_a_component_that_greengrass_refuses_is_not_waited_for(tmp_path: Path, aws: tuple[Aws, Stubber]) -> None:
    _expect_creation(aws[1])
    _states(aws[1], "FAILED", errors={"artifact": "Access Denied"})
    with pytest.raises(PackagingError, match=r"is FAILED as arn:aws:greengrass:.*: artifact: Access Denied"):
        _publish(tmp_path, aws[0])


def test_what_greengrass_has_is_kept_when_waiting_for_it_fails(tmp_path: Path, aws: tuple[Aws, Stubber]) -> None:
    _expect_creation(aws[1])
    aws[1].add_client_error("describe_component", "AccessDeniedException", "not allowed to look")
    with pytest.raises(PackagingError, match=f"was created as {ARN}, but .*not allowed to look"):
        _publish(tmp_path, aws[0])
    ((job,), _) = JobRecords(tmp_path / "jobs").read_all()
    made = job.model_packaging_output_details["Greengrass"]
    assert (job.status, made["ComponentVersionArn"]) == ("FAILED", ARN)
    assert Path(made["Recipe"]).is_file()
    assert Path(made["Artifact"]).is_file()


def test_waiting_has_an_end(tmp_path: Path, aws: tuple[Aws, Stubber]) -> None:
    _expect_creation(aws[1])
    _states(aws[1], *["INITIATED"] * 301)
    with pytest.raises(PackagingError, match="is still INITIATED after 300 s"):
        _publish(tmp_path, aws[0])


def test_a_bucket_that_is_not_there(tmp_path: Path, aws: tuple[Aws, Stubber]) -> None:
    with pytest.raises(PackagingError, match=r"s3://elsewhere/echo/.* can't be written: .*NoSuchBucket"):
        _publish(tmp_path, aws[0], place=parse_place("s3://elsewhere"))


def test_without_a_region_or_profile_it_says_so(bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(PackagingError, match="AWS can't be used: You must specify a region"):
        Aws(None, None)
    with pytest.raises(PackagingError, match=r"AWS can't be used: The config profile \(nobody\) could not be found"):
        Aws("eu-west-1", "nobody")
