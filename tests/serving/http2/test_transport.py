"""gRPC's own client against the real socket, in the ways that clients differ: compression, deadlines, odd requests."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import grpc
import h2.config
import h2.connection
import h2.events
import psutil
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from tests.conftest import Segments
from tests.support.daemon import Daemon, Stub, bytes_request, segment_request, suspend, wait_until
from tests.support.fakes import half_bright, picture

DETECT = METHODS["DetectAnomalies"].path


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_clients_may_compress(serving: Daemon, compression: grpc.Compression) -> None:
    with grpc.insecure_channel(serving.socket, compression=compression) as channel:
        detect = channel.unary_unary(
            DETECT,
            request_serializer=pb2.DetectAnomaliesRequest.SerializeToString,
            response_deserializer=pb2.DetectAnomaliesResponse.FromString,
        )
        for _ in range(3):
            result = detect(bytes_request("echo", half_bright())).detect_anomaly_result
            assert result.anomaly_score == pytest.approx(0.25, abs=1e-5)


def _call(channel: grpc.Channel, path: str, message: bytes = b"", **options: object) -> grpc.StatusCode:
    try:
        channel.unary_unary(path)(message, **options)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_methods_and_services_that_are_not_there(serving: Daemon) -> None:
    with grpc.insecure_channel(serving.socket) as channel:
        for path in ("/AWS.LookoutVision.EdgeAgent/Nothing", "/grpc.health.v1.Health/Nothing", "/", "/x"):
            assert _call(channel, path) is grpc.StatusCode.UNIMPLEMENTED
        assert _call(channel, METHODS["ListModels"].path) is grpc.StatusCode.OK


def test_metadata_of_the_clients_own_is_ignored(serving: Daemon) -> None:
    metadata = [("x-line", "7"), ("x-blob-bin", b"\x00\xff"), ("user-agent", "mine")]
    with grpc.insecure_channel(serving.socket) as channel:
        for _ in range(3):
            assert _call(channel, METHODS["ListModels"].path, metadata=metadata) is grpc.StatusCode.OK


@pytest.mark.parametrize("kind", ["stream_unary", "unary_stream", "stream_stream"])
def test_a_client_that_calls_in_streams(serving: Daemon, kind: str) -> None:
    """One message in a stream is a unary call; two are refused."""
    with grpc.insecure_channel(serving.socket) as channel:
        call = getattr(channel, kind)(METHODS["ListModels"].path)
        answer = call(iter([b""])) if kind.startswith("stream") else call(b"")
        assert len([answer] if kind == "stream_unary" else list(answer)) == 1
        if kind == "stream_stream":
            with pytest.raises(grpc.RpcError) as refused:
                list(call(iter([b"", b""])))
            assert refused.value.code() is grpc.StatusCode.INTERNAL


def test_many_calls_at_once_on_one_connection(serving: Daemon) -> None:
    request = pb2.DescribeModelRequest(model_component="echo")
    calls = [serving.stub.later("DescribeModel", request) for _ in range(3000)]
    assert all(call.result().model_description.status == pb2.RUNNING for call in calls)


def test_calls_of_many_sizes_in_turn(serving: Daemon) -> None:
    """The buffer of a large message is kept for the next; a smaller one must not see what is left in it."""
    for count in (1 << 20, 10, 3 << 20, 70_000, 1 << 20):
        code, details = serving.stub.refusal(
            "DetectAnomalies", bytes_request("echo", picture(9), byte_data=bytes(count))
        )
        assert (code, details.split(",")[0]) == ("INVALID_ARGUMENT", f"byte_data has {count} bytes")
        result = serving.stub("DetectAnomalies", bytes_request("echo", picture(51))).detect_anomaly_result
        assert result.anomaly_score == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: None,
        lambda peer: peer.sendall(b"GET / HTTP/1.1\r\n\r\n"),
        lambda peer: peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 1000),
        lambda peer: peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(5)),
    ],
)
def test_peers_that_are_no_clients(serving: Daemon, talk: Callable[[socket.socket], None]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(str(serving.path))
        talk(peer)
        assert serving.stub.status("echo") == "RUNNING"
    assert serving.stub.status("echo") == "RUNNING"


def _send_calls(peer: socket.socket, serving: Daemon, data: bytes, count: int, *, end: bool) -> None:
    """Make DetectAnomalies calls by hand, and wait until the agent has read them."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    headers = [(":method", "POST"), (":scheme", "http"), (":path", DETECT), (":authority", "x")]
    peer.connect(str(serving.path))
    peer.sendall(client.data_to_send())
    client.receive_data(peer.recv(1 << 16))
    for _ in range(count):
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, [*headers, ("content-type", "application/grpc")])
        client.send_data(stream, data, end_stream=end)
    client.ping(b"12345678")
    peer.sendall(client.data_to_send())
    events: list[object] = []
    while not any(isinstance(event, h2.events.PingAckReceived) for event in events):
        events += client.receive_data(peer.recv(1 << 16))


def test_announced_lengths_take_no_memory(serving: Daemon) -> None:
    """Forty calls that say that 64 MiB will follow, and then say nothing."""
    front = psutil.Process(serving.process.pid)
    before = front.memory_info().rss
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        _send_calls(peer, serving, b"\0" + (64 << 20).to_bytes(4, "big"), 40, end=False)
        assert front.memory_info().rss - before < 64 << 20
    assert serving.stub.status("echo") == "RUNNING"


def test_a_client_that_goes_away_in_the_middle_of_its_message(serving: Daemon) -> None:
    for _ in range(5):
        stub = Stub(serving.socket)
        call = stub.later("DetectAnomalies", bytes_request("echo", picture(0), byte_data=bytes(50 << 20)))
        stub.channel.close()
        wait_until(call.done, "the call has ended")
    assert serving.stub.status("echo") == "RUNNING"


def test_a_client_that_is_killed_with_calls_in_flight(serving: Daemon, segments: Segments) -> None:
    """Its calls are dropped without a word: there is nobody left to write to."""
    message = segment_request("echo", 64, 64, segments.make(picture(0))).SerializeToString()
    (worker,) = serving.workers("echo")
    suspend(worker)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            _send_calls(peer, serving, b"\0" + len(message).to_bytes(4, "big") + message, 15, end=True)
    finally:
        worker.resume()
    result = serving.stub("DetectAnomalies", bytes_request("echo", picture(51))).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(0.2, abs=1e-5)
    assert not re.search("raised exception|Traceback|WARNING", serving.complaints())


def test_announced_messages_take_few_file_descriptors(serving: Daemon) -> None:
    """They are everybody's: a client that announces hundreds of messages must not use them up."""
    front = psutil.Process(serving.process.pid)
    before = front.num_fds()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        _send_calls(peer, serving, b"\0" + (1 << 20).to_bytes(4, "big") + b"x", 200, end=False)
        # A parcel for each of some of them, which tests before this one may have had already, and the connection.
        assert front.num_fds() - before < 50
        assert serving.stub.status("echo") == "RUNNING"


def test_more_large_messages_at_once_than_there_are_parcels_for(serving: Daemon) -> None:
    request = bytes_request("echo", picture(9), byte_data=bytes(1 << 17))
    calls = [serving.stub.later("DetectAnomalies", request) for _ in range(60)]
    for call in calls:
        assert call.exception().code() is grpc.StatusCode.INVALID_ARGUMENT
        assert call.exception().details().startswith("byte_data has 131072 bytes")
