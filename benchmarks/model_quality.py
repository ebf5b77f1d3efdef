"""How good are the models that `edge-agent train` builds, how long does it take, and how fast are they?

    python -m benchmarks.model_quality --quick              # three kinds, two splits: a few minutes on one core
    python -m benchmarks.model_quality                      # verdicts on the development half of all kinds
    python -m benchmarks.model_quality --final              # and on the held-out half: only for a final table
    python -m benchmarks.model_quality --cache /tmp/kinds   # keep what is extracted of the pictures for the next time
    python -m benchmarks.model_quality --kinds vial tray    # some kinds
    python -m benchmarks.model_quality --kinds tray~ nut@   # the same, but parts lie elsewhere, or at any angle
    python -m benchmarks.model_quality --kinds tray#        # six parts in a picture, of which one is bad at the most
    python -m benchmarks.model_quality --trained-on 20+10 --quality best    # one number of pictures, another input
    python -m benchmarks.model_quality whole                # the first four sets, through the finished component
    python -m benchmarks.model_quality masks --results FILE # IoU of the masks (needs torch); each split goes there
    python -m benchmarks.model_quality price --results FILE # F1 of each quality, fp32 and int8
    python -m benchmarks.model_quality speed                # milliseconds of each, one thread
    python -m benchmarks.model_quality speed --models A B   # of finished models (DIR/NAME/VERSION), the same way
    python -m benchmarks.model_quality cost                 # seconds and memory of a training of 30 pictures
    python -m benchmarks.model_quality cost --kinds plate --trained-on 20+2     # of others
    python -m benchmarks.model_quality thresholds           # this threshold against the usual ways to choose one

Pictures are split at random with the seeds 0 to 4; a model is built of one part and measured on the rest, through the
same functions as the commands use. What --results has is not measured again: remove the file when the method changes.
The kinds: `cookies` (../shared), and those of benchmarks/objects/kinds.py. A
method is chosen on the development half; a kind of the held-out half is measured with --final only, so that nobody
tunes on it by accident. `gravel` needs the package scikit-image.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from benchmarks.beginning import begin, command_line
from benchmarks.objects.building import build, choose
from benchmarks.objects.in_turn import compare
from benchmarks.objects.kinds import KINDS
from benchmarks.objects.lying import PANEL, plain_kind
from benchmarks.objects.masks import SETS as MASKED
from benchmarks.objects.masks import WAYS as MASK_WAYS
from benchmarks.objects.masks import measure_masks
from benchmarks.objects.price import price, training_costs
from benchmarks.objects.results import Results
from benchmarks.objects.surfaces import public_texture
from benchmarks.objects.verdicts import WAYS, totals
from benchmarks.objects.verdicts import verdicts as measure_verdicts
from benchmarks.rig import REFERENCE, alternate, machine, median
from benchmarks.synthetic import LABELS, draw
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, PALETTE, Dataset
from edge_agent.building.datasets.reading import read_dataset
from edge_agent.building.demo.model import draw_pictures
from edge_agent.building.evaluation.inspection import load_component
from edge_agent.building.evaluation.metrics import classification_metrics
from edge_agent.building.training.features import Extractor, Quality, choose_input_size, source_model
from edge_agent.building.training.fitting import extract_features, resized_pictures
from edge_agent.building.training.head import Wanted, fit_head
from edge_agent.building.training.options import Options, Precision
from edge_agent.building.training.threshold import normal_spread
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import ArrayPixels

COOKIES = REFERENCE.parents[2] / "data" / "cookies" / "train_segmentation.manifest"
MADE_UP = ("flange", "fabric", "blister")
SEEDS = range(5)
_PRICED = ["brushed", "label", "tray", "vial"]
_COSTED = ["brushed", "plate", "keys"]
_QUICK = ["blister", "label", "vial"]
_EACH = 60  # pictures of a kind in a made-up set


def dataset(name: str, folder: Path) -> Dataset:
    """Read the reference pictures, or draw a made-up set into a folder."""
    if name == "cookies":
        return read_dataset(COOKIES)
    root = folder / name
    if root.exists():
        return read_dataset(root)
    if name == "flange":
        draw_pictures(root, normal=_EACH, anomaly=_EACH, seed=7)
        return read_dataset(root)
    rng = np.random.default_rng(7)
    for part in (NORMAL, ANOMALY, "masks"):
        (root / part).mkdir(parents=True)
    colors = dict(zip(LABELS[name], PALETTE, strict=False))
    palette = np.array([(255, 255, 255), *(tuple(bytes.fromhex(c[1:])) for c in colors.values())], np.uint8)
    (root / "masks" / "labels.json").write_text(str(colors).replace("'", '"'))
    for number in range(_EACH):
        Image.fromarray(draw(name, None, rng).picture).save(root / NORMAL / f"good-{number}.png")
        bad = draw(name, LABELS[name][number % len(LABELS[name])], rng)
        Image.fromarray(bad.picture).save(root / ANOMALY / f"bad-{number}.png")
        Image.fromarray(palette[bad.classes]).save(root / "masks" / f"bad-{number}.png")
    return read_dataset(root)


def whole(sets: list[str], folder: Path) -> None:
    """Print F1 by set, number of pictures and precision, and how honest the confidence is."""
    print(f"{'set':8} {'pictures':>8} {'':5} {'mean F1':>8} {'worst':>6} {'mean AUC':>8} {'seconds':>8}")
    answers: dict[str, list[tuple[float, bool]]] = {}
    for name in sets:
        data = dataset(name, folder)
        for normal, anomaly in ((20, 10), (20, 2), (20, 0)):
            precisions: tuple[Precision, ...] = ("fp32", "int8") if anomaly == 10 else ("fp32",)
            for precision in precisions:
                runs = [
                    build(choose(data, normal, anomaly, seed), folder / "models", Options("classification", precision))
                    for seed in SEEDS
                ]
                f1 = [run.evaluation.classification.f1 or 0.0 for run in runs]
                auc = [run.evaluation.classification.roc_auc or 0.0 for run in runs]
                print(
                    f"{name:8} {f'{normal}+{anomaly}':>8} {precision:5} {np.mean(f1):8.3f} {min(f1):6.3f} "
                    f"{np.mean(auc):8.4f} {median([run.seconds for run in runs]):8.1f}",
                    flush=True,
                )
                answers.setdefault(f"{normal}+{anomaly}", []).extend(
                    (item.verdict.confidence, item.is_right)
                    for run in runs
                    for item in run.evaluation.inspections.items
                )
    print(f"\nlargest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n")
    print("confidence, and how many of those answers are right (all sets)")
    edges = (0.5, 0.7, 0.85, 0.95, 0.99, 1.01)
    for key, found in answers.items():
        parts = []
        for low, high in itertools.pairwise(edges):
            inside = [(confidence, right) for confidence, right in found if low <= confidence < high]
            if inside:
                confidence, right = np.mean(inside, axis=0)
                parts.append(f"{confidence:.2f}: {right:.3f} of {len(inside)}")
        print(f"{key:>6}  " + "   ".join(parts))


def speed(sets: list[str], folder: Path) -> None:
    """Print what an inspection costs, one thread of the engine: each quality in fp32 and int8, all in turn."""
    name = sets[0]
    data = dataset(name, folder)
    parts = choose(data, 20, 10, 0)
    picture = np.ascontiguousarray(read_picture(data.examples[0].path))
    ways, sizes = {}, {}
    for quality, precision in itertools.product(get_args(Quality), get_args(Precision)):
        key = f"{quality}, {precision}"
        run = build(parts, folder / key, Options("classification", precision, quality=quality))
        pipeline = load_component(run.folder, threads=1).pipeline
        sizes[key] = f"{pipeline.manifest.input.width}x{pipeline.manifest.input.height}"
        ways[key] = partial(pipeline.run, ArrayPixels(picture))
    taken = {key: median(samples) * 1000 for key, samples in alternate(ways, rounds=10, each=10).items()}
    print(f"{name}, picture {picture.shape[1]}x{picture.shape[0]}")
    for key, milliseconds in taken.items():
        ratio = milliseconds / taken["normal, fp32"]
        print(f"{key:14} input {sizes[key]:9} {milliseconds:6.1f} ms, {ratio:.2f} of normal, fp32", flush=True)


def thresholds(sets: list[str], folder: Path) -> None:
    """Print the F1 of the same scores with thresholds chosen in several ways."""
    print(
        f"{'set':8} {'pictures':>8}  {'ours':>12} {'best F1':>12} {'mean + 3 sd':>12} {'ideal':>12}   mean / worst F1"
    )
    for name in sets:
        data = dataset(name, folder)
        for normal, anomaly in ((20, 10), (20, 5), (20, 2)):
            rows = np.array(list(_by_threshold(data, normal, anomaly)))
            shown = " ".join(f"{mean:6.3f}/{worst:.3f}" for mean, worst in zip(rows.mean(0), rows.min(0), strict=True))
            print(f"{name:8} {f'{normal}+{anomaly}':>8}  {shown}", flush=True)


def _by_threshold(data: Dataset, normal: int, anomaly: int) -> Iterator[tuple[float, ...]]:
    for seed in SEEDS:
        parts = choose(data, normal, anomaly, seed)
        assert parts.test is not None
        height, width, _ = read_picture(data.examples[0].path).shape
        size = choose_input_size(width, height)
        extract = Extractor(*size, source_model(*size))
        seen, unseen = (
            extract_features(extract, resized_pictures(part.labelled, size), lambda done, total: None)
            for part in (parts.train, parts.test)
        )
        truth, test_truth = (
            np.array([example.label == ANOMALY for example in part.labelled]) for part in (parts.train, parts.test)
        )
        head = fit_head(seen, truth, seed=seed, wanted=Wanted(), progress=lambda done, total: None)
        scores, held_out = head.raw_scores(unseen), head.out_of_fold
        candidates = np.unique(held_out)
        middles = (candidates[1:] + candidates[:-1]) / 2
        f1 = [_f1(held_out, truth, threshold) for threshold in middles]
        best = middles[np.flatnonzero(np.array(f1) == max(f1))].mean()
        spread = normal_spread(held_out[~truth])
        ideal = max(_f1(scores, test_truth, threshold) for threshold in scores)
        yield (
            _f1(scores, test_truth, head.threshold),
            _f1(scores, test_truth, best),
            _f1(scores, test_truth, spread.mean + 3 * spread.deviation),
            ideal,
        )


def _f1(scores: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    return classification_metrics(scores, truth, float(threshold)).f1 or 0.0


def verdicts(arguments: argparse.Namespace) -> None:
    """Print the tables of the halves that may be looked at."""
    quick = arguments.quick
    wanted = arguments.kinds or (_QUICK if quick else ["cookies", *KINDS])
    halves: dict[str, list[str]] = {"development": [], "held-out": []}
    for kind in wanted:
        halves["held-out" if _is_held_out(kind) else "development"].append(kind)
    if not arguments.final:
        halves["held-out"] = []
    ways: tuple[tuple[int, int], ...] = ((20, 10),) if quick else WAYS
    if arguments.trained_on:
        ways = tuple(way for way in WAYS if f"{way[0]}+{way[1]}" in arguments.trained_on)
    for half, kinds in halves.items():
        present = [kind for kind in kinds if _is_present(kind)]
        if present:
            print(f"{half} half")
            found = measure_verdicts(
                present, COOKIES, arguments.cache, ways, range(2 if quick else arguments.splits),
                0.6 if quick else 1.0, arguments.quality,
            )  # fmt: skip
            totals(f"{half} half, {len(present)} kinds", found)
            print()
    print(f"largest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _kind(name: str) -> str:
    known = ("cookies", *KINDS)
    if plain_kind(name) not in known or len(name) - len(plain_kind(name)) > 1:
        raise argparse.ArgumentTypeError(f"{name!r} is no kind; expected one of {', '.join(known)}")
    if name == "cookies" + PANEL:
        raise argparse.ArgumentTypeError(f"{name!r}: a panel is drawn, and cookies are photographs")
    return name


def _is_held_out(kind: str) -> bool:
    plain = plain_kind(kind)
    return plain in KINDS and KINDS[plain].half == "held-out"


def _is_present(kind: str) -> bool:
    if plain_kind(kind) == "cookies" and not COOKIES.exists():
        print("cookies are left out: ../shared is not beside this checkout")
        return False
    if plain_kind(kind) == "gravel" and public_texture("gravel") is None:
        print("gravel is left out: pip install scikit-image")
        return False
    return True


def _refuse(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with what can't be measured, or not yet."""
    held_out = [kind for kind in arguments.kinds or () if _is_held_out(kind)]
    if held_out and not arguments.final:
        parser.error(f"{', '.join(held_out)}: held out; --final measures them, when nothing is chosen by it any more")
    lying = [kind for kind in arguments.kinds or () if kind != plain_kind(kind)]
    if lying and arguments.part not in ("verdicts", "price"):
        parser.error(f"{', '.join(lying)}: only verdicts and price have parts that lie otherwise")
    if arguments.models and arguments.part != "speed":
        parser.error("--models: only speed compares finished models")


