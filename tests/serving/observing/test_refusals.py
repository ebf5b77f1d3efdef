"""A client whose calls are refused is told of in the log: at once, and then once a minute, with who it is and why."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from edge_agent.access.peer import Peer, own_peer
from edge_agent.serving.observing.refusals import Refusals
from tests.support.daemon import Stub, bytes_request, running_daemon, wait_until, whole_lines
from tests.support.fakes import picture, write_echo


def test_a_thousand_refused_calls_are_a_line_and_then_one_a_minute(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--log-format", "json") as daemon:
        daemon.stub.start("echo")
        request = bytes_request("echo", picture(1, 80, 80))
        calls = [daemon.stub.later("DetectAnomalies", request) for _ in range(1000)]
        assert {call.exception().code().name for call in calls} == {"INVALID_ARGUMENT"}
        lines = wait_until(lambda: _refusals(daemon.log), "the log tells")
        assert len(lines) == 1
        assert lines[0]["pid"] == os.getpid()
        assert lines[0]["model"] == "echo"
        assert lines[0]["reason"] == "invalid_request"
        assert f"process {os.getpid()} (" in lines[0]["message"]
        assert f"({os.getuid()})" in lines[0]["message"]
        assert "bitmap is 80x80, " in lines[0]["message"]
        daemon.stop()
        more = _refusals(daemon.log)[1]["message"]
        assert "999 more calls were refused" in more


def _refusals(log: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in whole_lines(log)]
    return [line for line in found if "reason" in line]


def test_a_client_whose_limit_is_lower_than_its_answers_is_told_of(tmp_path: Path) -> None:
    """gRPC's usual limit is 4 MiB; the client fails by itself, and whoever ignores that takes the part for normal."""
    write_echo(tmp_path / "models", "echo", 1440, 1080)
    with running_daemon(tmp_path, "--log-format", "json") as daemon:
        daemon.stub.start("echo")
        limited = Stub(daemon.socket, max_receive=4 << 20)
        request = bytes_request("echo", picture(51, 1440, 1080))
        for _ in range(3):
            assert limited.refusal("DetectAnomalies", request)[0] == "RESOURCE_EXHAUSTED"
        limited.channel.close()
        line = wait_until(lambda: _refusals(daemon.log), "the log tells")[0]
        assert line["reason"] == "answer_not_taken"
        assert "the client gave up an answer of 4" in line["message"]


def test_debug_shows_our_own_words_for_every_call(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--log-level", "debug") as daemon:
        daemon.stub.start("echo")
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(51)))
        daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(1, 80, 80)))
        daemon.stop()
        text = daemon.log.read_text()
    assert f"DEBUG DetectAnomalies echo of process {os.getpid()}: OK in " in text
    assert f"DEBUG DetectAnomalies echo of process {os.getpid()}: INVALID_ARGUMENT in " in text
    assert "Encod" not in text, "nothing of the header compression's own"


def test_clients_reasons_and_models_are_told_apart_and_the_quiet_are_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        refusals = Refusals(3600.0)
        for peer in (own_peer(), Peer(12345, (), 1)):
            for reason in ("overloaded", "invalid_request"):
                for _ in range(3):
                    refusals.note(peer, reason, "DetectAnomalies", "echo", "no")
        await asyncio.gather(*refusals._introducing)
        assert len(caplog.messages) == 4
        assert sum("user 12345" in message for message in caplog.messages) == 2
        refusals.tell()
        assert sum("2 more calls were refused in the last 3600 s" in message for message in caplog.messages) == 4
        refusals.tell()
        assert len(caplog.messages) == 8, "nothing was refused since"
        refusals.note(own_peer(), "overloaded", "DetectAnomalies", "echo", "no")
        await asyncio.gather(*refusals._introducing)
        assert "DetectAnomalies was refused (overloaded): no" in caplog.messages[-1]
        refusals.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())


def test_clients_that_come_and_go_by_the_thousand_take_no_more_memory(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        refusals = Refusals(3600.0)
        for pid in range(1, 5000):
            refusals.note(Peer(12345, (), 10_000_000 + pid), "overloaded", "DetectAnomalies", "echo", "no")
        assert len(refusals._refused) == 1000
        await asyncio.gather(*refusals._introducing)
        refusals.close()
        assert caplog.messages[-1] == "3999 more calls of other clients were refused in the last 3600 s"

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
