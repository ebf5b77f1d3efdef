"""The steady client: `python -m tests.faults.steady PLAN` sends picture after picture and checks every answer.

It is a process of its own, so that nothing that a test does holds it up. What it knows of the right answers was not
made by the daemon: see tests/faults/bystander.py, which starts it and reads what it writes.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from tests.support.fakes import U8

RIGHT = "right"
_TIMEOUT = 60.0  # a call that takes longer is lost
_CLOSE = 1e-4  # how far a score may be from what is known: floats are summed in another order


class Plan(NamedTuple):
    """What the client is to do."""

    socket: str
    model: str
    #: an .npz file: pictures and masks uint8 [n, height, width, 3], scores [n]
    samples: str
    #: the folder of the segments, /dev/shm as the daemon sees it, and their names
    shm: str
    bitmap: str
    mask: str
    #: a line for each answer is added here: [begun, seconds, outcome]; times of the monotonic clock
    records: str
    #: seconds from one call's begin to the next
    rhythm: float


class _Segment:
    """A segment whose memory is reserved, as a client has it that means to survive a full /dev/shm."""

    def __init__(self, folder: str, name: str, size: int) -> None:
        descriptor = os.open(Path(folder) / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(descriptor, 0, size)
        self.bytes = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        self.handle = pb2.SharedMemoryHandle(name=name, size=size, offset=0)


def _judge(result: Any, score: float, mask: U8, found: U8) -> str:
    if abs(result.anomaly_score - score) > _CLOSE:
        return f"wrong: score {result.anomaly_score:.4f}, expected {score:.4f}"
    anomalous = round(result.anomaly_score, 4) >= round(result.anomaly_threshold, 4)
    confidence = result.anomaly_score if anomalous else 1 - result.anomaly_score
    if result.is_anomalous is not anomalous or abs(result.confidence - confidence) > _CLOSE:
        return f"wrong: verdict {result.is_anomalous}, confidence {result.confidence:.4f}"
    different = int((found != mask).any(axis=-1).sum())
    return f"wrong: {different} pixels of the mask" if different else RIGHT


def main(plan: Plan) -> None:
    samples = np.load(plan.samples)
    pictures, masks, scores = samples["pictures"], samples["masks"], samples["scores"]
    count, height, width, _ = pictures.shape
    bitmap = _Segment(plan.shm, plan.bitmap, pictures[0].nbytes)
    target = _Segment(plan.shm, plan.mask, pictures[0].nbytes)
    request = pb2.DetectAnomaliesRequest(
        model_component=plan.model,
        bitmap=pb2.Bitmap(width=width, height=height, shared_memory_handle=bitmap.handle),
        anomaly_mask_params=pb2.AnomalyMaskParams(shared_memory_handle=target.handle),
    )
    # A daemon that has come back is found at once.
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
               ("grpc.max_reconnect_backoff_ms", 50)]  # fmt: skip
    detect = grpc.insecure_channel(plan.socket, options=options).unary_unary(
        METHODS["DetectAnomalies"].path,
        request_serializer=pb2.DetectAnomaliesRequest.SerializeToString,
        response_deserializer=pb2.DetectAnomaliesResponse.FromString,
    )
    gc.freeze()
    number, due = 0, time.monotonic()
    with Path(plan.records).open("a", buffering=1) as records:
        while True:
            number = (number + 1) % count
            bitmap.bytes[:] = pictures[number].reshape(-1)
            target.bytes[:] = 0  # a mask that is not written is wrong
            begun = time.monotonic()
            try:
                result = detect(request, timeout=_TIMEOUT).detect_anomaly_result
            except grpc.RpcError as error:
                seconds, outcome = time.monotonic() - begun, error.code().name
            else:
                seconds = time.monotonic() - begun
                outcome = _judge(result, scores[number], masks[number], target.bytes.reshape(masks[number].shape))
            records.write(json.dumps([begun, seconds, outcome]) + "\n")
            due = max(due + plan.rhythm, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(Plan(*json.loads(sys.argv[1])))
