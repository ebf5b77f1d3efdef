"""Preparation, mask and copies for a 4096x4096 picture, without the engine.

Claims: at most 40 ms together; and a normal picture's mask costs no more than filling its segment.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    alternate,
    cookie_picture,
    machine,
    median,
    milliseconds,
    quantile,
    reference_component,
)
from edge_agent.access.peer import own_peer
from edge_agent.client.segment import OwnedSegment
from edge_agent.component.manifest import Manifest
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.mask import MaskPainter
from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer
from edge_agent.inference.imaging.segment import opened, write_from
from edge_agent.inference.imaging.tensor import Normalizer
from edge_agent.serving.workers.inspector import SegmentPixels

SIDE = 4096


def main() -> None:
    begin(command_line("large_picture", __doc__))
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        manifest = reference_component(Path(folder), SIDE, SIDE)
        picture = cookie_picture(SIDE, SIDE)
        small = make_resizer((SIDE, SIDE), (manifest.input.width, manifest.input.height), "area")
        cracked = class_map(Path(folder), manifest, picture)
    normal = np.zeros_like(cracked)
    source, target = OwnedSegment("bench"), OwnedSegment("bench")
    source.buffer(picture.nbytes)[:] = picture.reshape(-1).data
    mask = target.buffer(picture.nbytes)
    mask[:] = bytes(len(mask))
    white = np.full(picture.nbytes, 255, np.uint8)
    pixels, normalize = SegmentPixels(SIDE * CHANNELS), Normalizer(manifest.input)
    painter = MaskPainter(manifest.labels, SIDE, SIDE)
    place = source.place(picture.nbytes)
    with (
        opened(place, own_peer(), write=False, what="bitmap") as reading,
        opened(target.place(picture.nbytes), own_peer(), write=True, what="mask") as writing,
    ):

        def prepare() -> None:
            normalize(small(pixels.at(reading, place)))

        def paint(classes: U8) -> None:
            write_from(writing, painter(classes).buffers, 0)

        def fill() -> None:
            write_from(writing, [white.data], 0)

        ways = {
            "read and prepare": prepare,
            "mask with cracks": lambda: paint(cracked),
            "mask of a normal picture": lambda: paint(normal),
            "filling a segment from one buffer": fill,
        }
        taken = alternate(ways, rounds=15, each=4)
    for segment in (source, target):
        segment.close()
    for name, samples in taken.items():
        print(f"  {name:34} p50 {milliseconds(median(samples))}  p99 {milliseconds(quantile(samples, 0.99))}")
    medians = {name: median(samples) for name, samples in taken.items()}
    together = medians["read and prepare"] + medians["mask with cracks"]
    print(f"  preparation, mask and copies together: {together * 1000:.1f} ms")
    share = medians["mask of a normal picture"] / medians["filling a segment from one buffer"]
    print(f"  a normal picture's mask costs {share:.2f} of filling a segment")


def class_map(models: Path, manifest: Manifest, picture: U8) -> U8:
    """Have the reference model say which pixels of a real picture are cracked."""
    path, spec = models / manifest.name / manifest.version / manifest.model, manifest.input
    engine = load_on_processor(path)
    shrink = make_resizer((SIDE, SIDE), (spec.width, spec.height), "area")
    (scores,) = engine.run(spec.name, Normalizer(spec)(shrink(ArrayPixels(picture))), ["class_probabilities"])
    return np.asarray(scores[0].argmax(axis=0), np.uint8)


if __name__ == "__main__":
    main()
