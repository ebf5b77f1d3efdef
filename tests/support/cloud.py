"""The service's API as a process on loopback, and boto3 with the model that we write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from edge_agent.studio.aws.client_model import paginators, service_model
from tests.support.server import running_server

#: nothing else of a client is changed
_SITE = "import time\n_sleep = time.sleep\ntime.sleep = lambda seconds: _sleep(min(seconds, 0.2))\n"


class Cloud:
    """A running API."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, data: Path, log: Path, authority: Path | None = None
    ) -> None:
        """`authority` is the certificate that clients of one with TLS trust."""
        self.process, self.port, self.data, self.log, self.authority = process, port, data, log, authority
        self.address = f"http{'s' if authority else ''}://127.0.0.1:{port}"

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

    def patient_environment(self, home: Path) -> dict[str, str]:
        """The variables, with `home` as the user's folder, and loops of ten minutes made short."""
        site = self.data / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(_SITE)
        return self.environment | {"HOME": str(home), "PYTHONPATH": str(site), "MPLBACKEND": "Agg"}

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
        ).client(
            service, endpoint_url=self.address, verify=str(self.authority) if self.authority else None,
            config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip


def with_profile(cloud: Cloud, home: Path) -> Path:
    """Make a home with the guide's profile, and the client's model as our command installs it."""
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(
        f"[profile lookoutvision-access]\nregion = eu-central-1\nendpoint_url = {cloud.address}\n"
    )
    keys = "[lookoutvision-access]\naws_access_key_id = local\naws_secret_access_key = local\n"
    (home / ".aws" / "credentials").write_text(keys)
    command = [sys.executable, "-m", "edge_agent", "cloud", "install-client", "--endpoint", cloud.address]
    done = subprocess.run(
        command, env={"HOME": str(home), "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    assert f"export AWS_ENDPOINT_URL_LOOKOUTVISION={cloud.address}" in done.stdout
    return home


@contextmanager
def running_cloud(
    data: Path,
    *arguments: str,
    agent: str = "unix:///nowhere/agent.sock",
    environment: dict[str, str] | None = None,
    authority: Path | None = None,
) -> Iterator[Cloud]:
    """Run `edge-agent cloud serve` until the block ends, with more variables if given, or over TLS."""
    words = ("cloud", "serve", "--socket", agent, *arguments)
    with running_server(data, *words, asked="/metrics", environment=environment, authority=authority) as found:
        process, port, log = found
        yield Cloud(process, port, data, log, authority)