def main() -> None:
    parts = {"whole": whole, "speed": speed, "thresholds": thresholds}
    parser = command_line("model_quality", __doc__)
    parser.add_argument("part", nargs="?", choices=("verdicts", "masks", "price", "cost", *parts), default="verdicts")
    parser.add_argument("--kinds", nargs="+", type=_kind, metavar="KIND",
                        help="of verdicts, price and cost: these only; of verdicts and price also with @ behind it "
                        "(parts lie at any angle), ~ (turned by up to 8 degrees, shifted by up to 3 %%) or # (six of "
                        "them in a picture)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="of verdicts: a small part of it")
    parser.add_argument("--splits", type=int, default=5, help="how many, with the seeds from 0 on")
    parser.add_argument("--quality", choices=("auto", *get_args(Quality)), default="auto",
                        help="of verdicts and masks: as `edge-agent train` has it")  # fmt: skip
    parser.add_argument("--trained-on", nargs="+", choices=[f"{good}+{bad}" for good, bad in WAYS],
                        help="of verdicts, price and cost: these numbers of good and bad pictures only")  # fmt: skip
    parser.add_argument("--final", action="store_true", help="of verdicts: the held-out half too, for a final table")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="of verdicts and price: keep the pictures' features there"
    )
    parser.add_argument("--results", type=Path, metavar="FILE",
                        help="of masks and price: write each result there, and go on where it ends")  # fmt: skip
    parser.add_argument("--masked", nargs="+", choices=MASKED, default=list(MASKED), help="of masks: these sets")
    parser.add_argument("--mask-ways", nargs="+", choices=MASK_WAYS, default=list(MASK_WAYS),
                        help="of masks: trained on these pictures only")  # fmt: skip
    parser.add_argument("--sets", nargs="+", choices=("cookies", *MADE_UP), default=["cookies", *MADE_UP],
                        help="of the other parts: these sets of pictures")  # fmt: skip
    parser.add_argument("--models", nargs="+", type=Path, metavar="DIR",
                        help="of speed: finished models, in turn, and how many times the first each takes")  # fmt: skip
    arguments = begin(parser)
    _refuse(parser, arguments)
    print(machine() + "\n")
    if arguments.models:
        compare(arguments.models)
        return
    if arguments.part == "verdicts":
        verdicts(arguments)
        return
    if arguments.part == "price":
        kinds = [kind for kind in arguments.kinds or _PRICED if kind != "cookies"]
        for good, bad in WAYS:
            if f"{good}+{bad}" in (arguments.trained_on or ["20+10"]):
                price(kinds, COOKIES, arguments.cache, range(arguments.splits), Results(arguments.results), (good, bad))
        return
    if arguments.part in ("masks", "cost"):
        with tempfile.TemporaryDirectory() as folder:
            if arguments.part == "cost":
                way = next(way for way in WAYS if f"{way[0]}+{way[1]}" in (arguments.trained_on or ["20+10"]))
                for kind in [kind for kind in arguments.kinds or _COSTED if kind != "cookies"]:
                    training_costs(kind, Path(folder), way)
            else:
                present = [name for name in arguments.masked if name != "cookies" or _is_present(name)]
                measure_masks(
                    present,
                    arguments.mask_ways,
                    range(arguments.splits),
                    COOKIES,
                    Path(folder),
                    Results(arguments.results),
                    arguments.quality,
                )
        return
    sets = [name for name in arguments.sets if name != "cookies" or COOKIES.exists()]
    if len(sets) < len(arguments.sets):
        print("cookies are left out: ../shared is not beside this checkout")
    with tempfile.TemporaryDirectory() as folder:
        parts[arguments.part](sets, Path(folder))


if __name__ == "__main__":
    main()
