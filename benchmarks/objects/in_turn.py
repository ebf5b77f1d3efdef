"""Finished models against each other, such as one that was trained on the same pictures by another version."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.rig import alternate, median, quantile
from edge_agent.building.evaluation.inspection import load_component
from edge_agent.errors import ComponentError
from edge_agent.inference.imaging.resize import ArrayPixels

_EACH = 10  # inspections of a round


def compare(folders: Sequence[Path], rounds: int = 20) -> None:
    """Print what an inspection by each takes, from pixels on: processor time with one thread of the engine, ten by each
    in turn, and how many times that of the first it is, in the same round.

    A line has one model inspect again and again, and finds some of it in the processor's cache: it would find none if
    each model inspected once.

    Raises:
        SystemExit: one of them can't be loaded; the text says why.
    """
    ways, said = {}, {}
    for number, folder in enumerate(folders, start=1):
        try:
            manifest, pipeline = load_component(folder, threads=1)[1:]
        except ComponentError as error:
            raise SystemExit(f"{folder}: {error}") from None
        size = manifest.image.height, manifest.image.width, 3
        picture = np.random.default_rng(0).integers(0, 256, size, np.uint8)
        key = f"{number} {folder}"
        ways[key] = partial(pipeline.run, ArrayPixels(picture))
        said[key] = (
            f"picture {manifest.image.width}x{manifest.image.height}, "
            f"input {manifest.input.width}x{manifest.input.height}"
        )
    taken = alternate(ways, rounds=rounds, each=_EACH, clock=time.process_time)
    first = _by_round(next(iter(taken.values())))
    for key, samples in taken.items():
        ratios = [one / other for one, other in zip(_by_round(samples), first, strict=True)]
        quartiles = " to ".join(f"{quantile(ratios, share):.3f}" for share in (0.25, 0.75))
        print(
            f"{key}: {said[key]}, {median(samples) * 1000:.2f} ms of processor time, "
            f"{median(ratios):.3f} of the first ({quartiles})",
            flush=True,
        )


def _by_round(samples: Sequence[float]) -> list[float]:
    return [median(samples[start : start + _EACH]) for start in range(0, len(samples), _EACH)]
