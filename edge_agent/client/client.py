"""A client of the agent, for applications in Python. It owns its segments and gives numpy arrays back."""

from __future__ import annotations

import functools
import os
import threading
import time
from types import TracebackType
from typing import Any

import numpy as np
from google.protobuf.message import Message

from edge_agent.client.connection import Connection
from edge_agent.client.detection import U8, Detection, ModelInfo, read_model, read_result
from edge_agent.client.picture import Order, check_order, check_picture, copy_pixels
from edge_agent.client.segments import CallSegments
from edge_agent.errors import AgentUnreachable, CallFailed, SettingsError
from edge_agent.inference.imaging.bitmap import Place, bitmap_bytes
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.standard import SetShadowRequest
from edge_agent.serving.rpc.versions import asking
from edge_agent.settings import DEFAULT_SOCKET, check_address, socket_path

_POLL_SECONDS = 0.02
#: after these the agent has nothing to do with the call's segments; after others it may still write its mask
_REFUSED = ("INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION")


class _Own:
    """What belongs to one process: channel, segments, and whose turn it is. No two processes may share them."""

    def __init__(self, connection: Connection) -> None:
        self.pid = os.getpid()
        self.connection = connection
        self.segments = CallSegments()
        # One that its holder can take again: a signal's handler may close the client in the middle of a call.
        self.turn = threading.RLock()


#: what forked children have of their parents' clients. It is never touched, nor may it be collected: to close the
#: channel would say good-bye to the agent in the parent's name
_inherited: list[_Own] = []


