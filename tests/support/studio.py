"""A studio as a process on loopback, and somebody who talks to it over HTTP."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.daemon import PATIENCE, wait_until
from tests.support.server import running_server

OURS = {"x-edge-agent-studio": "1"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> str:
        text: str = self.json["error"]
        return text


class Studio:
    """A running studio."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, data: Path) -> None:
        self.process, self.port, self.data = process, port, data
        self.address = f"http://127.0.0.1:{port}"
        self.cookie = ""

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Send a request as the pages do, unless `headers` says otherwise."""
        sent = {**OURS, **({"cookie": self.cookie} if self.cookie else {}), **(headers or {})}
        request = urllib.request.Request(self.address + path, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                headers_ = {k.lower(): v for k, v in response.headers.items()}
                goes_on = headers_.get("content-type", "").startswith("text/event-stream")
                return Answer(response.status, headers_, b"" if goes_on else response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def get(self, path: str) -> Any:
        """Get JSON from the API."""
        answer = self.ask("GET", f"/api{path}")
        assert answer.status == 200, answer.content
        return answer.json

    def send(self, method: str, path: str, value: Any = None) -> Answer:
        """Send JSON to the API."""
        return self.ask(method, f"/api{path}", json.dumps(value if value is not None else {}).encode())

    def post(self, path: str, value: Any = None) -> Any:
        """Send JSON to the API and return what comes back."""
        answer = self.send("POST", path, value)
        assert answer.status == 200, answer.content
        return answer.json

    def job(self, number: int) -> dict[str, Any]:
        """Wait for the end of a job, and return it."""
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.get(f"/jobs/{number}"))
            return found["job"]["state"] not in ("waiting", "running")

        wait_until(ended, f"job {number} has ended")
        return found


@contextmanager
def running_studio(
    data: Path,
    *arguments: str,
    agent: str = "unix:///nowhere/agent.sock",
    environment: dict[str, str] | None = None,
) -> Iterator[Studio]:
    """Run `edge-agent studio` until the block ends."""
    words = ("studio", "--socket", agent, *arguments)
    with running_server(data, *words, asked="/api/here", environment=environment) as (process, port, _):
        yield Studio(process, port, data)
