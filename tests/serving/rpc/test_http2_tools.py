"""HTTP/2 as other people's tools speak it: curl, h2load (nghttp2) and Node.js, with settings that few clients have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import half_bright, write_echo

pytestmark = pytest.mark.long

HEADERS = ("content-type: application/grpc", "te: trailers")
LIST, DETECT = METHODS["ListModels"].path, METHODS["DetectAnomalies"].path
_NODE = """
const http2 = require('http2'), net = require('net'), fs = require('fs');
const [, , socket, path, file, settings, count] = process.argv;
const body = fs.readFileSync(file), answers = [];
const session = http2.connect('http://localhost', {
  createConnection: () => net.connect(socket), settings: JSON.parse(settings),
});
const call = (left) => {
  if (!left) { session.close(); console.log(JSON.stringify(answers)); return; }
  const stream = session.request({
    ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', 'x-number': String(left),
  });
  const answer = { chunks: [] };
  stream.on('response', (headers) => { answer.status = headers[':status']; });
  stream.on('trailers', (headers) => { answer.code = headers['grpc-status']; });
  stream.on('data', (chunk) => answer.chunks.push(chunk));
  stream.on('close', () => {
    answers.push([answer.status, answer.code, Buffer.concat(answer.chunks).toString('hex'), stream.rstCode]);
    call(left - 1);
  });
  stream.end(body);
};
call(Number(count));
"""


def _tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (apt install {package})")
    return found


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("tools")
    write_echo(folder / "models")
    with running_daemon(folder) as daemon:
        daemon.stub.start("echo")
        yield daemon


def _body(folder: Path, message: bytes) -> Path:
    """Write a request as gRPC frames it."""
    path = folder / "request"
    path.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return path


def _detect(folder: Path) -> Path:
    return _body(folder, bytes_request("echo", half_bright()).SerializeToString())


def _is_half_bright(framed: bytes) -> bool:
    """Tell whether an answer is right, a mask of 12 kB included."""
    result = pb2.DetectAnomaliesResponse.FromString(framed[5:]).detect_anomaly_result
    mask = result.anomaly_mask.byte_data
    return (round(result.anomaly_score, 2), len(mask), mask[:3]) == (0.25, 64 * 64 * 3, bytes.fromhex("23A436"))


def _curl(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [_tool("curl", "curl"), "--silent", "--max-time", "120", "--unix-socket", str(daemon.path), *arguments]
    return subprocess.run(command, capture_output=True, check=False)


def test_curl(daemon: Daemon, tmp_path: Path) -> None:
    headers = [word for header in HEADERS for word in ("--header", header)]
    body, head = f"@{_detect(tmp_path)}", tmp_path / "head"
    done = _curl(
        daemon, "--http2-prior-knowledge", *headers, "--data-binary", body, "--dump-header", str(head),
        f"http://localhost{DETECT}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert _is_half_bright(done.stdout)
    said = head.read_text().lower()
    assert said.startswith("http/2 200")
    assert re.search(r"^content-type: application/grpc\r?$", said, re.MULTILINE)
    assert re.search(r"^grpc-status: 0\r?$", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--http1.1", "http://localhost/AWS"], "it speaks HTTP/1 (GET /AWS), expected HTTP/2 without TLS"),
        (["--http2", "http://localhost/AWS"], "it speaks HTTP/1 (GET /AWS), expected HTTP/2 without TLS"),
        (["--insecure", "https://localhost/"], "it speaks TLS, expected none"),
    ],
    ids=["HTTP/1", "upgrade", "TLS"],
)
def test_curl_speaks_something_else(daemon: Daemon, arguments: list[str], said: str) -> None:
    assert _curl(daemon, *arguments).returncode != 0
    line = re.compile(rf"of user .* was disconnected: {re.escape(said)}")
    wait_until(lambda: line.search(daemon.log.read_text()), said)


@pytest.mark.parametrize("table", [0, 100, 65536])
@pytest.mark.parametrize("window", [8, 16], ids=["windows of 255 bytes", "windows of 64 kB"])
def test_h2load(daemon: Daemon, tmp_path: Path, table: int, window: int) -> None:
    """A header table that is smaller than the usual one, and masks that go through small windows."""
    command = [
        _tool("h2load", "nghttp2-client"), "--requests=200", "--clients=2", "--max-concurrent-streams=4",
        f"--header-table-size={table}", f"--window-bits={window}", f"--data={_detect(tmp_path)}",
        *(f"--header={header}" for header in HEADERS), f"--base-uri=unix:{daemon.path}", f"http://localhost{DETECT}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert "200 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout + done.stderr
    assert "status codes: 200 2xx, 0 3xx" in done.stdout
    data = re.search(r"\((\d+)\) data", done.stdout)
    assert data is not None
    assert int(data[1]) > 200 * 64 * 64 * 3, "and their masks have come"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"headerTableSize": 0},
        {"headerTableSize": 100, "initialWindowSize": 1000},
        {"headerTableSize": 65536, "maxFrameSize": 1 << 20, "maxHeaderListSize": 200},
    ],
    ids=["defaults", "no table", "small", "large"],
)
def test_http2_of_node(daemon: Daemon, tmp_path: Path, settings: dict[str, int]) -> None:
    program = tmp_path / "calls.js"
    program.write_text(_NODE)
    node = _tool("node", "nodejs")
    command = [node, str(program), str(daemon.path), DETECT, str(_detect(tmp_path)), json.dumps(settings), "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == 20
    for status, code, body, reset in answers:
        assert (status, code, reset) == (200, "0", 0)
        assert _is_half_bright(bytes.fromhex(body))
