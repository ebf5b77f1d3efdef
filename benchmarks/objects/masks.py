"""How good are masks? The cracks of the cookies, and two drawn kinds whose defects' places are known."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from benchmarks.objects.building import build, choose
from benchmarks.objects.kinds import KINDS
from benchmarks.objects.results import Results
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, PALETTE, Dataset
from edge_agent.building.datasets.reading import Datasets, read_dataset
from edge_agent.building.datasets.split import split
from edge_agent.building.training.features import Quality
from edge_agent.building.training.options import Options

#: drawn kinds, and which of their defects are drawn: two labels and three
DRAWN = {"brushed": ("scratch", "stain"), "fabric": ("thread", "hole", "stain")}
SETS = ("cookies", *DRAWN)
WAYS = ("2/3", "20+10")
_SEED = 7
_Quality = Quality | Literal["auto"]
_EACH = 40  # normal and anomalous pictures of a drawn kind


def draw_set(kind: str, root: Path) -> Dataset:
    """Draw a kind with its masks into a folder."""
    defects = DRAWN[kind]
    for part in (NORMAL, ANOMALY, "masks"):
        (root / part).mkdir(parents=True)
    colors = dict(zip(defects, PALETTE, strict=False))
    (root / "masks" / "labels.json").write_text(json.dumps(colors))
    palette = np.full((len(KINDS[kind].defects) + 1, 3), 255, np.uint8)
    for defect, color in colors.items():
        palette[KINDS[kind].defects.index(defect) + 1] = tuple(bytes.fromhex(color[1:]))
    rng = np.random.default_rng(_SEED)
    for number in range(_EACH):
        Image.fromarray(KINDS[kind].draw(None, rng).picture).save(root / NORMAL / f"good-{number}.png")
        bad = KINDS[kind].draw(defects[number % len(defects)], rng)
        Image.fromarray(bad.picture).save(root / ANOMALY / f"bad-{number}.png")
        Image.fromarray(palette[bad.classes]).save(root / "masks" / f"bad-{number}.png")
    return read_dataset(root)


def measure_masks(
    sets: list[str], ways: list[str], seeds: range, cookies: Path, folder: Path, results: Results, quality: _Quality
) -> None:
    """Print IoU and F1 of the masks for each model, and their means; what `results` has is not measured again."""
    print(f"{'set':8} {'trained on':>10} {'IoU':>6} {'pixel F1':>8} {'average IoU':>11} {'image F1':>8} "
          f"{'seconds':>8}  IoU of each label")  # fmt: skip
    for name in sets:
        data: Dataset | None = None
        for way in ways:
            rows = []
            for seed in seeds:

                def measure(name: str = name, way: str = way, seed: int = seed) -> dict[str, Any]:
                    nonlocal data
                    if data is None:
                        data = read_dataset(cookies) if name == "cookies" else draw_set(name, folder / name)
                    return _measure(data, way, seed, folder, quality)

                of_quality = "" if quality == "auto" else f" {quality}"
                rows.append(results.get(f"masks {name} {way} {seed}{of_quality}", measure))
                print(f"{name:8} {way:>10} {_line(rows[-1])}", flush=True)
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "labels"}
            labels = {label: float(np.mean([row["labels"][label] for row in rows])) for label in rows[0]["labels"]}
            print(f"{name:8} {way:>10} {_line({**mean, 'labels': labels})}  mean of {len(rows)}, "
                  f"least IoU {min(row['iou'] for row in rows):.3f}", flush=True)  # fmt: skip
    print(f"\nlargest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _measure(data: Dataset, way: str, seed: int, folder: Path, quality: _Quality) -> dict[str, Any]:
    parts = Datasets(*split(data, seed=seed)) if way == "2/3" else choose(data, 20, 10, seed)
    run = build(parts, folder / "models", Options("segmentation", quality=quality))
    pixels = run.evaluation.pixels
    means = {key: float(np.mean([getattr(p, key) for p in pixels])) for key in ("iou", "f1", "average_iou")}
    return {
        **means,
        "image_f1": run.evaluation.classification.f1 or 0.0,
        "seconds": run.seconds,
        "labels": {p.label: p.iou for p in pixels},
    }


def _line(row: dict[str, Any]) -> str:
    each = " ".join(f"{label} {iou:.3f}" for label, iou in row["labels"].items())
    return (
        f"{row['iou']:6.3f} {row['f1']:8.3f} {row['average_iou']:11.3f} {row['image_f1']:8.3f} {row['seconds']:8.0f}  "
        f"{each}"
    )
