"""A client process of the soak: `python -m benchmarks.soak.client SOCKET SIDE STEADY SHAKEN`, started by clients.py.

One call after the other, by shared memory and by bytes in turn. Three of four go to the steady model, which must answer
every one; the fourth goes to the shaken model, whose worker is killed now and then: what it did not answer is told with
the time, and whoever killed knows whether it may be so. Now and then the connection and the segments are made anew.
It reads a line of JSON for each order from its standard input and answers with a line.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any, TypedDict

import grpc

from benchmarks.ending import end_what_was_started
from edge_agent.device.bench.client import BenchClient, Way
from edge_agent.serving.rpc import edge_agent_pb2 as pb2

_CALLS_A_CONNECTION = 5_000
_REST = 0.01  # seconds before a model that could not answer is asked again
_EXCUSED = (grpc.StatusCode.INTERNAL, grpc.StatusCode.FAILED_PRECONDITION)
_WAYS: tuple[Way, ...] = ("shared memory", "bytes")


class Told(TypedDict):
    """What a client says of an order."""

    answered: int
    #: microseconds of each call to the steady model
    taken: list[int]
    #: the calls to the shaken model that ended with a status, and when, in seconds of the monotonic clock
    unanswered: list[tuple[str, float]]
    #: what must not have happened; empty if nothing did
    failure: str


class SoakClient:
    """Calls both models on a connection to each."""

    def __init__(self, socket: str, side: int, steady: str, shaken: str) -> None:
        self._socket, self._side, self._models = socket, side, (steady, shaken)
        self._turns = itertools.cycle([(model, way) for model in (0, 1, 0, 0) for way in _WAYS])
        self._clients: list[BenchClient] = []
        self._made = 0

    def run(self, calls: int, until: float) -> Told:
        """Call until so many calls are answered, or the monotonic clock says `until`."""
        told = Told(answered=0, taken=[], unanswered=[], failure="")
        while told["answered"] < calls and time.monotonic() < until and not told["failure"]:
            if self._made % _CALLS_A_CONNECTION == 0:
                self._connect()
            self._made += 1
            self._call(*next(self._turns), told)
        return told

    def _call(self, which: int, way: Way, told: Told) -> None:
        client = self._clients[which]
        client.renew(way)  # the same picture for hours is what a frozen camera gives
        begun = time.perf_counter()
        try:
            answer = client.detect(client.requests[way])
        except grpc.RpcError as error:
            if which == 0 or error.code() not in _EXCUSED:
                name = self._models[which]
                told["failure"] = f"a call to '{name}' by {way} ended with {error.code().name}: {error.details()}"
            else:
                told["unanswered"].append((error.code().name, time.monotonic()))
                time.sleep(_REST)
            return
        if which == 0:
            told["taken"].append(round((time.perf_counter() - begun) * 1e6))
        told["answered"] += 1
        told["failure"] = self._mistake(answer.detect_anomaly_result, way)

    def _mistake(self, result: pb2.DetectAnomalyResult, way: Way) -> str:
        """Say what is wrong with an answer of the empty model, which finds nothing and gives a white mask."""
        if result.is_anomalous or result.anomaly_score != 0 or len(result.anomalies) != 1:
            return f"a wrong verdict by {way}: {result.anomaly_score}, {len(result.anomalies)} labels"
        if way == "bytes" and result.anomaly_mask.byte_data != b"\xff" * (self._side * self._side * 3):
            return "a mask by bytes that is not white"
        return ""

    def _connect(self) -> None:
        self.close()
        pixels = bytes(self._side * self._side * 3)
        self._clients = [BenchClient(self._socket, model, self._side, self._side, pixels) for model in self._models]

    def close(self) -> None:
        """Close the connections and unlink the segments; closing twice is harmless."""
        for client in self._clients:
            client.close()
        self._clients = []


def main() -> None:
    """Entry point of the process."""
    end_what_was_started()
    socket, side, *models = sys.argv[1:]
    client = SoakClient(socket, int(side), *models)
    try:
        for line in sys.stdin:
            order: dict[str, Any] = json.loads(line)
            sys.stdout.write(json.dumps(client.run(order["calls"], order["until"])) + "\n")
            sys.stdout.flush()
    finally:
        client.close()


if __name__ == "__main__":
    main()
