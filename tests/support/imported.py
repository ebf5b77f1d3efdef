"""A process that has imported what commands need, and runs each in a fork of itself, for commands.py."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
from typing import Any

import edge_agent.cli

#: What commands load where they first need it; loading starts nothing that a fork would miss.
_LIBRARIES = ["numpy", "cv2", "PIL.Image", "onnx", "onnxruntime", "grpc", "rich.progress"]
_OWN = ["edge_agent.building.training.trainer", "edge_agent.building.evaluation.inspection", "edge_agent.client"]


def _received(channel: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := channel.recv(size - len(received))):
        received += part
    return received


def _become(asked: dict[str, Any], outputs: list[int]) -> None:
    """Turn this process into one that was started for a command."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *outputs)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.argv = ["edge-agent", *asked["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _serve(channel: socket.socket) -> bool:
    """Fork for each command that is asked for. Return True in a fork, and False at the end of the channel."""
    while True:
        head, outputs, _, _ = socket.recv_fds(channel, 4, 2)
        if not head:
            return False
        asked = json.loads(_received(channel, int.from_bytes(head, "big")))
        if not (pid := os.fork()):
            channel.close()
            _become(asked, outputs)
            return True
        for output in outputs:
            os.close(output)
        _, status, used = os.wait4(pid, 0)
        answer = [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime]
        channel.sendall(json.dumps(answer).encode() + b"\n")


def _run() -> None:
    """Run the command and end as an interpreter does, but without clearing away what was imported.

    That would touch, and so copy, nearly every page that the fork shares: a tenth of a second for each command.
    """
    code: object = None
    try:
        edge_agent.cli.main()
    except SystemExit as ended:
        code = ended.code
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the end of an interpreter does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    if code is None or isinstance(code, int):
        os._exit(code or 0)
    sys.exit(str(code))


def main() -> None:
    commands = [f"edge_agent.cli.{found.name}" for found in pkgutil.iter_modules(edge_agent.cli.__path__)]
    for module in [*_LIBRARIES, *_OWN, *commands]:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a person's Ctrl-C: pytest ends, and this with it
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        _run()


if __name__ == "__main__":
    main()
