"""What gRPC wants of HTTP, and what those are told who speak something else."""

from __future__ import annotations

import os
import re
import socket

import grpc
import h2.config
import h2.connection
import h2.events
import pytest

from edge_agent.access.names import describe_user
from edge_agent.serving.rpc.contract import METHODS
from tests.support.daemon import Daemon, wait_until

PATH = METHODS["ListModels"].path
EMPTY = bytes(5)


def call(serving: Daemon, content_type: str, method: str = "POST", *, path: str = PATH) -> dict[str, str]:
    """Make a call by hand, and return all headers and trailers of the answer."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    headers = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "x")]
    client.send_headers(1, [*headers, ("content-type", content_type), ("te", "trailers")])
    client.send_data(1, EMPTY, end_stream=True)
    found: dict[str, str] = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(str(serving.path))
        peer.sendall(client.data_to_send())
        while True:
            for event in client.receive_data(peer.recv(1 << 16)):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    found |= {str(name): str(value) for name, value in event.headers}
                if isinstance(event, h2.events.StreamEnded):
                    return found


@pytest.mark.parametrize(
    "content_type",
    ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "Application/GRPC+proto; v=1"],
)
def test_content_types_of_grpc(serving: Daemon, content_type: str) -> None:
    answer = call(serving, content_type)
    assert (answer[":status"], answer["grpc-status"]) == ("200", "0")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/grpc-web", "application/grpc-web+proto", "application/grpc+json", "text/plain",
     "application/grpcx", "application/grpc+thrift"],
)  # fmt: skip
def test_other_content_types_are_415(serving: Daemon, content_type: str) -> None:
    answer = call(serving, content_type)
    assert answer[":status"] == "415"
    assert content_type.replace("+", "+") in answer["grpc-message"]


def test_other_methods_are_405(serving: Daemon) -> None:
    assert call(serving, "application/grpc", "GET")[":status"] == "405"


def test_a_method_that_is_not_there_is_told_which_there_are(serving: Daemon) -> None:
    with grpc.insecure_channel(serving.socket) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/AWS.LookoutVision.EdgeAgent/Detect")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "there is no method /AWS.LookoutVision.EdgeAgent/Detect" in refused.value.details()
    for method in METHODS.values():
        assert method.path in refused.value.details()


def test_more_metadata_than_is_taken_refuses_the_call(serving: Daemon) -> None:
    with grpc.insecure_channel(serving.socket) as channel:
        listing = channel.unary_unary(PATH)
        with pytest.raises(grpc.RpcError) as refused:
            listing(b"", metadata=[("x", "v" * 100_000)])
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert listing(b"") is not None


def test_details_are_cut_to_what_the_client_takes() -> None:
    from edge_agent.serving.rpc.framing import RefusedCall, refusal_headers
    from edge_agent.serving.rpc.status import Code

    refused = RefusedCall(Code.NOT_FOUND, "ö" * 500)
    assert len(refusal_headers(refused, 1000)) < 1000
    assert b"%C3%B6" in refusal_headers(refused, 1000)
    assert not re.search(rb"%(?![0-9A-F]{2})", refusal_headers(refused, 1000))
    assert b"grpc-message" not in refusal_headers(refused, 0)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            r"it speaks HTTP/1 \(GET /metrics\), expected HTTP/2 without TLS",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), r"it speaks TLS, expected none"),
        (
            b"CONNECT localhost:443 HTTP/1.1\r\n\r\n",
            r"it takes the agent for a proxy \(CONNECT localhost:443\): look at its http_proxy.*no_proxy",
        ),
        (b"\x00\x01\x02\x03hello", r"this is not an HTTP/2 client: it begins with b'\\x00\\x01"),
    ],
)
def test_strangers_are_closed_with_a_line_that_names_them(serving: Daemon, first: bytes, said: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(str(serving.path))
        peer.sendall(first)
        while peer.recv(1 << 16):
            pass
    line = rf"process {os.getpid()} \(\S+\) of {re.escape(describe_user(os.geteuid()))} was disconnected: {said}"
    wait_until(lambda: re.search(line, serving.log.read_text()), f"the log says {said}")
