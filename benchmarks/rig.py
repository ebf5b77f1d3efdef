"""What the benchmarks share: a daemon of their own, components, the bare pipeline, and how figures are told."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt

from edge_agent.client.client import Client
from edge_agent.component.manifest import (
    Image,
    Input,
    Label,
    Manifest,
    MaskOutput,
    Outputs,
    ScoreOutput,
    decode_manifest,
    encode_manifest,
)
from edge_agent.component.writing import write_component
from edge_agent.device.bench.client import BenchClient, Way
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.host import HostPipeline
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "models" / "cookies" / "model.onnx"

U8 = npt.NDArray[np.uint8]


def machine() -> str:
    """Describe this machine in one line."""
    model = platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:8.2f} ms"


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which `share` of them lie."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


def alternate(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    each: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time several ways in turn, so that what else the machine does falls on all of them alike; seconds."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        for _ in range(5):
            way()
    for _ in range(rounds):
        for name, way in ways.items():
            for _ in range(each):
                begun = clock()
                way()
                taken[name].append(clock() - begun)
    return taken


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def in_blocks(
    ways: Mapping[str, Callable[[], object]], rounds: int, each: int, pause: float, cycle: float = 0.0
) -> dict[str, list[list[float]]]:
    """Time several ways in blocks of `each` calls that take turns, every round in another order; seconds, by block.

    Before each block nothing is called for `pause` seconds, so that what one way leaves to be done does not fall on the
    next. A call begins every `cycle` seconds, or (0) when the one before has ended.
    """
    taken: dict[str, list[list[float]]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(-1, rounds):  # the first warms up
        for name in names[number % len(names) :] + names[: number % len(names)]:
            time.sleep(pause)
            block = []
            for _ in range(each):
                begun = time.perf_counter()
                ways[name]()
                block.append(time.perf_counter() - begun)
                time.sleep(max(0.0, cycle - block[-1]))
            if number >= 0:
                taken[name].append(block)
    return taken


def difference(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of the differences pair by pair, and between what it lies with 95 %.

    The interval is that of the order statistics, which assumes nothing of how differences are distributed.
    """
    pairs = sorted(b - a for a, b in zip(before, after, strict=True))
    half = 0.98 * len(pairs) ** 0.5  # 1.96 standard deviations of a binomial with p = 1/2
    low = max(0, int(len(pairs) / 2 - half))
    return statistics.median(pairs), pairs[low], pairs[len(pairs) - 1 - low]


def tail_difference(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], share: float
) -> tuple[float, float, float]:
    """Return by how much a quantile of all blocks differs, and between what with 95 %: a bootstrap by round."""

    def differ(rounds: Sequence[int]) -> float:
        first, second = ([sample for number in rounds for sample in blocks[number]] for blocks in (before, after))
        return quantile(second, share) - quantile(first, share)

    chance = random.Random(0)
    every = range(len(before))
    found = sorted(differ(chance.choices(every, k=len(every))) for _ in range(400))
    return differ(every), found[10], found[-11]


def with_interval(found: tuple[float, float, float], unit: float, places: str) -> str:
    """Write what `difference` has found, in a unit of which a second has so many."""
    value, low, high = (f"{figure * unit:+{places}}" for figure in found)
    return f"{value} ({low} to {high} with 95 %)"