class Client:
    """A connection to an agent. May be used by several threads; their pictures are inspected one after the other.

    A forked child that goes on with it gets a channel and segments of its own, and so does a process that it is given
    to by multiprocessing. (gRPC asks for a process without other threads at a fork; `spawn` and `forkserver` of
    multiprocessing are always safe.)

    Every method raises AgentUnreachable when no agent answers and CallFailed when it answers with an error; the text
    is the agent's own sentence, `code` the name of the status, such as "NOT_FOUND". When the agent has been away, the
    first call after its return may still fail, for half a second at the most.
    """

    def __init__(
        self,
        socket: str = DEFAULT_SOCKET,
        *,
        wait: float = 0.0,
        timeout: float | None = 60.0,
        order: Order = "rgb",
    ) -> None:
        """Connect to `socket`, waiting up to `wait` seconds for an agent to be there; calls end after `timeout`.

        `order` is that of the channels of this client's pictures and masks: "bgr" for OpenCV's.

        Raises:
            SettingsError: `socket` is not the address of a Unix socket.
            InvalidRequest: there is no such order.
        """
        try:
            check_address(socket)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        check_order(order)
        self.socket = socket
        self._order: Order = order
        self._closed = False
        self._timeout = timeout
        self._state = _Own(self._connect())
        if wait > 0:
            try:
                self._state.connection.wait(wait)
            except BaseException:
                self.close()
                raise

    def _connect(self) -> Connection:
        return Connection(self.socket, socket_path(self.socket), self._timeout)

    def _own(self) -> _Own:
        """Give this process's part; a forked child makes its own."""
        self._check_open()
        own = self._state
        if own.pid != os.getpid():
            _inherited.append(own)
            # Of two threads that come at once each makes one. Either is good; the last is kept.
            own = self._state = _Own(self._connect())
        return own

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled as what was asked for: whoever gets it has a client of its own to the same agent."""
        self._check_open()
        return functools.partial(Client, timeout=self._timeout, order=self._order), (self.socket,)

    def _check_open(self) -> None:
        if self._closed:
            raise AgentUnreachable("the client has been closed")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and unlink the segments; closing twice is harmless."""
        self._closed = True
        own = self._state
        if own.pid != os.getpid():  # the parent's, which goes on with it
            _inherited.append(own)
            return
        own.connection.close()  # it ends a call of another thread, whose turn it is
        with own.turn:
            own.segments.close()

    def models(self) -> list[ModelInfo]:
        """List the models on the device."""
        response = self._call("ListModels", asking(pb2.ListModelsRequest()))
        assert isinstance(response, pb2.ListModelsResponse)
        return [read_model(model) for model in response.models]

    def describe(self, model: str) -> ModelInfo:
        """Describe one model."""
        response = self._call("DescribeModel", asking(pb2.DescribeModelRequest(model_component=model)))
        assert isinstance(response, pb2.DescribeModelResponse)
        return read_model(response.model_description)

    def start(self, model: str, *, wait: bool = True, timeout: float = 120.0) -> ModelInfo:
        """Start a model unless it runs or is starting, and wait until it is RUNNING.

        Raises:
            CallFailed: it can't be started, has FAILED, or is not RUNNING after `timeout` seconds without progress.
        """
        info = self.describe(model)
        if info.status in ("STOPPED", "FAILED"):
            try:
                self._call("StartModel", pb2.StartModelRequest(model_component=model))
            except CallFailed as error:
                if error.code != "FAILED_PRECONDITION" or self.describe(model).status not in ("STARTING", "RUNNING"):
                    raise  # else another client was faster, which is as good
        end, last = time.monotonic() + timeout, info.message
        while (info := self.describe(model)).status == "STARTING" and wait:
            if info.message != last:  # building a plan for a GPU takes minutes, and says how far it is
                end, last = time.monotonic() + timeout, info.message
            if time.monotonic() > end:
                raise CallFailed("DEADLINE_EXCEEDED", f"model '{model}' is still STARTING after {timeout:g} s")
            time.sleep(_POLL_SECONDS)
        if wait and info.status != "RUNNING":
            raise CallFailed("FAILED_PRECONDITION", f"model '{model}' is {info.status}: {info.message}")
        return info

    def stop(self, model: str) -> None:
        """Stop a model, after the calls that it is at."""
        self._call("StopModel", pb2.StopModelRequest(model_component=model))

    def shadow(self, model: str, other: str = "", version: str = "") -> str:
        """Have `other` judge the pictures of a model after it has answered, or none (""); returns how that stands."""
        request: Any = SetShadowRequest(
            model_component=model,
            shadow_component=other,
            shadow_version=version,
        )
        response: Any = self._call("SetShadow", request)
        return str(response.message)

    def detect(self, model: str, picture: U8, *, order: Order | None = None) -> Detection:
        """Inspect a picture, uint8 [height, width, 3], of the size that the model was trained on.

        `order` is that of its channels, where it is not the client's.

        Raises:
            InvalidRequest: `picture` is not such an array, or there is no such order.
            NoSharedMemory: there is no room in /dev/shm.
        """
        check_picture(picture)
        check_order(order or self._order)
        own = self._own()
        with own.turn:
            self._check_open()  # it may have been closed while this picture waited
            return self._inspect(own, model, picture, order or self._order)

    def _inspect(self, own: _Own, model: str, picture: U8, order: Order) -> Detection:
        height, width, _ = picture.shape
        size = bitmap_bytes(width, height)
        for is_last in (False, True):
            bitmap, mask = own.segments.of_size(size)
            if size:
                copy_pixels(picture, np.frombuffer(bitmap.buffer(size), np.uint8).reshape(picture.shape), order)
            request = pb2.DetectAnomaliesRequest(
                model_component=model,
                bitmap=pb2.Bitmap(width=width, height=height, shared_memory_handle=_handle(bitmap.place(size))),
                anomaly_mask_params=pb2.AnomalyMaskParams(shared_memory_handle=_handle(mask.place(size))),
            )
            try:
                response = own.connection.call("DetectAnomalies", request)
            except BaseException as error:
                if not isinstance(error, CallFailed) or error.code not in _REFUSED:
                    own.segments.close()  # the agent may still write its mask: not into the next call's
                elif not is_last and not own.segments.are_there:
                    continue  # they were removed since they were looked at, and are made anew
                raise
            break
        assert isinstance(response, pb2.DetectAnomaliesResponse)
        result = response.detect_anomaly_result
        marked = None
        if result.HasField("anomaly_mask"):
            marked = np.empty(picture.shape, np.uint8)
            copy_pixels(np.frombuffer(mask.buffer(size), np.uint8).reshape(picture.shape), marked, order)
        return read_result(result, marked)

    def _call(self, name: str, request: Message) -> Message:
        return self._own().connection.call(name, request)


def _handle(place: Place) -> pb2.SharedMemoryHandle:
    return pb2.SharedMemoryHandle(name=place.name, size=place.size, offset=place.offset)
