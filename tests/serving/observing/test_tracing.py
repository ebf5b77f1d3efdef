"""Spans of calls, at a small real OTLP/HTTP collector."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra otel")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.daemon import PATIENCE, bytes_request, running_daemon
from tests.support.fakes import picture, write_echo

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes what is posted to /v1/traces."""

    def __init__(self) -> None:
        spans = self.spans = list[Any]()
        resources = self.resources = dict[str, str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    resources.update({item.key: item.value.string_value for item in group.resource.attributes})
                    spans.extend(span for scope in group.scope_spans for span in scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def _attributes(span: Any) -> dict[str, str]:
    return {item.key: item.value.string_value for item in span.attributes}


def test_a_call_is_a_span_of_its_clients_trace_with_its_stages(tmp_path: Path, collector: Collector) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--traces", collector.address) as daemon:
        daemon.stub.start("echo")
        detect = daemon.stub.calls["DetectAnomalies"]
        detect(bytes_request("echo", picture(51)), metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
        detect(bytes_request("echo", picture(51)), metadata=[("traceparent", f"00-{'1' * 32}-{PARENT}-00")])
        detect(bytes_request("echo", picture(51)), metadata=[("traceparent", "nonsense")])
        daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(1, 80, 80)))
        assert daemon.stop() == 0
    ours = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    (call,) = [span for span in ours if span.parent_span_id.hex() == PARENT]
    assert call.name == "AWS.LookoutVision.EdgeAgent/DetectAnomalies"
    assert call.kind == Span.SPAN_KIND_SERVER
    assert _attributes(call) == {
        "rpc.system.name": "grpc", "rpc.method": call.name, "rpc.response.status_code": "OK",
        "edge_agent.model": "echo",
    }  # fmt: skip
    stages = sorted((span for span in ours if span is not call), key=lambda span: span.start_time_unix_nano)
    assert {span.name for span in stages} == {"waiting", "preparation", "engine", "mask"}
    assert {span.parent_span_id for span in stages} == {call.span_id}
    for span in stages:
        assert call.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= call.end_time_unix_nano
    assert collector.resources["service.name"] == "edge-agent"
    assert not [span for span in collector.spans if span.trace_id.hex() == "1" * 32], "its client does not sample it"
    calls = [span for span in collector.spans if span.name.endswith("/DetectAnomalies")]
    codes = [_attributes(span)["rpc.response.status_code"] for span in calls]
    assert sorted(codes) == ["INVALID_ARGUMENT", "OK", "OK"]


@pytest.mark.long
def test_a_collector_that_is_away_holds_up_no_call(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--traces", "http://127.0.0.1:9") as daemon:
        daemon.stub.start("echo")
        for _ in range(10):
            daemon.stub("DetectAnomalies", bytes_request("echo", picture(51)))
        assert daemon.stop() == 0


def test_without_the_extra_the_setting_is_refused_in_a_sentence(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None; sys.argv[0] = 'edge-agent'\n"
        "from edge_agent.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "serve", "--socket", f"unix://{tmp_path}/a.sock", "--state-dir"]
    command += [str(tmp_path), "--traces", "http://127.0.0.1:4318"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert refused.returncode == 1
    assert "edge-agent: traces can't be sent to http://127.0.0.1:4318: opentelemetry" in refused.stderr
    assert "pip install 'edge-agent[otel]'" in refused.stderr
