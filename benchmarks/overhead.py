"""What the agent adds to a call, over the same preparation, engine and mask run bare in one process.

Shared memory in, mask out, 1280x960, segmentation. The bare run has its picture in an array and writes its mask into
one: it pays for no segment and no copy. Claim: the agent adds at most 0.8 ms at the median.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

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
from edge_agent.client import Client
from edge_agent.component.manifest import Manifest
from edge_agent.imaging.resize import ArrayPixels

WIDTH, HEIGHT = 1280, 960


def measure(models: Path, manifest: Manifest) -> None:
    picture = cookie_picture(WIDTH, HEIGHT)
    pipeline = bare_pipeline(models, manifest)
    mask = np.empty(picture.size, np.uint8)

    def bare() -> None:
        inspection = pipeline.run(ArrayPixels(picture))
        assert inspection.mask is not None
        position = 0
        for buffer in inspection.mask:
            mask[position : position + len(buffer)] = buffer
            position += len(buffer)

    with daemon(models) as (socket, _):
        with Client(socket) as control:
            control.start(manifest.name)
        client = BareClient(socket, manifest, picture)
        taken = alternate({"bare": bare, "agent": client}, rounds=40, each=25)
        client.close()
    for name, samples in taken.items():
        print(f"  {name:6} p50 {milliseconds(median(samples))}  p99 {milliseconds(quantile(samples, 0.99))}")
    added = median(taken["agent"]) - median(taken["bare"])
    ratio = median(taken["agent"]) / median(taken["bare"])
    print(f"  the agent adds {added * 1000:.2f} ms at the median, {ratio:.3f} of bare")


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        print("a light model: the engine takes next to nothing")
        measure(models, light_component(models, WIDTH, HEIGHT))
        print("the reference model")
        measure(models, reference_component(models, WIDTH, HEIGHT))


if __name__ == "__main__":
    main()
