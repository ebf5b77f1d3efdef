"""A daemon under test, in a process of its own, and a client as users have it: stub calls through the socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import psutil

from edge_agent.client.client import Client
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import MAX_MESSAGE_BYTES, METHODS
from tests.support.fakes import U8

#: How long a test waits for something that must happen. It is never waited for in vain, so it may be long.
PATIENCE = 180.0


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until `condition` gives something true, and return that.

    It is asked less often the longer it takes: a call each hundredth of a second cost as much as what was waited for.
    """
    begun = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - begun
        assert waited < PATIENCE, f"waited {PATIENCE:g} s in vain until {what}"
        time.sleep(min(0.005 + waited / 8, 0.05))
    return found


def whole_lines(path: Path) -> list[str]:
    """Give the lines of a file that another process writes, without the one that it may be writing."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


class Stub:
    """The five calls, as the guide's client makes them."""

    def __init__(self, socket: str, max_receive: int = MAX_MESSAGE_BYTES) -> None:
        self.channel = grpc.insecure_channel(
            socket,
            options=[
                ("grpc.max_receive_message_length", max_receive),
                ("grpc.max_send_message_length", 2 * MAX_MESSAGE_BYTES),
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self.calls = {
            name: self.channel.unary_unary(
                method.path,
                request_serializer=lambda message: (
                    message if isinstance(message, bytes) else message.SerializeToString()
                ),
                response_deserializer=method.response.FromString,
            )
            for name, method in METHODS.items()
        }

    def __call__(self, name: str, request: Any, timeout: float = PATIENCE) -> Any:
        return self.calls[name](request, timeout=timeout)

    def later(self, name: str, request: Any, timeout: float = PATIENCE) -> Any:
        """Make a call without waiting for the answer."""
        return self.calls[name].future(request, timeout=timeout)

    def refusal(self, name: str, request: Any) -> tuple[str, str]:
        """Make a call that must fail, and return the name of the code and the details."""
        try:
            answer = self(name, request)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        raise AssertionError(f"{name} was not refused: {answer}")

    def start(self, model: str) -> None:
        """Start a model and wait until it is RUNNING."""
        self("StartModel", pb2.StartModelRequest(model_component=model))
        self.wait_for(model, "RUNNING")

    def describe(self, model: str) -> Any:
        return self("DescribeModel", pb2.DescribeModelRequest(model_component=model)).model_description

    def status(self, model: str) -> str:
        return pb2.ModelStatus.Name(self.describe(model).status)

    def wait_for(self, model: str, status: str) -> Any:
        wait_until(lambda: self.status(model) == status, f"{model} is {status}: {self.describe(model)}")
        return self.describe(model)

    def listed(self) -> dict[str, Any]:
        return {model.model_component: model for model in self("ListModels", pb2.ListModelsRequest()).models}


def bytes_request(model: str, pixels: U8, **bitmap: Any) -> pb2.DetectAnomaliesRequest:
    """Make a request with the pixels inside; `bitmap` replaces fields of it."""
    height, width, _ = pixels.shape
    fields = {"width": width, "height": height, "byte_data": pixels.tobytes()} | bitmap
    return pb2.DetectAnomaliesRequest(model_component=model, bitmap=pb2.Bitmap(**fields))


def segment_request(
    model: str, width: int, height: int, source: pb2.SharedMemoryHandle, mask: pb2.SharedMemoryHandle | None = None
) -> pb2.DetectAnomaliesRequest:
    """Make a request with the pixels in a segment."""
    request = pb2.DetectAnomaliesRequest(
        model_component=model, bitmap=pb2.Bitmap(width=width, height=height, shared_memory_handle=source)
    )
    if mask is not None:
        request.anomaly_mask_params.shared_memory_handle.CopyFrom(mask)
    return request


class Daemon:
    """`edge-agent serve` in a folder of its own, started by `wrapper` if there is one."""

    def __init__(
        self, folder: Path, *flags: str, models: Path | None = None, wrapper: Sequence[str | Path] = ()
    ) -> None:
        self.folder = folder
        self.models = models or folder / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.path = folder / "agent.sock"
        self.socket = f"unix://{self.path}"
        self.flags, self.wrapper = flags, wrapper
        self.process = self._launch()
        self.stub = Stub(self.socket)

    def _launch(self) -> subprocess.Popen[str]:
        command = [
            *map(str, self.wrapper),
            sys.executable,
            "-m",
            "edge_agent",
            "serve",
            "--socket",
            self.socket,
            "--model-dir",
            str(self.models),
        ]
        command += ["--state-dir", str(self.folder / "state"), "--scan-seconds", "0.05", *self.flags]
        self.log = self.folder / "log"
        with self.log.open("a") as log:
            # A session of its own, as a service is: the kernel shares the processor between sessions (sched(7)).
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, stdout=log, text=True, start_new_session=True
            )
        try:
            Client(self.socket, wait=PATIENCE).close()
        except BaseException:
            process.kill()
            raise
        return process

    def restart(self) -> None:
        """Launch it again, after it has ended."""
        self.stub.channel.close()
        self.process = self._launch()
        self.stub = Stub(self.socket)

    def workers(self, model: str | None = None) -> list[psutil.Process]:
        """Give the worker processes, of one model or of all."""
        found = []
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if "edge_agent.serving.workers.process" in line and (model is None or model in line):
                    found.append(process)
        return found

    def complaints(self) -> str:
        """Give the lines of its log that are not about clients whose calls were refused."""
        return "\n".join(line for line in self.log.read_text().splitlines() if "refused" not in line)

    def empty(self) -> None:
        """Stop and remove its models, so that the next test finds none; its log begins anew."""
        for name in self.stub.listed():
            with contextlib.suppress(grpc.RpcError):  # it does not run; one that has FAILED is given up
                self.stub("StopModel", pb2.StopModelRequest(model_component=name))
        for folder in self.models.iterdir():
            shutil.rmtree(folder)
        wait_until(lambda: not self.stub.listed(), "its models are gone")
        os.truncate(self.log, 0)

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it, and whatever it left behind."""
        self.stub.channel.close()
        left = [] if self.process.poll() is not None else psutil.Process(self.process.pid).children(recursive=True)
        if self.process.poll() is None:
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()


@contextlib.contextmanager
def running_daemon(
    folder: Path, *flags: str, models: Path | None = None, wrapper: Sequence[str | Path] = ()
) -> Iterator[Daemon]:
    """Run a daemon for the length of a test."""
    daemon = Daemon(folder, *flags, models=models, wrapper=wrapper)
    try:
        yield daemon
    finally:
        daemon.close()


def alive(pid: int) -> bool:
    """Tell whether a process is there and not a zombie."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def suspend(process: psutil.Process) -> None:
    """Stop a process, and wait until it has stopped."""
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "the process is stopped")
