"""Who may do what: the agent as a user without any capability, and clients of other users, in real processes."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.conftest import Segments
from tests.support.daemon import Daemon, running_daemon, segment_request
from tests.support.fakes import half_bright, picture, write_echo
from tests.support.users import User, common_folder, prefix, run_as

LINE, CONTROL = 64010, 64011
AGENT = User(64001, 64001, (LINE,))
OPERATOR = User(64002, 64002, (LINE, CONTROL))
CLIENT = User(64003, 64003, (LINE,))
OUTSIDER = User(64004, 64004)

SIZE = 64 * 64 * 3
START = ("StartModel", pb2.StartModelRequest(model_component="echo"))
STOP = ("StopModel", pb2.StopModelRequest(model_component="echo"))
LIST = ("ListModels", pb2.ListModelsRequest())
DESCRIBE = ("DescribeModel", pb2.DescribeModelRequest(model_component="echo"))

CONNECT = (
    "import socket, sys\n"
    "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
    "except OSError as error: print(type(error).__name__)\n"
)
CALLS = """
import json, sys
import grpc
from google.protobuf import json_format
from edge_agent.serving.rpc.contract import METHODS

answers = []
with grpc.insecure_channel(sys.argv[1]) as channel:
    for name, request in json.loads(sys.argv[2]):
        method = METHODS[name]
        call = channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
        try:
            answer = call(json_format.ParseDict(request, method.request()), timeout=180)
            answers.append(("OK", json_format.MessageToDict(answer)))
        except grpc.RpcError as error:
            answers.append((error.code().name, error.details()))
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Daemon]:
    """A daemon of AGENT, who is in LINE, whose socket is LINE's, and whose models CONTROL may start and stop."""
    as_agent = prefix(AGENT)
    with common_folder() as folder:
        write_echo(folder / "models")
        os.chown(folder, AGENT.uid, AGENT.gid)
        flags = ("--socket-group", str(LINE), "--control-group", str(CONTROL))
        with running_daemon(folder, *flags, wrapper=as_agent) as daemon:
            yield daemon


def _calls(daemon: Daemon, user: User, *calls: tuple[str, Message]) -> list[tuple[str, Any]]:
    """Make calls as `user`, in one process, and give the code and the details or the answer of each."""
    named = [(name, json_format.MessageToDict(request)) for name, request in calls]
    done = run_as(user, "-c", CALLS, daemon.socket, json.dumps(named))
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def _status(process: psutil.Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_the_socket_is_for_its_group_alone(guarded: Daemon) -> None:
    status = guarded.path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert (status.st_uid, status.st_gid) == (AGENT.uid, LINE)
    assert run_as(OUTSIDER, "-c", CONNECT, str(guarded.path)).stdout == "PermissionError\n"
    assert run_as(CLIENT, "-c", CONNECT, str(guarded.path)).stdout == ""


def test_starting_and_stopping_is_for_the_control_group(guarded: Daemon) -> None:
    with contextlib.suppress(grpc.RpcError):  # a test before this one may have started it
        guarded.stub(*STOP)
    codes = _calls(guarded, CLIENT, LIST, DESCRIBE, START, STOP)
    assert [code for code, _ in codes] == ["OK", "OK", "PERMISSION_DENIED", "PERMISSION_DENIED"]
    expected = "user 64003 may not call {}, expected root, the agent's user or a member of the group '64011'"
    assert [said for _, said in codes[2:]] == [expected.format("StartModel"), expected.format("StopModel")]
    assert guarded.stub.status("echo") == "STOPPED"

    command = run_as(CLIENT, "-m", "edge_agent", "models", "start", "echo", "--socket", guarded.socket)
    assert (command.returncode, command.stdout) == (1, "")
    assert command.stderr == f"edge-agent: {expected.format('StartModel')}\n"

    assert _calls(guarded, OPERATOR, START) == [("OK", {"status": "STARTING"})]
    guarded.stub.wait_for("echo", "RUNNING")
    assert [code for code, _ in _calls(guarded, CLIENT, STOP, START)] == ["PERMISSION_DENIED"] * 2
    assert _calls(guarded, AGENT, STOP)[0][0] == "OK"
    guarded.stub.start("echo")  # root


@pytest.fixture
def running(guarded: Daemon) -> Daemon:
    if guarded.stub.status("echo") != "RUNNING":
        guarded.stub.start("echo")
    return guarded


def test_daemon_and_workers_hold_no_capability(running: Daemon) -> None:
    daemon, (worker,) = psutil.Process(running.process.pid), running.workers("echo")
    for process in (daemon, worker):
        status = _status(process)
        assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
        assert status["Uid"].split() == [str(AGENT.uid)] * 4
        assert status["Gid"].split() == [str(AGENT.gid)] * 4
        assert status["Groups"].split() == [str(LINE)]
        assert status["NoNewPrivs"] == "1"


def test_a_client_reaches_no_segment_of_others_through_the_agent(running: Daemon, segments: Segments) -> None:
    """Each of these could be opened by the agent, but for the last."""

    def made(user: User, group: int, mode: int, content: bytes = bytes(SIZE)) -> pb2.SharedMemoryHandle:
        handle = segments.make(content, mode=mode)
        os.chown(segments.path(handle.name), user.uid, group)
        segments.path(handle.name).chmod(mode)
        return handle

    own, own_mask = made(CLIENT, LINE, 0o660, half_bright().tobytes()), made(CLIENT, LINE, 0o660)
    shared = made(OPERATOR, LINE, 0o640, half_bright().tobytes())
    secret = made(OPERATOR, AGENT.gid, 0o660)
    agents = made(AGENT, AGENT.gid, 0o644, picture(255).tobytes())
    closed = made(CLIENT, CLIENT.gid, 0o600)
    pairs = [
        (own, own_mask),
        (shared, None),
        (agents, None),
        (secret, None),
        (own, secret),
        (own, agents),
        (closed, None),
    ]
    requests = [("DetectAnomalies", segment_request("echo", 64, 64, *pair)) for pair in pairs]
    answers = _calls(running, CLIENT, *requests)
    assert [code for code, _ in answers] == ["OK"] * 3 + ["INVALID_ARGUMENT"] * 4
    refusal = "segment '{}' of the {} may not be opened for {} by the client (user 64003); it belongs to "
    assert [said for _, said in answers[3:6]] == [
        refusal.format(secret.name, "bitmap", "reading") + "user 64002 and group 64001, with mode 0660",
        refusal.format(secret.name, "mask", "writing") + "user 64002 and group 64001, with mode 0660",
        refusal.format(agents.name, "mask", "writing") + "user 64001 and group 64001, with mode 0644",
    ]
    assert answers[6][1] == (
        f"segment '{closed.name}' of the bitmap may not be opened for reading by the agent's user, user 64001; "
        "it belongs to user 64003 and group 64003, with mode 0600"
    )
    assert segments.read(own_mask) != bytes(SIZE), "its own was written"
    assert segments.read(secret) == bytes(SIZE)
    assert segments.read(agents) == picture(255).tobytes()