def processor_seconds(pid: int) -> float:
    """Return what a process has had of the processor, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def reference_component(models: Path, width: int, height: int) -> Manifest:
    """Make a component of the reference model that takes pictures of this size; exits where there is none."""
    if not REFERENCE.exists():
        sys.exit(f"this benchmark needs the reference model at {REFERENCE}")
    name = f"cookies-{width}x{height}"
    folder = write_component(
        models,
        {"model.onnx": REFERENCE.read_bytes()},
        name=name,
        version="1.0.0",
        task="segmentation",
        image=Image(width=width, height=height),
        input=Input(name="input", width=288, height=384, scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3),
        outputs=Outputs(
            score=ScoreOutput(name="score"), mask=MaskOutput(name="class_probabilities", kind="class_scores")
        ),
        threshold=0.5,
        labels=(Label(name="background", color="#FFFFFF"), Label(name="cracked", color="#23A436")),
    )
    return _read(folder)


def light_component(models: Path, width: int, height: int) -> Manifest:
    """Make a segmentation component whose engine does next to nothing: one 1x1 convolution at 320x240."""
    from onnx import TensorProto, helper, numpy_helper

    # The second class wins where a picture is very bright: nowhere in most pictures, in a few places in some.
    kernel = np.array([[0.0, 0.0, 0.0], [0.4, 0.4, 0.4]], np.float32).reshape(2, 3, 1, 1)
    bias = np.array([1.0, 0.0], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "kernel", "bias"], ["classes"]),
            helper.make_node("ReduceMax", ["classes"], ["score"], keepdims=0),
        ],
        "light",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 240, 320])],
        [
            helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 2, 240, 320]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, []),
        ],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return _read(
        write_component(
            models,
            {"model.onnx": model.SerializeToString()},
            name=f"light-{width}x{height}",
            version="1.0.0",
            task="segmentation",
            image=Image(width=width, height=height),
            input=Input(name="input", width=320, height=240),
            outputs=Outputs(score=ScoreOutput(name="score"), mask=MaskOutput(name="classes", kind="class_scores")),
            threshold=0.5,
            labels=(Label(name="background", color="#FFFFFF"), Label(name="mark", color="#23A436")),
        )
    )


def empty_component(models: Path, width: int, height: int) -> Manifest:
    """Make a component that copies every pixel into its tensor, finds nothing, and gives a mask that is always white.

    The engine looks at a corner alone.
    """
    from onnx import TensorProto, helper, numpy_helper

    side = 8
    corner = {"first": [0, 0, 0, 0], "last": [1, side, side, 1]}
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["input", *corner], ["corner"]),
            helper.make_node("Cast", ["corner"], ["values"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["values", "nothing"], ["zeros"]),
            helper.make_node("Reshape", ["zeros", "shape"], ["map"]),
            helper.make_node("ReduceMax", ["map"], ["score"], keepdims=0),
        ],
        "empty",
        [helper.make_tensor_value_info("input", TensorProto.UINT8, [1, height, width, 3])],
        [
            helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, side, side]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, []),
        ],
        [
            *(numpy_helper.from_array(np.array(values, np.int64), name) for name, values in corner.items()),
            numpy_helper.from_array(np.array(0, np.float32), "nothing"),
            numpy_helper.from_array(np.array([1, side, side], np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return _read(
        write_component(
            models,
            {"model.onnx": model.SerializeToString()},
            name=f"empty-{width}x{height}",
            version="1.0.0",
            task="segmentation",
            image=Image(width=width, height=height),
            input=Input(
                name="input", width=width, height=height, resize="nearest", layout="NHWC", dtype="uint8", scale=1.0
            ),
            outputs=Outputs(score=ScoreOutput(name="score"), mask=MaskOutput(name="map", kind="anomaly_map")),
            threshold=0.5,
            labels=(Label(name="background", color="#FFFFFF"), Label(name="mark", color="#23A436")),
        )
    )


def _read(folder: Path) -> Manifest:
    return decode_manifest((folder / "manifest.json").read_bytes(), source=str(folder))


def variant(component: Path, target: Path, **changes: object) -> Manifest:
    """Make a component in the folder `target` of one that is there; `changes` replace fields of its manifest."""
    manifest = _read(component)
    target.mkdir(parents=True)
    os.link(component / manifest.model, target / manifest.model)
    fields = {field: getattr(manifest, field) for field in manifest.__struct_fields__}
    (target / "manifest.json").write_bytes(encode_manifest(Manifest(**fields | changes)))
    return _read(target)


def bare_pipeline(models: Path, manifest: Manifest, threads: int = 0) -> HostPipeline:
    """Load a component in this process: the same preparation, engine and mask, without the agent."""
    path = models / manifest.name / manifest.version / manifest.model
    return HostPipeline(manifest, load_on_processor(path, threads))


def cookie_picture(width: int, height: int, *, cracked: bool = True) -> U8:
    """Give a real picture, enlarged to this size."""
    from PIL import Image as Pictures

    folder = REFERENCE.parents[2] / "data" / "cookies" / "training-images"
    name = "anomaly-1.jpg" if cracked else "normal-1.jpg"
    path = next(folder.rglob(name))
    return np.asarray(Pictures.open(path).convert("RGB").resize((width, height)))


@contextlib.contextmanager
def daemon(models: Path, *flags: str, log: Path | None = None) -> Iterator[tuple[str, int]]:
    """Run `edge-agent serve` on a socket of its own; gives the address and the process id.

    What it logs goes to `log`, or to standard error.
    """
    with tempfile.TemporaryDirectory(prefix="edge-agent-bench-") as folder:
        socket = f"unix://{folder}/agent.sock"
        command = [sys.executable, "-m", "edge_agent", "serve", "--socket", socket, "--model-dir", str(models)]
        command += ["--state-dir", folder, "--log-level", "warning", *flags]
        with (
            contextlib.nullcontext() if log is None else log.open("wb") as said,
            # Ctrl-C is for the benchmark, which ends it.
            subprocess.Popen(command, stderr=said, start_new_session=True) as process,
        ):
            try:
                Client(socket, wait=120.0).close()
                yield socket, process.pid
            finally:
                process.terminate()
                process.wait()


class BareClient:
    """A client as the guide's: a stub call with a ready-made message, and segments that are filled beforehand."""

    def __init__(self, socket: str, manifest: Manifest, picture: U8, *, by: str = "segment") -> None:
        height, width, _ = picture.shape
        self._client = BenchClient(socket, manifest.name, width, height, picture.tobytes())
        self._way: Way = "shared memory" if by == "segment" else "bytes"
        self.request = self._client.requests[self._way]

    def __call__(self) -> pb2.DetectAnomalyResult:
        self._client.renew(self._way)
        response: pb2.DetectAnomaliesResponse = self._client.detect(self.request)
        return response.detect_anomaly_result

    def later(self) -> grpc.Future:
        """Make the call without waiting for it."""
        return self._client.detect.future(self.request)

    def ping(self) -> None:
        """Make a small call on the same connection: when it is answered, the calls before it have arrived."""
        self._client.channel.unary_unary(METHODS["ListModels"].path)(b"")

    def close(self) -> None:
        self._client.close()
