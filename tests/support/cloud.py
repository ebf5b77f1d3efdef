"""The service's API as a process on loopback, and boto3 with the model that we write."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from edge_agent.studio.aws.client_model import paginators, service_model
from tests.support.server import running_server


class Cloud:
    """A running API."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, data: Path, log: Path) -> None:
        self.process, self.port, self.data, self.log = process, port, data, log
        self.address = f"http://127.0.0.1:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which any client finds it, and nothing of the user's."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.data),
            "AWS_ENDPOINT_URL_LOOKOUTVISION": self.address,
            "AWS_ENDPOINT_URL_S3": self.address,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str = "lookoutvision", id_: str = "local", secret: str = "local") -> Any:
        """Make a client of boto3, which has our model."""
        models = self.data.parent / "models-of-botocore"
        folder = models / "lookoutvision" / "2020-11-20"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "service-2.json").write_text(json.dumps(service_model()))
        (folder / "paginators-1.json").write_text(json.dumps(paginators()))
        session = botocore.session.Session()
        session.set_config_variable("data_path", str(models))
        return boto3.Session(
            botocore_session=session, aws_access_key_id=id_, aws_secret_access_key=secret, region_name="eu-central-1"
        ).client(service, endpoint_url=self.address, config=Config(retries={"total_max_attempts": 1}))


@contextmanager
def running_cloud(data: Path, *arguments: str, agent: str = "unix:///nowhere/agent.sock") -> Iterator[Cloud]:
    """Run `edge-agent cloud serve` until the block ends."""
    words = ("cloud", "serve", "--socket", agent, *arguments)
    with running_server(data, *words, asked="/metrics") as (process, port, log):
        yield Cloud(process, port, data, log)
