"""What the agent adds to a call, over the same preparation, engine and mask run bare in one process.

Shared memory in, mask out, 1280x960, segmentation. `arrays` is the bare run with its picture in an array and its mask
written into one: it pays for no segment. `segments` is the same run as a script of one's own would have to do it when
the picture comes from another process: read from a segment, mask written to one. `empty call` is a gRPC call through
this agent that does nothing (DescribeModel), made at the same pace. Claim: over `arrays` the agent adds at most 0.8 ms.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    BareClient,
    alternate,
    bare_pipeline,
    cookie_picture,
    daemon,
    light_component,
    machine,
    median,
    milliseconds,
    quantile,
    reference_component,
)
from edge_agent.access.peer import own_peer
from edge_agent.client.client import Client
from edge_agent.client.segment import OwnedSegment
from edge_agent.component.manifest import Manifest
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.imaging.segment import opened, write_from
from edge_agent.serving.workers.inspector import SegmentPixels

WIDTH, HEIGHT = 1280, 960


def through_arrays(pipeline: HostPipeline, picture: U8) -> Callable[[], None]:
    mask = np.empty(picture.size, np.uint8)

    def run() -> None:
        position = 0
        for buffer in pipeline.run(ArrayPixels(picture)).mask or ():
            mask[position : position + len(buffer)] = buffer
            position += len(buffer)

    return run


def through_segments(pipeline: HostPipeline, picture: U8, segments: list[OwnedSegment]) -> Callable[[], None]:
    for segment in segments:
        segment.buffer(picture.nbytes)[:] = picture.reshape(-1).data
    source, target = (segment.place(picture.nbytes) for segment in segments)
    pixels, peer = SegmentPixels(picture.shape[1] * CHANNELS), own_peer()

    def run() -> None:
        with (
            opened(source, peer, write=False, what="bitmap") as reading,
            opened(target, peer, write=True, what="mask") as writing,
        ):
            write_from(writing, pipeline.run(pixels.at(reading, source)).mask or [], 0)

    return run


def measure(models: Path, manifest: Manifest) -> None:
    picture = cookie_picture(WIDTH, HEIGHT)
    pipeline = bare_pipeline(models, manifest)
    segments = [OwnedSegment("bench"), OwnedSegment("bench")]
    with daemon(models) as (socket, _):
        with Client(socket) as control:
            control.start(manifest.name)
            client = BareClient(socket, manifest, picture)
            arrays = through_arrays(pipeline, picture)
            ways: dict[str, Callable[[], object]] = {
                "arrays": arrays,
                "segments": through_segments(pipeline, picture, segments),
                "agent": client,
            }
            taken = alternate(ways, rounds=20, each=50)
            # The empty call has to be made as rarely as the agent's calls are: a processor that has just done something
            # else has none of gRPC's code in its caches.
            empty = alternate(
                {"bare": arrays, "empty call": lambda: control.describe(manifest.name)}, rounds=300, each=1
            )
            taken["empty call"] = empty["empty call"]
        client.close()
    for segment in segments:
        segment.close()
    for name, samples in taken.items():
        print(f"  {name:10} p50 {milliseconds(median(samples))}  p99 {milliseconds(quantile(samples, 0.99))}")
    for name in ("arrays", "segments"):
        added, ratio = median(taken["agent"]) - median(taken[name]), median(taken["agent"]) / median(taken[name])
        print(f"  over {name} the agent adds {added * 1000:.2f} ms at the median ({ratio:.2f} times)")


def main() -> None:
    begin(command_line("overhead", __doc__))
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        print("a light model: the engine takes next to nothing")
        measure(models, light_component(models, WIDTH, HEIGHT))
        print("the reference model")
        measure(models, reference_component(models, WIDTH, HEIGHT))


if __name__ == "__main__":
    main()
