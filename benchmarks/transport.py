"""The agent's own HTTP/2 server against gRPC's (grpc.aio, the same version as the client), with nothing behind either.

An empty call is DescribeModel; a large one carries a 1280x960 bitmap as bytes to a model that is not running: it is
received, read and refused. Made back to back, and with a pause of 10 ms before each as on a production line: a call
that comes alone finds cold caches. Processor time is that of the server process for each call.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil

from benchmarks.beginning import begin, command_line
from benchmarks.rig import daemon, light_component, machine, median, milliseconds, quantile
from edge_agent.client.connection import MESSAGE_LIMITS
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS, SERVICE

WIDTH, HEIGHT = 1280, 960


def _serve_grpc_aio(address: str) -> None:
    async def describe(
        request: pb2.DescribeModelRequest, context: grpc.aio.ServicerContext
    ) -> pb2.DescribeModelResponse:
        model = pb2.ModelDescription(model_component=request.model_component, status=pb2.STOPPED)
        return pb2.DescribeModelResponse(model_description=model)

    async def detect(request: pb2.DetectAnomaliesRequest, context: grpc.aio.ServicerContext) -> None:
        assert len(request.bitmap.byte_data) == WIDTH * HEIGHT * 3
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"model '{request.model_component}' is STOPPED")

    def handler(name: str, function: object) -> grpc.RpcMethodHandler:
        method = METHODS[name]
        return grpc.unary_unary_rpc_method_handler(
            function,
            request_deserializer=method.request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    async def serve() -> None:
        server = grpc.aio.server(options=MESSAGE_LIMITS)
        handlers = {
            "DescribeModel": handler("DescribeModel", describe),
            "DetectAnomalies": handler("DetectAnomalies", detect),
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)])
        server.add_insecure_port(address)
        await server.start()
        await server.wait_for_termination()

    asyncio.run(serve())


@contextlib.contextmanager
def grpc_aio(folder: Path) -> Iterator[tuple[str, int]]:
    """Run the peer; gives the address and the process id."""
    address = f"unix://{folder}/peer.sock"
    process = multiprocessing.get_context("spawn").Process(target=_serve_grpc_aio, args=(address,))
    process.start()
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
        assert process.pid is not None
        yield address, process.pid
    finally:
        process.terminate()
        process.join()


def caller(channel: grpc.Channel, name: str, request: object) -> Callable[[], None]:
    method = METHODS[name]
    call = channel.unary_unary(
        method.path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=method.response.FromString,
    )

    def run() -> None:
        try:
            call(request)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error

    return run


def measure(label: str, calls: dict[str, Callable[[], None]], pids: dict[str, int], pause: float, count: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in calls}
    spent = dict.fromkeys(calls, 0.0)
    for _ in range(10):
        for name, call in calls.items():
            process = psutil.Process(pids[name])
            before = sum(process.cpu_times()[:2])
            for _ in range(count // 10):
                if pause:
                    time.sleep(pause)
                begun = time.perf_counter()
                call()
                taken[name].append(time.perf_counter() - begun)
            spent[name] += sum(process.cpu_times()[:2]) - before
    print(label)
    for name, samples in taken.items():
        cpu, p99 = milliseconds(spent[name] / len(samples)), milliseconds(quantile(samples, 0.99))
        print(f"  {name:9} p50 {milliseconds(median(samples))}  p99 {p99}  processor {cpu}")
    print(f"  agent / grpc.aio at the median {median(taken['agent']) / median(taken['grpc.aio']):.2f}")


def main() -> None:
    begin(command_line("transport", __doc__))
    print(machine(), "grpcio", grpc.__version__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = light_component(folder / "models", WIDTH, HEIGHT)
        with daemon(folder / "models") as (ours, our_pid), grpc_aio(folder) as (theirs, their_pid):
            pids = {"grpc.aio": their_pid, "agent": our_pid}
            with (
                grpc.insecure_channel(ours, options=MESSAGE_LIMITS) as a,
                grpc.insecure_channel(theirs, options=MESSAGE_LIMITS) as b,
            ):
                channels = {"grpc.aio": b, "agent": a}
                bitmap = pb2.Bitmap(width=WIDTH, height=HEIGHT, byte_data=bytes(WIDTH * HEIGHT * 3))
                requests = {
                    "an empty call": ("DescribeModel", pb2.DescribeModelRequest(model_component=manifest.name), 2000),
                    "a call with 3.7 MB": (
                        "DetectAnomalies",
                        pb2.DetectAnomaliesRequest(model_component=manifest.name, bitmap=bitmap),
                        400,
                    ),
                }
                for label, (method, request, count) in requests.items():
                    calls = {name: caller(channel, method, request) for name, channel in channels.items()}
                    for call in calls.values():
                        for _ in range(20):
                            call()
                    measure(f"{label}, back to back", calls, pids, 0.0, count)
                    measure(f"{label}, after 10 ms of rest", calls, pids, 0.01, count // 4)


if __name__ == "__main__":
    main()
