"""A storage over two folders, and boto3 that talks to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

pytest.importorskip("starlette")
import boto3
import uvicorn
from botocore.config import Config
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from edge_agent.studio.aws.signature import Signatures
from edge_agent.studio.aws.storage.authorizing import authorize_by
from edge_agent.studio.aws.storage.buckets import Buckets
from edge_agent.studio.aws.storage.routes import Storage
from tests.support.daemon import wait_until


class Place(NamedTuple):
    """A running storage: its address, its own folder, and the folder of the configured bucket `pictures`."""

    address: str
    made: Path
    pictures: Path
    buckets: Buckets

    def account(self, key: str = "key", secret: str = "secret") -> dict[str, Any]:
        return {
            "endpoint_url": self.address, "region_name": "local", "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "config": Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        }  # fmt: skip

    def client(self, key: str = "key", secret: str = "secret") -> Any:
        return boto3.client("s3", **self.account(key, secret))


@contextmanager
def serving(folder: Path, signatures: Signatures | None = None) -> Iterator[Place]:
    """Serve a storage in a folder, to whoever asks or whoever signs."""
    pictures = folder / "pictures"
    pictures.mkdir()
    buckets = Buckets(folder / "made", {"pictures": str(pictures), "gone": str(folder / "gone")})
    storage = Storage(buckets, authorize_by(signatures))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await storage.answer(Request(scope, receive))
            await response(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the storage to listen")
        yield Place(f"http://127.0.0.1:{listener.getsockname()[1]}", folder / "made", pictures, buckets)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Serve a storage to whoever asks."""
    with serving(tmp_path_factory.mktemp("storage")) as place:
        yield place


@pytest.fixture(scope="module")
def client(place: Place) -> Iterator[Any]:
    client = place.client()
    yield client
    client.close()


def code(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """Return an error's code and status."""
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
