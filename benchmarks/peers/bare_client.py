"""The agent's pipeline bare in one process: `python -m benchmarks.peers.bare_client MODELS COMPONENT FILE THREADS WAY`.

`arrays` and `segments` are those of benchmarks/overhead.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.overhead import through_arrays, through_segments
from benchmarks.peers.processes import take_turns
from benchmarks.rig import bare_pipeline
from edge_agent.client.segment import OwnedSegment
from edge_agent.component.manifest import FILE_NAME, decode_manifest


def main() -> None:
    folder, pixels, threads, way = sys.argv[1:]
    component = Path(folder)
    manifest = decode_manifest((component / FILE_NAME).read_bytes(), source=folder)
    picture = np.frombuffer(Path(pixels).read_bytes(), np.uint8).reshape(manifest.image.height, manifest.image.width, 3)
    pipeline = bare_pipeline(component.parents[1], manifest, int(threads))
    segments = [OwnedSegment("bare-in"), OwnedSegment("bare-out")]
    try:
        take_turns(
            through_arrays(pipeline, picture) if way == "arrays" else through_segments(pipeline, picture, segments)
        )
    finally:
        for segment in segments:
            segment.close()


if __name__ == "__main__":
    main()
