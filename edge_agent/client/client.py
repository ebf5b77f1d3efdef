"""A client of the agent, for applications in Python. It owns its segments and gives numpy arrays back."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import NamedTuple

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from edge_agent.errors import AgentUnreachable, CallFailed, InvalidRequest, SettingsError
from edge_agent.inference.imaging.bitmap import CHANNELS, Place, bitmap_bytes
from edge_agent.inference.imaging.segment import OwnedSegment
from edge_agent.inference.verdict import Area
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import MAX_MESSAGE_BYTES, METHODS
from edge_agent.settings import DEFAULT_SOCKET, check_address

#: gRPC's own limit of 4 MiB is less than many masks
MESSAGE_LIMITS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
_POLL_SECONDS = 0.02

U8 = npt.NDArray[np.uint8]


class ModelInfo(NamedTuple):
    """What the agent says of a model; `status` is STOPPED, STARTING, RUNNING, FAILED or STOPPING."""

    name: str
    status: str
    message: str
    arn: str


class Detection(NamedTuple):
    """The answer for one picture.

    `confidence`, `score` and `threshold` are 0..1. A segmentation model also gives `areas`, the background first, as
    fractions of the picture, and `mask`, uint8 [height, width, 3] of the picture's size, one colour a label.
    """

    is_anomalous: bool
    confidence: float
    score: float
    threshold: float
    areas: tuple[Area, ...]
    mask: U8 | None


class Client:
    """A connection to an agent. May be used by several threads; their pictures are inspected one after the other.

    Every method raises AgentUnreachable when no agent answers and CallFailed when it answers with an error; the text
    is the agent's own sentence, `code` the name of the status, such as "NOT_FOUND".
    """

    def __init__(self, socket: str = DEFAULT_SOCKET, *, wait: float = 0.0, timeout: float | None = 60.0) -> None:
        """Connect to `socket`, waiting up to `wait` seconds for an agent to be there; calls end after `timeout`.

        Raises:
            SettingsError: `socket` is not the address of a Unix socket.
        """
        try:
            check_address(socket)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        self.socket = socket
        self._closed = False
        self._timeout = timeout
        # A channel of our own: closing it must not close another client's of the same process, nor share its back-off.
        self._channel = grpc.insecure_channel(socket, options=[*MESSAGE_LIMITS, ("grpc.use_local_subchannel_pool", 1)])
        self._calls = {
            name: self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for name, method in METHODS.items()
        }
        self._lock = threading.Lock()
        self._bitmap: OwnedSegment | None = None
        self._mask: OwnedSegment | None = None
        if wait > 0:
            try:
                grpc.channel_ready_future(self._channel).result(timeout=wait)
            except grpc.FutureTimeoutError:
                self.close()
                raise AgentUnreachable(f"no agent answered on {socket} within {wait:g} s") from None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and unlink the segments; closing twice is harmless."""
        self._closed = True
        self._channel.close()
        for segment in (self._bitmap, self._mask):
            if segment is not None:
                segment.close()
        self._bitmap = self._mask = None

    def models(self) -> list[ModelInfo]:
        """List the models on the device."""
        response = self._call("ListModels", pb2.ListModelsRequest())
        assert isinstance(response, pb2.ListModelsResponse)
        return [_info(model) for model in response.models]

    def describe(self, model: str) -> ModelInfo:
        """Describe one model."""
        response = self._call("DescribeModel", pb2.DescribeModelRequest(model_component=model))
        assert isinstance(response, pb2.DescribeModelResponse)
        return _info(response.model_description)

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

    def detect(self, model: str, picture: U8) -> Detection:
        """Inspect a picture, uint8 [height, width, 3] in RGB, of the size that the model was trained on.

        Raises:
            InvalidRequest: `picture` is not such an array.
        """
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != CHANNELS:
            raise InvalidRequest(
                f"the picture is {picture.dtype} {list(picture.shape)}, expected uint8 [height, width, 3] in RGB"
            )
        height, width, _ = picture.shape
        size = bitmap_bytes(width, height)
        with self._lock:
            if self._closed:
                raise AgentUnreachable("the client has been closed")
            self._bitmap = self._bitmap or OwnedSegment("bitmap")
            self._mask = self._mask or OwnedSegment("mask")
            if size:
                np.copyto(np.frombuffer(self._bitmap.buffer(size), np.uint8).reshape(picture.shape), picture)
                self._mask.buffer(size)
            request = pb2.DetectAnomaliesRequest(
                model_component=model,
                bitmap=pb2.Bitmap(width=width, height=height, shared_memory_handle=_handle(self._bitmap.place(size))),
                anomaly_mask_params=pb2.AnomalyMaskParams(shared_memory_handle=_handle(self._mask.place(size))),
            )
            try:
                response = self._call("DetectAnomalies", request)
            except CallFailed as error:
                if error.code == "DEADLINE_EXCEEDED":  # the agent may still write its mask: not into the next call's
                    self._bitmap.close()
                    self._mask.close()
                    self._bitmap = self._mask = None
                raise
            assert isinstance(response, pb2.DetectAnomaliesResponse)
            result = response.detect_anomaly_result
            mask = None
            if result.HasField("anomaly_mask"):
                mask = np.frombuffer(self._mask.buffer(size), np.uint8).reshape(picture.shape).copy()
        areas = tuple(
            Area(found.name, found.pixel_anomaly.hex_color, found.pixel_anomaly.total_percentage_area)
            for found in result.anomalies
        )
        return Detection(
            result.is_anomalous, result.confidence, result.anomaly_score, result.anomaly_threshold, areas, mask
        )

    def _call(self, name: str, request: Message) -> Message:
        if self._closed:
            raise AgentUnreachable("the client has been closed")
        try:
            response: Message = self._calls[name](request, timeout=self._timeout)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise AgentUnreachable(
                    f"no agent answers on {self.socket}; is `edge-agent serve` running, and may this user connect?"
                ) from None
            raise CallFailed(error.code().name, error.details() or error.code().name) from None
        return response


def _handle(place: Place) -> pb2.SharedMemoryHandle:
    return pb2.SharedMemoryHandle(name=place.name, size=place.size, offset=place.offset)


def _info(model: pb2.ModelMetadata | pb2.ModelDescription) -> ModelInfo:
    return ModelInfo(
        model.model_component, pb2.ModelStatus.Name(model.status), model.status_message, model.lookout_vision_model_arn
    )
