"""A model whose engine dies at its start, each time alike, is given up; what may pass is tried again."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

import pytest

from edge_agent.errors import LoadingFailed, NotReady, WorkerDied
from edge_agent.serving.lifecycle.deaths import MOST, Deaths
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import running_daemon, wait_until
from tests.support.fakes import write_echo
from tests.support.libraries import WAYS, break_library


def _given_up_after(*errors: Exception) -> int | None:
    """Return the number of the error at which a model is given up."""
    deaths = Deaths()
    return next((number for number, error in enumerate(errors, 1) if deaths.add(error, str(error))), None)


def test_what_is_alike_and_what_may_pass() -> None:
    same = [WorkerDied(f"killed by SIGSEGV at 0x{number:x} in thread {number}") for number in range(9)]
    assert _given_up_after(*same) == MOST
    assert _given_up_after(*same[: MOST - 1], LoadingFailed("other"), *same[: MOST - 1]) is None
    assert _given_up_after(*[LoadingFailed("libfoo.so: cannot allocate memory in static TLS block")] * 9) == MOST
    for passing in (
        NotReady("not ready after 600 s"),
        WorkerDied("killed by SIGKILL"),
        WorkerDied("killed by SIGABRT: terminate called after throwing an instance of 'std::bad_alloc'"),
        LoadingFailed("ImportError: libfoo.so: failed to map segment from shared object"),
    ):
        assert _given_up_after(*[passing] * 9) is None


@pytest.mark.long
def test_given_up_until_it_is_started_or_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_echo(tmp_path / "models")
    library = tmp_path / "broken" / "onnxruntime" / "__init__.py"
    monkeypatch.setenv("PYTHONPATH", break_library(tmp_path / "broken", "onnxruntime", "illegal instruction"))
    with running_daemon(tmp_path, "--first-restart", "0.05", "--longest-restart", "0.05") as daemon:

        def given_up(word: str) -> pb2.ModelDescription | None:
            described = daemon.stub.describe("echo")
            said = described.status_message
            return described if "is not started again until StartModel" in said and word in said else None

        daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
        described = wait_until(lambda: given_up("killed by SIGILL while loading the engine"), "it is given up")
        assert described.status == pb2.FAILED
        assert f"{MOST} starts in a row ended so" in described.status_message
        assert f"(onnxruntime {metadata.version('onnxruntime')}, on " in described.status_message
        wait_until(lambda: daemon.log.read_text().count("model echo FAILED") == MOST, "each is logged")
        library.write_text(WAYS["damaged"])
        daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
        wait_until(lambda: given_up("file too short"), "it is tried once more, and given up again")
        shutil.rmtree(library.parent)
        write_echo(tmp_path / "models", version="1.0.1")
        assert daemon.stub.wait_for("echo", "RUNNING").status_message == ""
