"""What a model costs: time and memory of a training, and the F1 of each quality in fp32 and int8."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from PIL import Image

from benchmarks.objects.kinds import pictures
from benchmarks.objects.larger_input import Larger
from benchmarks.objects.results import Results
from benchmarks.objects.verdicts import Kept, features_of, in_full_size, larger_than, measure
from edge_agent.building.training.features import Quality
from edge_agent.building.training.options import Precision

_WAYS: dict[str, tuple[str, ...]] = {"--speed": ("--speed",), "as it is": (), "--quality best": ("--quality", "best")}


class Cost(NamedTuple):
    """One training: seconds from the start of the process to its end, the largest memory it had, in bytes, the size of
    the model's input, and whether a larger one was tried."""

    seconds: float
    processor: float
    memory: int
    input: str
    tried: bool


def training_costs(kind: str, folder: Path, trained_on: tuple[int, int] = (20, 10), rounds: int = 3) -> None:
    """Print what `edge-agent train` takes for some pictures, as a process of its own, all qualities in turn."""
    dataset = folder / kind
    for number, (picture, defect) in enumerate(pictures(kind, *trained_on)):
        place = dataset / ("anomaly" if defect else "normal")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number}.png")
        size = f"{picture.shape[1]}x{picture.shape[0]}"
    costs: dict[str, list[Cost]] = {way: [] for way in _WAYS}
    for turn in range(rounds):
        for way, options in _WAYS.items():
            costs[way].append(_train(dataset, folder / f"{kind}-models-{turn}", options))
    good, bad = trained_on
    print(f"edge-agent train of {kind}, {size}, {good} + {bad}, {len(os.sched_getaffinity(0))} cores, {rounds} each")
    print(f"{'':16} {'input':>9} {'seconds':>20} {'processor time':>15} {'largest memory':>15}")
    for way, found in costs.items():
        seconds = sorted(cost.seconds for cost in found)
        memory = max(cost.memory for cost in found) / 1e9
        print(
            f"{way:16} {found[0].input:>9} {f'{np.median(seconds):.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})':>20} "
            f"{np.median([cost.processor for cost in found]):13.1f} s {memory:12.2f} GB"
            + ("   a larger input was tried" if found[0].tried else "")
        )
    print(flush=True)


def _train(dataset: Path, models: Path, options: Sequence[str]) -> Cost:
    command = [sys.executable, "-m", "edge_agent", "train", str(dataset), "-o", str(models), "--json", *options]
    begun = time.perf_counter()
    process = os.posix_spawn(
        sys.executable, command, os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    manifest = json.loads(next(models.glob("*/*/manifest.json")).read_text())
    return Cost(
        seconds,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * 1024,
        f"{manifest['input']['width']}x{manifest['input']['height']}",
        "resolution" in manifest["training"],
    )


def price(
    kinds: Sequence[str], cookies: Path, cache: Path | None, seeds: range, results: Results, way: tuple[int, int]
) -> None:
    """Print the F1 of each quality and precision; int8 is quantised on the kind's first 20 good and 10 bad pictures."""
    ways = [(quality, precision) for quality in get_args(Quality) for precision in get_args(Precision)]
    print(f"trained on {way[0]}+{way[1]}, {len(seeds)} splits")
    print(f"{'':10} " + " ".join(f"{f'{quality}, {precision}':>13}" for quality, precision in ways))
    found = []
    for kind in kinds:
        found.append([_mean_f1(kind, cookies, cache, seeds, results, way, *each) for each in ways])
        print(_row(kind, found[-1]), flush=True)
    print(_row("mean", np.mean(found, axis=0).tolist()))
    print(f"largest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _row(name: str, found: Sequence[float]) -> str:
    return f"{name:10} " + " ".join(f"{f1:13.3f}" for f1 in found)


def _mean_f1(
    kind: str, cookies: Path, cache: Path | None, seeds: range, results: Results, way: tuple[int, int],
    quality: Quality, precision: Precision,
) -> float:  # fmt: skip
    loaded: list[tuple[Kept, Larger | None]] = []

    def load() -> tuple[Kept, Larger | None]:
        if quality != "best":
            return features_of(kind, cookies, cache, quality=quality, precision=precision), None
        kept = features_of(kind, cookies, cache, precision=precision)
        return kept, larger_than(kind, cookies, cache, kept, 1.0, "best", precision)

    def one(seed: int) -> Callable[[], dict[str, Any]]:
        def measured() -> dict[str, Any]:
            if not loaded:
                loaded.append(load())
            kept, larger = loaded[0]
            full_size = in_full_size(kind, cookies) if larger else None
            return {"f1": measure(kept, way, seed, larger, full_size, precision, "best").f1}

        return measured

    key = f"price {kind} {way[0]}+{way[1]} {quality} {precision}"
    return float(np.mean([results.get(f"{key} {seed}", one(seed))["f1"] for seed in seeds]))
