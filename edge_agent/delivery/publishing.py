"""Publishing a component to AWS: the artifact to S3, the recipe to IoT Greengrass.

API: CreateComponentVersion and DescribeComponent of AWS IoT Greengrass V2, HeadObject and PutObject of S3.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edge_agent.delivery.artifact import PackagedArtifact
from edge_agent.errors import PackagingError

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and "safe characters" of object keys
_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[A-Za-z0-9/!_.*'()-]*)?")
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 300.0


class S3Place(NamedTuple):
    """A place in S3; the prefix has neither a first nor a last slash."""

    bucket: str
    prefix: str

    def key(self, *parts: str) -> str:
        """Return a key below the prefix."""
        return "/".join(part for part in (self.prefix, *parts) if part)

    def uri(self, *parts: str) -> str:
        """Return the URI of that key."""
        return f"s3://{self.bucket}/{self.key(*parts)}"


def parse_place(location: str) -> S3Place:
    """Read s3://BUCKET/PREFIX.

    Raises:
        PackagingError: the bucket can't be one, or the prefix has characters that a recipe's Uri can't have.
    """
    match = _PLACE.fullmatch(location)
    if match is None:
        raise PackagingError(
            f"location {location!r} is not a place in S3, expected s3://BUCKET/PREFIX, the bucket of 3 to 63 small "
            "letters, digits, '.' and '-', the prefix of letters, digits and /!-_.*'()"
        )
    return S3Place(match[1], (match[2] or "").strip("/"))


class Aws:
    """The two services, with the errors of botocore as sentences."""

    def __init__(self, region: str | None, profile: str | None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Find region and credentials as the AWS CLI does.

        Raises:
            PackagingError: boto3 is not there, or neither names a region.
        """
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise PackagingError("publishing needs boto3: install edge-agent with its extra [greengrass]") from None
        # ValueError: an address in the configuration that is none
        self._errors = (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, ValueError)
        self._sleep = sleep
        try:
            session = boto3.Session(region_name=region, profile_name=profile)
            self.s3: Any = session.client("s3")
            self.greengrass: Any = session.client("greengrassv2")
        except self._errors as error:
            raise PackagingError(f"AWS can't be used: {error}") from None

    def upload(self, artifact: PackagedArtifact, place: S3Place, key: str) -> None:
        """Put the artifact where its recipe says, unless it is there.

        Raises:
            PackagingError: another file is there (a component that is deployed must not change), or S3 refused.
        """
        where = f"s3://{place.bucket}/{key}"
        try:
            with artifact.path.open("rb") as body:
                self.s3.put_object(
                    Bucket=place.bucket, Key=key, Body=body, Metadata={"sha256": artifact.sha256}, IfNoneMatch="*"
                )
        except self._errors as error:
            if _code(error) != "PreconditionFailed":
                raise PackagingError(f"{where} can't be written: {_one_line(error)}") from None
            if self._sha256(place.bucket, key, where) != artifact.sha256:
                raise PackagingError(
                    f"{where} exists already with other content; choose another component version"
                ) from None

    def _sha256(self, bucket: str, key: str, where: str) -> str:
        try:
            found: Mapping[str, Any] = self.s3.head_object(Bucket=bucket, Key=key)
        except self._errors as error:
            raise PackagingError(f"{where} exists already and can't be looked at: {_one_line(error)}") from None
        return str(found.get("Metadata", {}).get("sha256", ""))

    def create_component(self, recipe: bytes, tags: Mapping[str, str], what: str) -> str:
        """Create the component version and return its ARN.

        Raises:
            PackagingError: the version exists, or Greengrass refused the recipe.
        """
        try:
            arn: str = self.greengrass.create_component_version(inlineRecipe=recipe, tags=dict(tags))["arn"]
        except self._errors as error:
            if _code(error) == "ConflictException":
                raise PackagingError(f"{what} exists already in Greengrass; choose another component version") from None
            raise PackagingError(f"{what} can't be created: {_one_line(error)}") from None
        return arn

    def wait(self, arn: str, what: str) -> None:
        """Wait until the component version is DEPLOYABLE.

        Raises:
            PackagingError: it does not become that, or can't be described.
        """
        waited = 0.0
        while True:
            try:
                status = self.greengrass.describe_component(arn=arn)["status"]
            except self._errors as error:
                raise PackagingError(f"{what} was created as {arn}, but {_one_line(error)}") from None
            state = status["componentState"]
            if state == "DEPLOYABLE":
                return
            if state not in ("REQUESTED", "INITIATED"):
                causes = "; ".join(f"{key}: {text}" for key, text in status.get("errors", {}).items())
                message = causes or status.get("message") or "no cause was given"
                raise PackagingError(f"{what} is {state} as {arn}: {message}")
            if waited >= _PATIENCE_SECONDS:
                raise PackagingError(f"{what} is still {state} after {waited:.0f} s, see {arn}")
            self._sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS


def _code(error: Exception) -> str:
    """Return the service's code of a ClientError, "" for what did not come from it."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
