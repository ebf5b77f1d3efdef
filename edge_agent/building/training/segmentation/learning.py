"""Learning masks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from edge_agent.building.counting import Progress
from edge_agent.building.training import backbone
from edge_agent.building.training.features import F32
from edge_agent.building.training.segmentation.augmentation import augment, stretch_for
from edge_agent.building.training.segmentation.frozen import FrozenStages
from edge_agent.building.training.segmentation.network import Network
from edge_agent.hardware.processor import has_flag
from edge_agent.inference.imaging.resize import U8

#: of the optimiser; enough for a few dozen pictures, and still under three minutes on two cores
STEPS = 450
_BATCH, _PART = 8, 4  # pictures a step, and at once: memory
_NORMAL_SHARE = 8  # one picture in this many is a normal one
#: the backbone's copy is changed little: at 1e-3 it learns the pictures by heart (docs/model-quality-tried.md)
_RATE, _TUNED_RATE, _DECAY = 2e-3, 2e-4, 1e-3
_LABEL_WEIGHT = 2.0  # of a label's pixels against the background's, which are many more
#: of a picture's pixels: a label that covers less counts more, with the root of what it lacks, or it is never learned
_USUAL_SHARE = 0.018
_LARGEST_RARITY = 100.0  # what covers less is a few pixels, maybe of a hand that slipped
_WARM_UP = 0.15
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")  # of /proc/cpuinfo
_AVERAGED, _AVERAGE = 0.5, 0.98  # the weights are averaged over the second half


class Labelled(NamedTuple):
    """Pictures uint8 [h, w, 3] of the input's size, and their classes uint8 [h, w]."""

    pictures: list[U8]
    classes: list[U8]


def learn(data: Labelled, labels: int, *, seed: int, steps: int, progress: Progress) -> Network:
    """Fit a network.

    Args:
        data: normal pictures have classes of 0 only.
        labels: how many there are, the background included.
        seed: everything random follows from it.
        steps: of the optimiser.
        progress: told how many steps are done.
    """
    rng = np.random.default_rng(seed)
    with _deterministic(seed):
        # Depthwise convolutions take half as long with the channels last.
        network = Network(labels).to(memory_format=torch.channels_last)
        frozen = FrozenStages(network.reads)
        groups = [
            {"params": list(network.decoder.parameters()), "lr": _RATE},
            {"params": list(network.tuned.parameters()), "lr": _TUNED_RATE},
        ]
        optimiser = torch.optim.AdamW(groups, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, [_RATE, _TUNED_RATE], total_steps=steps, pct_start=_WARM_UP
        )
        weights = torch.tensor(label_weights(data.classes, labels))
        stretch = stretch_for(sum(bool(classes.any()) for classes in data.classes))
        autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16())
        averaged: Network | None = None
        for step in range(steps):
            optimiser.zero_grad()
            batch = _choose(data, labels, rng)
            for first in range(0, _BATCH, _PART):
                chosen = [(data.pictures[i], data.classes[i]) for i in batch[first : first + _PART]]
                pictures, shares = _arrays([augment(*pair, labels, network.stride, rng, stretch) for pair in chosen])
                with autocast:
                    scores = network(frozen(pictures))
                loss = _loss(scores, shares, weights)
                (loss * (_PART / _BATCH)).backward()
            optimiser.step()
            schedule.step()
            if step + 1 >= steps * _AVERAGED:
                averaged = copy.deepcopy(network) if averaged is None else _average(averaged, network)
            progress(step + 1, steps)
    assert averaged is not None
    return averaged.eval()


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 faster than float32; only x86 was measured."""
    return any(has_flag(flag) for flag in _BFLOAT16_FLAGS)


def _choose(data: Labelled, labels: int, rng: np.random.Generator) -> list[int]:
    """Choose pictures for a step: the labels in turn, however rare one is, and some normal ones."""
    shown = [np.flatnonzero([bool((classes == label).any()) for classes in data.classes]) for label in range(1, labels)]
    shown = [pictures for pictures in shown if len(pictures)]
    empty = np.flatnonzero([not classes.any() for classes in data.classes])
    normal = _BATCH // _NORMAL_SHARE if len(empty) else 0
    start = int(rng.integers(len(shown)))
    chosen = [int(rng.choice(shown[(start + i) % len(shown)])) for i in range(_BATCH - normal)]
    chosen += [int(rng.choice(empty)) for _ in range(normal)]
    return [chosen[i] for i in rng.permutation(_BATCH)]


def _arrays(samples: list[tuple[F32, F32]]) -> tuple[F32, Tensor]:
    pictures = np.stack([picture.transpose(2, 0, 1) for picture, _ in samples])
    normalised = (pictures - np.float32(backbone.MEAN)) / np.float32(backbone.STD)
    return normalised, torch.from_numpy(np.stack([shares for _, shares in samples]))


def label_weights(classes: list[U8], labels: int) -> list[float]:
    """Say how much a pixel of each label counts, the background with 1: more where the label covers little.

    A scratch of a thousandth of the picture was not marked once with the weight that a crack of a fiftieth has.
    """
    weights = [1.0]
    for label in range(1, labels):
        shares = [share for share in (float((picture == label).mean()) for picture in classes) if share]
        rarity = _USUAL_SHARE / float(np.mean(shares)) if shares else 1.0
        weights.append(_LABEL_WEIGHT * min(max(1.0, rarity), _LARGEST_RARITY) ** 0.5)
    return weights


def _loss(scores: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, and the Dice loss of the labels that are there: small defects count as much as large ones.

    `shares` [n, labels, h, w] say how much of each pixel is what.
    """
    pixels = (0, 2, 3)
    counts = shares.sum(pixels)
    logarithms = scores.log_softmax(dim=1)
    entropy = -(weights * (shares * logarithms).sum(pixels)).sum() / (weights * counts).sum()
    found = logarithms[:, 1:].exp()
    overlap = (found * shares[:, 1:]).sum(pixels)
    dice = 1 - (2 * overlap + 1) / (found.sum(pixels) + counts[1:] + 1)
    return entropy + dice.mean()


def _average(averaged: Network, network: Network) -> Network:
    with torch.no_grad():
        for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 1 - _AVERAGE)
    return averaged


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory before it is written; to fill it first takes a fifth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]
