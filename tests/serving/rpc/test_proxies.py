"""Proxies in front of the socket, configured as docs/proxy.md says: answers and refusals arrive as they were."""

from __future__ import annotations

import collections
import contextlib
import getpass
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from tests.support.daemon import PATIENCE, Daemon, Stub, bytes_request, wait_until
from tests.support.fakes import half_bright, picture

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[3] / "docs" / "proxy.md"


def _from_page(language: str, agent: Path, front: Path) -> str:
    """Return the configuration that the page shows, with other sockets."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    text = found[1].replace("/tmp/aws.iot.lookoutvision.EdgeAgent.sock", str(agent))
    return text.replace("/run/edge-agent-proxy/proxy.sock", str(front))


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextlib.contextmanager
def _running(command: list[str], front: Path) -> Iterator[Stub]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(front), "the proxy listens")
        yield Stub(f"unix://{front}")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest, serving: Daemon, tmp_path: Path) -> Iterator[Stub]:
    program = shutil.which(request.param, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip(f"{request.param} is not installed (apt-get install {request.param})")
    front, path = tmp_path / "proxy.sock", tmp_path / "configuration"
    text = _from_page(request.param, serving.path, front)
    if request.param == "nginx":
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
        head = f"daemon off; user {getpass.getuser()}; pid {tmp_path}/pid; events {{}}\n"
        text = f"{head}http {{\naccess_log off;\n{folders}{text}}}\n"
        command = [program, "-e", "stderr", "-p", str(tmp_path), "-c", str(path)]
    else:
        command = [program, "-f", str(path)]
    path.write_text(text)
    with _running(command, front) as stub:
        yield stub


def test_calls_and_refusals_of_many_clients(proxy: Stub) -> None:
    """A refusal must not end the connection that the proxy uses for the next call, which is somebody else's."""
    calls = {
        "ListModels": (b"", "OK"),
        "DescribeModel": (pb2.DescribeModelRequest(model_component="none").SerializeToString(), "NOT_FOUND"),
        "DetectAnomalies": (b"\xff", "INVALID_ARGUMENT"),
        "StartModel": (b"", "INVALID_ARGUMENT"),
    }
    unknown = proxy.channel.unary_unary("/AWS.LookoutVision.EdgeAgent/Nothing")

    def code_of(name: str) -> str:
        try:
            if name == "Nothing":
                unknown(b"", timeout=PATIENCE)
            else:
                proxy(name, calls[name][0])
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    def make(name: str) -> tuple[str, str]:
        return name, code_of(name)

    names = [*calls, "Nothing"] * 400
    with ThreadPoolExecutor(8) as threads:
        seen = collections.Counter(threads.map(make, names))
    expected = {(name, code): 400 for name, (_, code) in calls.items()} | {("Nothing", "UNIMPLEMENTED"): 400}
    assert seen == expected


def test_pictures_and_masks_as_bytes(proxy: Stub) -> None:
    for _ in range(20):
        result = proxy("DetectAnomalies", bytes_request("echo", half_bright())).detect_anomaly_result
        assert result.anomaly_score == pytest.approx(0.25, abs=1e-5)
        assert result.anomaly_mask.byte_data
        code, details = proxy.refusal("DetectAnomalies", bytes_request("echo", picture(9), byte_data=bytes(3 << 20)))
        assert (code, details.startswith("byte_data has 3145728 bytes")) == ("INVALID_ARGUMENT", True)


def test_the_contracts_names_reach_the_agent(proxy: Stub) -> None:
    assert METHODS["ListModels"].path.endswith("ListModels")
    assert "echo" in proxy.listed()
